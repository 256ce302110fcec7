//! What was found, for players.

use std::{fmt::Write as _, path::Path};

use super::Entry;
use crate::printable::printable;

/// How playlists of this program begin.
pub const PLAYLIST: &str = "#EXTM3U\n#PLAYLIST:found by stemwise\n";

/// An extended M3U, in UTF-8, of the files that are there.
pub fn playlist<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut text = PLAYLIST.to_string();
    for entry in entries.into_iter().filter(|entry| !entry.is_gone()) {
        let path = &entry.file.path;
        let title = path.file_stem().unwrap_or_default().to_string_lossy();
        // writing to a string does not fail
        let _ = writeln!(
            text,
            "#EXTINF:{:.0},{}\n{}",
            entry.seconds.round(),
            printable(&title),
            place(path)
        );
    }
    text
}

/// A path as a line of a playlist. One that would not stay one line, or lose its end, is written as a URL.
fn place(path: &Path) -> String {
    let text = path.to_string_lossy();
    if printable(&text) == text && text.trim() == text {
        return text.into_owned();
    }
    let mut url = "file://".to_string();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(byte.into())
            }
            // writing to a string does not fail
            byte => drop(write!(url, "%{byte:02X}")),
        }
    }
    url
}
