use std::{io, path::PathBuf};

use crate::{
    audio::AudioError,
    corpus::CorpusError,
    describe::DescribeError,
    files::{FileError, IoError},
    train::BuiltIn,
};

/// What can go wrong with a library of music.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A file of the library cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model cannot be loaded or fails.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// A query cannot be read.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Separated stems cannot be read.
    #[error(transparent)]
    Stems(#[from] CorpusError),
    /// Stems for models that hear mixes.
    #[error(
        "--stems: the given runs describe mixes as they are; stems of another program are for runs of clean"
    )]
    NeedsMixes,
    /// Music that another program separated, and music that it did not, or another one.
    #[error(
        "{} was made with other stems, or with none, and its vectors cannot be compared with those of these: give the same \
         --stems, or another folder", path.display()
    )]
    OtherStems {
        /// The library's folder.
        path: PathBuf,
    },
    /// A folder that is no library.
    #[error("{} is no library: {message}", path.display())]
    NoLibrary {
        /// The folder.
        path: PathBuf,
        /// What is there instead, and what to do.
        message: String,
    },
    /// A library that is not as it was written.
    #[error("{} is damaged: {message}; remove the library and embed its music again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Another process writes to it.
    #[error("{} is being written by another process: wait for it, or give another folder", path.display())]
    Locked {
        /// The library's folder.
        path: PathBuf,
    },
    /// Vectors of another model cannot be compared.
    #[error(
        "{} was made with another model, and its vectors cannot be compared: the library's identity is {library}, that of \
         the given runs is {model}. Give the library's own runs, or make a new library", path.display()
    )]
    Unlike {
        /// The library's folder.
        path: PathBuf,
        /// Identity in its header.
        library: String,
        /// Identity of the model.
        model: String,
    },
    /// The weights that are built in were others.
    #[error(
        "{} was made with other weights of {model} than this version of stemwise has ({library}, here {here}), and \
         their vectors cannot be compared. Remove it and embed its music again, choose another folder, or use the \
         version that made it", path.display()
    )]
    OtherWeights {
        /// The library's folder.
        path: PathBuf,
        /// What both are called.
        model: BuiltIn,
        /// BLAKE3 of the weights that it was made with.
        library: String,
        /// BLAKE3 of those that are here.
        here: String,
    },
    /// The same weights, but other segments.
    #[error(
        "{} was made of segments of {library} samples, the given runs are of {model}: its vectors cannot be compared. Make \
         a new library", path.display()
    )]
    OtherSegments {
        /// The library's folder.
        path: PathBuf,
        /// Samples of its segments.
        library: usize,
        /// Samples of the model's segments.
        model: usize,
    },
    /// A run that the library was made with cannot be loaded any more.
    #[error(
        "{} cannot be described, as the model that the library was made with cannot be loaded: {source}. If its runs are \
         elsewhere now, name them with --model", query.display()
    )]
    NoModel {
        /// What was to be described.
        query: PathBuf,
        /// Why not.
        source: Box<DescribeError>,
    },
    /// A query that cannot be searched by.
    #[error("{}: {message}", query.display())]
    Query {
        /// The query as it was given.
        query: PathBuf,
        /// Why not, and what to do.
        message: String,
    },
}

impl LibraryError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let failed = IoError::of(what, path);
        move |source| failed(source).into()
    }
}
