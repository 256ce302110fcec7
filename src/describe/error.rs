use std::path::PathBuf;

use crate::{corpus::Instrument, train::TrainError};

/// What can go wrong in describing.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The engine or the device failed.
    #[error(transparent)]
    Engine(#[from] crate::Error),
    /// A run cannot be read.
    #[error(transparent)]
    Run(#[from] TrainError),
    /// No run at all.
    #[error("no run was given: give one of all instruments, or one or several of one instrument")]
    NoRun,
    /// A run whose network describes nothing.
    #[error("{} is a run of '{recipe}', which describes nothing: give runs of clean, a cascade, direct, h25 or contrast", folder.display())]
    NoDescription {
        /// The run's folder.
        folder: PathBuf,
        /// Name of its recipe.
        recipe: String,
    },
    /// Two runs that describe one instrument.
    #[error("{} and {} both describe {instrument}: give only one of them", first.display(), second.display())]
    SameInstrument {
        /// Folder of the run that was given first.
        first: PathBuf,
        /// Folder of the other.
        second: PathBuf,
        /// What both describe.
        instrument: Instrument,
    },
    /// Two runs that do not belong together.
    #[error("{} and {} do not go together: {difference}", first.display(), second.display())]
    Unlike {
        /// Folder of the first run.
        first: PathBuf,
        /// Folder of the one that differs.
        second: PathBuf,
        /// In what they differ.
        difference: &'static str,
    },
    /// An instrument that no run describes.
    #[error("no run was given that describes {instrument}")]
    NoInstrument {
        /// What was to be described.
        instrument: Instrument,
    },
    /// A segment of a length that the network cannot take.
    #[error("the network cannot describe segments of {seconds} s ({message}): give longer ones")]
    Unfit {
        /// Their length.
        seconds: f64,
        /// What does not fit.
        message: String,
    },
    /// A mix, where stems must be given.
    #[error(
        "{} was trained on clean stems and cannot describe {instrument} in a mix: use a cascade, direct, h25 or contrast",
        folder.display()
    )]
    NeedsStems {
        /// The run's folder.
        folder: PathBuf,
        /// What was to be described.
        instrument: Instrument,
    },
    /// Segments that the front end cannot transform.
    #[error("segments of {samples} samples are too short: the transform needs more than {least}")]
    Short {
        /// Length that was asked for.
        samples: usize,
        /// What they must exceed.
        least: usize,
    },
    /// A signal of another length than the others.
    #[error("item {item} has {given} samples where {expected} are expected")]
    Length {
        /// Its place among those that were given together.
        item: usize,
        /// Its samples.
        given: usize,
        /// Those of a segment.
        expected: usize,
    },
}
