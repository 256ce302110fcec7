//! Text as a line can show it.

use std::{borrow::Cow, fmt::Write as _};

/// Text in one line that a terminal shows as it is. Names of files may hold anything: what would break the line, change
/// colours or turn the order of letters round is written as JSON writes it, `\u001b`.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, false)
}

/// The same; with `lines`, of several lines.
pub fn escaped(text: &str, lines: bool) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && !(lines && c == '\n');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '\n' if !lines => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // writing to a string does not fail
            c if hidden(c) => drop(write!(shown, "\\u{:04x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, ends of lines, and what sets the direction of writing.
fn is_hidden(c: char) -> bool {
    let directed =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || directed || matches!(c, '\u{2028}' | '\u{2029}')
}
