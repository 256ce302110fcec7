//! JSON that is changed and stays JSON: what a parser refuses at a bracket says nothing about what it believes.

use std::ops::Range;

use super::mutate::Source;

/// Values to put in the place of others.
const VALUES: [&str; 22] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.5",
    "-0.0",
    "1e38",
    "1e308",
    "5e-324",
    "null",
    "true",
    "\"\"",
    "\"../../x\"",
    "\"\\u0000\\ud83d\\ude00\"",
    "[]",
    "{}",
];

/// Puts another value in the place of one, or another name; of JSON in a string, too.
pub fn edit_json(text: &mut Vec<u8>, source: &mut Source) {
    let values = scalars(text);
    if values.is_empty() {
        return;
    }
    let at = values[source.below(values.len())].clone();
    let other = values[source.below(values.len())].clone();
    let old = &text[at.clone()];
    let is_name = text[at.end..].first() == Some(&b':');
    let inner = serde_json::from_slice::<String>(old)
        .ok()
        .filter(|inner| inner.starts_with('{'));
    let new = match inner {
        Some(inner) => {
            let mut inner = inner.into_bytes();
            edit_json(&mut inner, source);
            serde_json::to_vec(&String::from_utf8_lossy(&inner)).unwrap_or_default()
        }
        None if is_name || source.one_in(3) => text[other].to_vec(),
        None => {
            let any = source.one_in(4);
            let fits = |value: &&&str| any || kind(value.as_bytes()) == kind(old);
            let fitting: Vec<_> = VALUES.iter().filter(fits).collect();
            fitting[source.below(fitting.len())].as_bytes().to_vec()
        }
    };
    text.splice(at, new);
}

/// What begins like this: text, number or word.
fn kind(value: &[u8]) -> u8 {
    match value.first() {
        Some(b'"') => 0,
        Some(b'0'..=b'9' | b'-') => 1,
        _ => 2,
    }
}

/// Where strings (names among them), numbers and words are.
fn scalars(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at + 1..];
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let len = match byte {
            b'"' => {
                let mut escaped = false;
                let end = rest.iter().position(|&byte| {
                    let ends = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    ends
                });
                1 + end.map_or(rest.len(), |end| end + 1)
            }
            byte if is_word(&byte) => 1 + rest.iter().take_while(|byte| is_word(byte)).count(),
            _ => {
                at += 1;
                continue;
            }
        };
        found.push(at..at + len);
        at += len;
    }
    found
}

/// The JSON that a file of tensors begins with, behind its length in eight bytes; a file with another is made by
/// [`set_header`].
pub fn header(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?);
    let json = bytes.get(8..)?.get(..usize::try_from(length).ok()?)?;
    json.starts_with(b"{").then(|| json.to_vec())
}

/// Puts another header of JSON in front of the tensors.
pub fn set_header(bytes: &mut Vec<u8>, old: usize, json: &[u8]) {
    bytes[..8].copy_from_slice(&(json.len() as u64).to_le_bytes());
    bytes.splice(8..8 + old, json.iter().copied());
}
