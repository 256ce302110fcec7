use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    audio::AudioError,
    corpus::{CorpusError, Instrument},
    files::{FileError, IoError},
    listening::AbxError,
    metrics::MetricsError,
};

/// What can go wrong in training, and with the files of a run.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The engine or the device failed.
    #[error(transparent)]
    Engine(#[from] crate::Error),
    /// The corpus cannot be read, or is not enough.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// Judgements cannot be read, or do not go with the corpus.
    #[error(transparent)]
    Judgements(#[from] AbxError),
    /// An audio file cannot be read, or a transform's settings do not fit together.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A file of the run could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A setting that cannot be used.
    #[error("{setting}: {message}")]
    Setting {
        /// The key in the config.
        setting: &'static str,
        /// What it must be.
        message: String,
    },
    /// The corpus does not have enough of an instrument.
    #[error("{message}")]
    Unheard {
        /// The instrument.
        instrument: Instrument,
        /// What there is, and what is needed.
        message: String,
    },
    /// A recipe that does not exist, or cannot be used as it was.
    #[error("{message}")]
    Recipe {
        /// What is wrong, and what there is.
        message: String,
    },
    /// A run that another cannot build on.
    #[error("{} cannot be built on: {message}", path.display())]
    Parent {
        /// The run's folder.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// A config file that does not read as one; the message names line and key.
    #[error("{} is not a usable config: {message}", path.display())]
    Config {
        /// The config file.
        path: PathBuf,
        /// What does not read, with line and key.
        message: String,
    },
    /// A run without a checkpoint.
    #[error("{} has no checkpoint yet: train it first", folder.display())]
    Untrained {
        /// The run's folder.
        folder: PathBuf,
    },
    /// A folder that is not a run, or is one where a new one was to be made.
    #[error("{}: {message}", path.display())]
    Run {
        /// The run's folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// A checkpoint that is damaged or of another architecture.
    #[error("{} cannot be used: {message}", path.display())]
    Checkpoint {
        /// The checkpoint's file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A training step that would take more memory than there is.
    #[error(
        "a step of {examples} examples takes {bytes} bytes, and {budget} bytes of memory are free for it: use a \
         smaller preset, a smaller batch, or shorter segments"
    )]
    Memory {
        /// Examples in the step.
        examples: usize,
        /// What it takes.
        bytes: u64,
        /// What there is.
        budget: u64,
    },
    /// The loss or a parameter is no longer a finite number.
    #[error(
        "training diverged: {what} is {value} at step {step}{}. {kept}. Start again with a smaller learning \
         rate or a larger batch, or in 32 bits if it was in 16",
        first.as_ref().map_or(String::new(), |first| format!(", first {first}"))
    )]
    Diverged {
        /// The loss or the parameter that is not finite.
        what: String,
        /// NaN or an infinity.
        value: f32,
        /// Step at which it was found.
        step: u32,
        /// The operation whose output was the first that is not finite, if a replay of the step found it.
        first: Option<String>,
        /// Which checkpoint is left to go back to.
        kept: String,
    },
    /// A worker thread ended without saying why.
    #[error("the thread that prepares batches stopped unexpectedly")]
    Worker,
}

impl TrainError {
    pub(super) fn setting(setting: &'static str, message: impl Into<String>) -> Self {
        TrainError::Setting {
            setting,
            message: message.into(),
        }
    }

    pub(super) fn recipe(message: impl Into<String>) -> Self {
        let message = message.into();
        TrainError::Recipe { message }
    }

    pub(super) fn run(path: &Path, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        TrainError::Run { path, message }
    }

    pub(super) fn config(path: &Path, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        TrainError::Config { path, message }
    }

    pub(super) fn checkpoint(path: &Path, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        TrainError::Checkpoint { path, message }
    }

    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let failed = IoError::of(what, path);
        move |source| failed(source).into()
    }
}
