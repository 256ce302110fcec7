//! What can go wrong in the engine: while recording, planning, or running on a device.

use std::time::Duration;

/// An error of the engine. Each says what happened, where, and what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An operation was given inputs that it cannot take.
    #[error("{op}: {message}")]
    Shape { op: &'static str, message: String },

    /// A tape was used in a way that cannot be planned or run.
    #[error("{0}")]
    Tape(String),

    /// Host data of the wrong length.
    #[error("{what}: {given} values given, {expected} expected")]
    Length {
        what: String,
        given: usize,
        expected: usize,
    },

    /// A tensor that the adapter cannot bind or hold.
    #[error("{tensor} needs {bytes} bytes, but {adapter} takes at most {limit} in one {what}. {advice}")]
    TensorTooLarge {
        tensor: String,
        bytes: u64,
        limit: u64,
        what: &'static str,
        adapter: String,
        advice: String,
    },

    /// `--device` or the environment variable names nothing that is there.
    #[error("no device matches '{asked}'. Available: {available}. {advice}")]
    NoSuchDevice {
        asked: String,
        available: String,
        advice: String,
    },

    /// The adapter is there but does not give a device.
    #[error("{adapter} cannot be opened: {message}. Update its driver, or use another with --device")]
    DeviceRefused { adapter: String, message: String },

    #[error(
        "{adapter} was lost: {message}. The last checkpoint is intact; resume the run. If it happens again, \
         use a smaller batch or another --device"
    )]
    DeviceLost { adapter: String, message: String },

    #[error(
        "{adapter} is out of memory ({allocated} MiB were allocated): use a smaller batch, width or segment"
    )]
    OutOfMemory { adapter: String, allocated: u64 },

    #[error(
        "{adapter} did not finish within {limit:?}: it hangs, or the step is too large for it. Use a smaller batch or another --device"
    )]
    Timeout { adapter: String, limit: Duration },

    /// A fault of ours or of the driver, found by the API's validation.
    #[error("{adapter} rejected a command, which is a fault of stemwise or of the driver: {message}")]
    Validation { adapter: String, message: String },

    /// A shader that does not preprocess, parse or compile.
    #[error("shader {shader}: {message}")]
    Shader { shader: String, message: String },
}

/// Result of the engine's fallible operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn shape(op: &'static str, message: impl Into<String>) -> Self {
        Error::Shape {
            op,
            message: message.into(),
        }
    }
}
