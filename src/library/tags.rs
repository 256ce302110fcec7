//! What a file says of itself.

use std::{io::BufReader, path::Path};

use lofty::{
    config::{ParseOptions, ParsingMode},
    file::TaggedFileExt,
    probe::Probe,
    tag::ItemKey,
};
use serde::{Deserialize, Serialize};

use crate::{files, guard::guarded};

/// Letters of a tag that are kept.
const MOST_LETTERS: usize = 500;

/// What a file says of itself; none of what it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tags {
    /// What the piece is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// What it was released on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// Whose that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_artist: Option<String>,
    /// Its place on it, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// MusicBrainz' id of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// International Standard Recording Code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isrc: Option<String>,
}

impl Tags {
    /// Reads them; what cannot be read says nothing.
    pub fn read(path: &Path) -> Self {
        guarded(|| read(path)).flatten().unwrap_or_default()
    }
}

fn read(path: &Path) -> Option<Tags> {
    let options = ParseOptions::new()
        .read_properties(false)
        .read_cover_art(false)
        .parsing_mode(ParsingMode::Relaxed);
    let reader = BufReader::new(files::open(path).ok()?);
    let file = Probe::new(reader)
        .options(options)
        .guess_file_type()
        .ok()?
        .read()
        .ok()?;
    let first = file.primary_tag().into_iter();
    let tags: Vec<_> = first.chain(file.tags()).collect();
    let text = |key: ItemKey| tags.iter().find_map(|tag| tidy(tag.get_string(key)?));
    Some(Tags {
        title: text(ItemKey::TrackTitle),
        artist: text(ItemKey::TrackArtist),
        album: text(ItemKey::AlbumTitle),
        album_artist: text(ItemKey::AlbumArtist),
        track: text(ItemKey::TrackNumber),
        recording: text(ItemKey::MusicBrainzRecordingId),
        isrc: text(ItemKey::Isrc),
    })
}

/// One line without spaces around it; `None` for nothing.
fn tidy(text: &str) -> Option<String> {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let line: String = plain.take(MOST_LETTERS).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A WAV file of no samples, with a list of texts.
    fn file(texts: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut list = b"INFO".to_vec();
        for (name, text) in texts {
            list.extend(*name);
            list.extend((text.len() as u32).to_le_bytes());
            list.extend(*text);
            list.extend(std::iter::repeat_n(0, text.len() % 2));
        }
        let format = [1, 0, 1, 0, 0x44, 0xac, 0, 0, 0x88, 0x58, 1, 0, 2, 0, 16, 0];
        let mut body = b"WAVE".to_vec();
        for (name, chunk) in [(b"fmt ", &format[..]), (b"LIST", &list), (b"data", &[0; 8])] {
            body.extend(name);
            body.extend((chunk.len() as u32).to_le_bytes());
            body.extend(chunk);
        }
        [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
    }

    #[test]
    fn what_a_file_says_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let texts: [(&[u8; 4], &[u8]); 3] = [
            (b"INAM", b"So What\0"),
            (b"IART", b" Miles\nDavis "),
            (b"IPRD", b"  "),
        ];
        fs::write(&path, file(&texts)).unwrap();
        let expected = Tags {
            title: Some("So What".into()),
            artist: Some("Miles Davis".into()),
            ..Tags::default()
        };
        assert_eq!(Tags::read(&path), expected);
        for bytes in [&b""[..], b"RIFF", &[7; 3000]] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(Tags::read(&path), Tags::default());
        }
        assert_eq!(Tags::read(&folder.path().join("nothing")), Tags::default());
    }
}
