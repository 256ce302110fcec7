//! Text for the person at the terminal.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

pub use crate::printable::printable;
use crate::{files, printable::escaped};

/// Standard output was closed by its reader.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub struct Closed;

/// The command was used in a way that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// A path as [`printable`] text.
pub fn name(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}

/// Writes a line, or several, to standard output. Names in it are [`printable`], or [`table`](super::table)'s.
///
/// # Errors
/// [`Closed`] for a broken pipe.
pub fn say(text: impl Display) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{}", escaped(&text.to_string(), true)) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        other => Ok(other?),
    }
}

/// Writes one line to standard error, and does not mind if nobody reads it.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(&text.to_string()));
}

/// Refuses a file for an `option` to write if it is there already and does not begin as this program's do.
///
/// # Errors
/// [`Misuse`].
pub fn may_replace(option: &str, path: &Path, begins: &str) -> anyhow::Result<()> {
    let mut start = Vec::new();
    let read = files::open(path).and_then(|file| file.take(begins.len() as u64).read_to_end(&mut start));
    let why = match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(_) if start == begins.as_bytes() => return Ok(()),
        Ok(_) => "it is there already, and this command did not write it".to_string(),
        Err(error) => error.to_string(),
    };
    let path = name(path);
    Err(Misuse(format!("{option} {path}: {why}; give another name, or remove it")).into())
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn nothing_in_a_name_reaches_the_terminal() {
        let (tricks, shown) = (
            "a\n\r\t\u{1b}[31m\u{9b}\u{202e}\u{2028}\u{7f}",
            "a\\n\\r\\t\\u001b[31m\\u009b\\u202e\\u2028\\u007f",
        );
        assert_eq!(printable(tricks), shown);
        assert_eq!(escaped("a\nb\u{1b}", true), "a\nb\\u001b");
        let usual = "Ænima – 例 👩‍🎤 \\ it's";
        assert!(matches!(printable(usual), Cow::Borrowed(text) if text == usual));
        // what is hidden in JSON is still the same JSON
        let json = serde_json::to_string(tricks).unwrap();
        let read: String = serde_json::from_str(&escaped(&json, true)).unwrap();
        assert_eq!(read, tricks);
    }
}
