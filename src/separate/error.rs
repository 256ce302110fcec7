use std::path::PathBuf;

use crate::{
    audio::AudioError,
    corpus::Instrument,
    files::{FileError, IoError},
    train::TrainError,
};

/// What can go wrong in separating files.
#[derive(Debug, thiserror::Error)]
pub enum SeparateError {
    /// The engine or the device failed.
    #[error(transparent)]
    Engine(#[from] crate::Error),
    /// The audio file cannot be read, or a stem not be written.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A model cannot be loaded.
    #[error(transparent)]
    Model(#[from] TrainError),
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An array cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was [told to stop](super::Separators::stop_at).
    #[error("stopped; nothing of it was written")]
    Interrupted,
    /// No model at all.
    #[error("no model was given")]
    NoModel,
    /// A run whose network separates nothing.
    #[error("{} is a run of '{recipe}', which separates nothing: give runs of separators", folder.display())]
    NoSeparator {
        /// The run's folder.
        folder: PathBuf,
        /// Name of its recipe.
        recipe: String,
    },
    /// Two models of one instrument would write to one file.
    #[error("{} and {} both separate {instrument}: give only one of them", first.display(), second.display())]
    SameInstrument {
        /// Folder of the model that was given first.
        first: PathBuf,
        /// Folder of the other.
        second: PathBuf,
        /// What both separate.
        instrument: Instrument,
    },
    /// Models that cannot share one transform.
    #[error("{} works with another rate or transform than {}: separate with one at a time", second.display(), first.display())]
    FrontEnd {
        /// Folder of the first model.
        first: PathBuf,
        /// Folder of the one that differs.
        second: PathBuf,
    },
    /// Windows that do not overlap as they must.
    #[error("windows of {frames} frames cannot overlap by {overlap}: use at most half")]
    Windows {
        /// Length of a window.
        frames: usize,
        /// Frames shared by neighbours.
        overlap: usize,
    },
    /// Something is there under the name of a stem or an array.
    #[error("{} exists already: choose another folder, or allow it to be overwritten", path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// A path without a file name.
    #[error("{} has no file name to name its stems after", path.display())]
    NoName {
        /// The path that was given.
        path: PathBuf,
    },
    /// More channels than are separated.
    #[error("{} has {channels} channels; at most {most} are supported", path.display())]
    Channels {
        /// The file.
        path: PathBuf,
        /// Channels of the file.
        channels: usize,
        /// The largest number of channels.
        most: usize,
    },
}
