use std::{io, path::PathBuf};

use crate::files::FileError;

/// What can go wrong with audio: files that are not what they claim, and numbers that are not sound.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The operating system refused to open or read the file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of zero bytes.
    #[error("{} is an empty file (0 bytes); copy or render it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The content is no audio in a format that is known, whatever the name says.
    #[error("{} is no audio file: {reason}", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        reason: String,
    },
    /// Audio, but of a kind this crate does not read.
    #[error("{}: {what} is not supported; convert it to FLAC or WAV", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The format, codec or sample type it holds.
        what: String,
    },
    /// The header promises more frames than the file holds.
    #[error(
        "{} is truncated: {found} of the {promised} frames its header promises are there; copy it again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Frames that are there.
        found: u64,
        /// Frames by the header.
        promised: u64,
    },
    /// A damaged block in the middle of the file.
    #[error("{} is damaged near frame {frame}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first frame that could not be decoded, from 0; 0 for a damaged header.
        frame: u64,
        /// What the decoder met.
        reason: String,
    },
    /// A well-formed file without a single frame.
    #[error("{} holds no audio (0 frames)", path.display())]
    NoFrames {
        /// The file.
        path: PathBuf,
    },
    /// A float file with a sample that is no number.
    #[error("{}: the sample at frame {frame}, channel {channel} is {value}, not a finite number", path.display())]
    NotFinite {
        /// The file read or written.
        path: PathBuf,
        /// Frame of the first such sample, from 0.
        frame: u64,
        /// Channel of that sample, from 0.
        channel: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A range that does not lie inside the file.
    #[error("{}: frames {start}..{end} were asked for, the file has {frames}", path.display())]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// First frame asked for.
        start: u64,
        /// One past the last frame asked for.
        end: u64,
        /// Length of the file, in frames.
        frames: u64,
    },
    /// Sample rates between which this crate does not resample.
    #[error("cannot resample from {from} Hz to {to} Hz: {reason}")]
    Resample {
        /// Rate of the input, in Hz.
        from: u32,
        /// Rate of the output, in Hz.
        to: u32,
        /// Why there is no way from one to the other.
        reason: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The parameters of a transform do not fit together.
    #[error("invalid audio parameter: {message}")]
    Invalid {
        /// Which parameter, and what it must be.
        message: String,
    },
}
