//! Text for whoever sits in front of it.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

/// Standard output was closed by its reader.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub struct Closed;

/// The command was used in a way that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// Writes a line to standard output.
///
/// # Errors
/// [`Closed`] for a broken pipe.
pub fn say(text: impl Display) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        other => Ok(other?),
    }
}

/// Writes a line to standard error, and does not mind if nobody reads it.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes `error: what` and its causes to standard error.
pub fn report(error: &anyhow::Error) {
    note(format!("error: {}", describe(error)));
}

/// An error and its causes; a cause that its error already quotes is not said twice.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
