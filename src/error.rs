//! What can go wrong in the engine: while recording, planning, or running on a device.

use std::time::Duration;

/// An error of the engine. Each says what happened, where, and what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An operation was given inputs that it cannot take.
    #[error("{op}: {message}")]
    Shape {
        /// The operation's name.
        op: &'static str,
        /// Which shapes it was given and which it takes.
        message: String,
    },

    /// A tape was used in a way that cannot be planned or run.
    #[error("{0}")]
    Tape(String),

    /// Host data of the wrong length.
    #[error("{what}: {given} values given, {expected} expected")]
    Length {
        /// The tensor or buffer to be filled.
        what: String,
        /// Values that were given.
        given: usize,
        /// Values that fit.
        expected: usize,
    },

    /// A tensor that the adapter cannot bind or hold.
    #[error("{tensor} needs {bytes} bytes, but {adapter} takes at most {limit} in one {what}. {advice}")]
    TensorTooLarge {
        /// The tensor's or buffer's name.
        tensor: String,
        /// Its size.
        bytes: u64,
        /// The adapter's limit, in bytes.
        limit: u64,
        /// What the limit is of: "buffer" or "binding".
        what: &'static str,
        /// Name and API of the adapter.
        adapter: String,
        /// A change that would make it fit.
        advice: String,
    },

    /// `--device` or the environment variable names nothing that is there.
    #[error("no device matches '{asked}'. Available: {available}. {advice}")]
    NoSuchDevice {
        /// The selector that was given.
        asked: String,
        /// The devices there are, separated by commas.
        available: String,
        /// What to do instead.
        advice: String,
    },

    /// An environment variable holds what it cannot mean.
    #[error("{variable} is '{value}': {advice}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        advice: String,
    },

    /// The adapter is there but does not give a device.
    #[error("{adapter} cannot be opened: {message}. Update its driver, or use another with --device")]
    DeviceRefused {
        /// Name and API of the adapter.
        adapter: String,
        /// The driver's words.
        message: String,
    },

    /// The adapter's shaders know no 16-bit floats.
    #[error("{adapter} has no 16-bit floats: use another --device, or begin anew with --precision f32")]
    NoHalves {
        /// Name and API of the adapter.
        adapter: String,
    },

    /// The device was lost while in use: a driver reset, a hang or an unplugged GPU.
    #[error(
        "{adapter} was lost: {message}. The last checkpoint is intact; resume the run. If it happens again, \
         use a smaller batch or another --device"
    )]
    DeviceLost {
        /// Name and API of the adapter.
        adapter: String,
        /// The driver's words.
        message: String,
    },

    /// An allocation that the device's memory could not hold.
    #[error(
        "{adapter} is out of memory ({allocated} MiB were allocated): use a smaller batch, width or segment"
    )]
    OutOfMemory {
        /// Name and API of the adapter.
        adapter: String,
        /// MiB that stemwise held at the time.
        allocated: u64,
    },

    /// Submitted work that did not end in time.
    #[error(
        "{adapter} did not finish within {limit:?}: it hangs, or the step is too large for it. Use a smaller batch or another --device"
    )]
    Timeout {
        /// Name and API of the adapter.
        adapter: String,
        /// How long was waited.
        limit: Duration,
    },

    /// A fault of ours or of the driver, found by the API's validation.
    #[error("{adapter} rejected a command, which is a fault of stemwise or of the driver: {message}")]
    Validation {
        /// Name and API of the adapter.
        adapter: String,
        /// The API's words.
        message: String,
    },

    /// A shader that does not preprocess, parse or compile.
    #[error("shader {shader}: {message}")]
    Shader {
        /// File name of the shader.
        shader: String,
        /// The compiler's or the preprocessor's words.
        message: String,
    },
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

    /// [`Error::Length`], unless the numbers are equal.
    pub(crate) fn check_len(given: usize, expected: usize, what: impl FnOnce() -> String) -> Result<()> {
        match given == expected {
            true => Ok(()),
            false => Err(Error::Length {
                what: what(),
                given,
                expected,
            }),
        }
    }
}
