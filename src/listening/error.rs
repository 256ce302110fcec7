use std::path::PathBuf;

use crate::{
    corpus::CorpusError,
    files::{FileError, IoError},
};

/// What can go wrong with judgements.
#[derive(Debug, thiserror::Error)]
pub enum AbxError {
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A CSV file that is not one of judgements; the message says what to do.
    #[error("{}: {message}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, beginning with the line and the column if it is about one.
        message: String,
    },
    /// A JSON file that does not say where samples lie; the message begins with the place in it.
    #[error("{}: {message}", path.display())]
    Clips {
        /// The file.
        path: PathBuf,
        /// Where in the file, what is wrong there, and what to do.
        message: String,
    },
    /// An item whose samples are nowhere, or not what the judgements say.
    #[error("{message}")]
    Unresolved {
        /// The reason and the remedy.
        message: String,
    },
    /// The corpus cannot be read, or allows no items.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}
