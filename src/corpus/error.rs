use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    audio::AudioError,
    files::{FileError, IoError},
};

/// What can go wrong in reading, checking, making or writing a corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An audio file could not be read, written or converted.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A `metadata.yaml` that does not read as one; `message` names the line where it is known.
    #[error("{}: {message}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What does not read, and where.
        message: String,
    },
    /// Something the corpus layout asks for is not there; `what` names it and `hint` says what to do.
    #[error("{what} is missing at {}: {hint}", path.display())]
    Missing {
        /// The missing thing, as the start of a sentence.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// A MIDI file that does not read as one.
    #[error("{} is not a usable MIDI file: {message}", path.display())]
    Midi {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        message: String,
    },
    /// A file of a store that is damaged, or not what it should be.
    #[error("{}: {message}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A SoundFont that does not read as one.
    #[error("{} is not a usable SoundFont: {message}", path.display())]
    SoundFont {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        message: String,
    },
    /// A request that cannot be met, with the reason and what to change.
    #[error("{message}")]
    Invalid {
        /// The reason and the remedy, as one sentence.
        message: String,
    },
}

impl CorpusError {
    /// [`CorpusError::Invalid`] from anything printable.
    pub fn invalid(message: impl Into<String>) -> Self {
        CorpusError::Invalid {
            message: message.into(),
        }
    }

    /// [`CorpusError::Io`] of what the system says; for `map_err`.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let failed = IoError::of(what, path);
        move |source| failed(source).into()
    }

    pub(super) fn store(path: &Path, message: impl Into<String>) -> Self {
        CorpusError::Store {
            path: path.into(),
            message: message.into(),
        }
    }
}
