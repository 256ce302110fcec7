use std::path::PathBuf;

use crate::{
    audio::AudioError,
    corpus::CorpusError,
    describe::DescribeError,
    files::{FileError, IoError},
    listening::AbxError,
    metrics::MetricsError,
    separate::SeparateError,
    train::TrainError,
};

/// What can go wrong in an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The engine or the device failed.
    #[error(transparent)]
    Engine(#[from] crate::Error),
    /// A run cannot be read.
    #[error(transparent)]
    Run(#[from] TrainError),
    /// A model cannot describe.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// A model cannot separate.
    #[error(transparent)]
    Separate(#[from] SeparateError),
    /// The corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// Judgements cannot be read.
    #[error(transparent)]
    Judgements(#[from] AbxError),
    /// A mix cannot be written.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The result could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// An earlier evaluation that cannot be read.
    #[error("{}: {message}", path.display())]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// Too little music for a protocol.
    #[error("{what} needs {needs}, but {has}. {advice}")]
    TooFew {
        /// The protocol, and the instrument.
        what: String,
        /// What there must be.
        needs: String,
        /// What there is.
        has: String,
        /// What can be done.
        advice: &'static str,
    },
    /// A protocol that these runs have nothing for.
    #[error("{what} {message}")]
    Unfit {
        /// The protocol.
        what: &'static str,
        /// What it takes, and what is given.
        message: String,
    },
    /// An option that cannot be used.
    #[error("{option}: {message}")]
    Option {
        /// As on the command line.
        option: &'static str,
        /// What it must be.
        message: String,
    },
    /// A judged piece that is in no split of the corpus.
    #[error("Track{track:05} was judged in {}, but is not in the corpus: give the corpus that was judged", path.display())]
    NotInCorpus {
        /// The table of judgements.
        path: PathBuf,
        /// The piece's number.
        track: u32,
    },
    /// It was asked to stop.
    #[error("stopped before the end; nothing was written")]
    Interrupted,
}

impl EvalError {
    /// Whether only this protocol or instrument is concerned, and the others can be evaluated.
    pub(super) fn is_local(&self) -> bool {
        matches!(
            self,
            EvalError::TooFew { .. }
                | EvalError::Unfit { .. }
                | EvalError::Metrics(_)
                | EvalError::Describe(DescribeError::Short { .. } | DescribeError::Unfit { .. })
        )
    }
}
