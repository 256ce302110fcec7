use std::{io, path::PathBuf};

use crate::files::FileError;

/// What can go wrong with audio: files that are not what they claim, and numbers that are not sound.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The operating system refused to open or read the file.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file of zero bytes.
    #[error("{} is an empty file (0 bytes); copy or render it again", path.display())]
    Empty { path: PathBuf },
    /// The content is neither WAV nor FLAC, whatever the name says.
    #[error("{} is neither a WAV nor a FLAC file: {reason}", path.display())]
    NotAudio { path: PathBuf, reason: String },
    /// WAV or FLAC, but of a kind this crate does not read.
    #[error("{}: {what} is not supported; convert it to 16-bit WAV or FLAC", path.display())]
    Unsupported { path: PathBuf, what: String },
    /// The header promises more frames than the file holds.
    #[error(
        "{} is truncated: {found} of the {promised} frames its header promises are there; copy it again",
        path.display()
    )]
    Truncated {
        path: PathBuf,
        found: u64,
        promised: u64,
    },
    /// A damaged block in the middle of the file.
    #[error("{} is damaged near frame {frame}: {reason}", path.display())]
    Damaged {
        path: PathBuf,
        frame: u64,
        reason: String,
    },
    /// A well-formed file without a single frame.
    #[error("{} holds no audio (0 frames)", path.display())]
    NoFrames { path: PathBuf },
    /// A float file with a sample that is no number.
    #[error("{}: the sample at frame {frame}, channel {channel} is {value}, not a finite number", path.display())]
    NotFinite {
        path: PathBuf,
        frame: u64,
        channel: usize,
        value: f32,
    },
    /// A range that does not lie inside the file.
    #[error("{}: frames {start}..{end} were asked for, the file has {frames}", path.display())]
    OutOfRange {
        path: PathBuf,
        start: u64,
        end: u64,
        frames: u64,
    },
    /// Sample rates between which this crate does not resample.
    #[error("cannot resample from {from} Hz to {to} Hz: {reason}")]
    Resample { from: u32, to: u32, reason: String },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The parameters of a transform do not fit together.
    #[error("invalid audio parameter: {message}")]
    Invalid { message: String },
}
