//! What a file is, by its content, whatever its name says.

use std::fs::File;

use super::{
    adts::Adts,
    blocks::{Blocks, Fault},
    bytes::Bytes,
    coded::{Coded, Container},
    flac::Flac,
    mpeg::Mpeg,
    names, tags, wav,
};

/// How the names of files that are read end, in small letters.
pub const EXTENSIONS: [&str; 18] = [
    "wav", "wave", "w64", "rf64", "bwf", "flac", "mp3", "mp2", "ogg", "oga", "opus", "m4a", "m4b", "aac",
    "aif", "aiff", "aifc", "caf",
];
/// How the names of music end that is *not* read, in small letters: it has to be converted.
pub const UNREAD_EXTENSIONS: [&str; 29] = [
    "wma", "ape", "wv", "mpc", "mp+", "tta", "tak", "ofr", "shn", "dsf", "dff", "mp4", "m4p", "m4r", "mka",
    "webm", "weba", "ac3", "eac3", "dts", "amr", "3gp", "ra", "rm", "au", "snd", "spx", "aa", "aax",
];

/// Bytes at the beginning of music that say what it is.
const HEAD: usize = 64;
/// Frames of MPEG audio may begin so far behind the beginning of a file, and behind an ID3 tag.
const DEPTHS: [u64; 2] = [1 << 16, 1 << 20];

/// Opens the file as what it is.
pub(super) fn open(mut file: File) -> Result<Box<dyn Blocks>, Fault> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Err(Fault::Empty);
    }
    let mut music = tags::between(&mut file)?;
    let tagged = music.start > 0;
    let mut bytes = Bytes::new(file.try_clone()?, music.clone())?;
    if tagged {
        // Some taggers leave room behind the tag.
        while bytes.ahead(1)? == [0] {
            bytes.skip(1)?;
        }
        music.start = bytes.position();
    }
    let head = bytes.ahead(HEAD)?.to_vec();
    let coded = |file, range, container| -> Result<Box<dyn Blocks>, Fault> {
        Ok(Box::new(Coded::open(file, range, container, &head)?))
    };
    if let Some(form) = wav::Form::of(&head) {
        return wav::open(file, music.start..length, form);
    }
    match head.as_slice() {
        [b'f', b'L', b'a', b'C', ..] => return Ok(Box::new(Flac::open(file, music)?)),
        [b'O', b'g', b'g', b'S', ..] => return coded(file, music, Container::Ogg),
        [_, _, _, _, b'f', b't', b'y', b'p', ..]
        | [_, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [_, _, _, _, b'm', b'd', b'a', b't', ..] => return coded(file, music, Container::Mp4),
        [
            b'F',
            b'O',
            b'R',
            b'M',
            _,
            _,
            _,
            _,
            b'A',
            b'I',
            b'F',
            b'F' | b'C',
            ..,
        ] => {
            return coded(file, music, Container::Aiff);
        }
        [b'c', b'a', b'f', b'f', ..] => return coded(file, music, Container::Caf),
        _ => {}
    }
    if let Some(name) = names::unread(&head) {
        return Err(Fault::Unsupported(name.into()));
    }
    if !tagged
        && head
            .iter()
            .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        return Err(Fault::NotAudio("it begins like a text file".into()));
    }
    // Frames of AAC have the mark of MPEG audio and a layer that it has not.
    if let [0xFF, 0xF0 | 0xF1 | 0xF8 | 0xF9, ..] = head.as_slice() {
        let adts = Adts::open(file.try_clone()?, music.clone())?;
        if let Some(adts) = adts {
            return Ok(Box::new(adts));
        }
    }
    let depth = DEPTHS[usize::from(tagged)];
    if let Some(mpeg) = Mpeg::open(file, music, depth)? {
        return Ok(Box::new(mpeg));
    }
    Err(match head.as_slice() {
        [] => Fault::NotAudio("it holds nothing but tags".into()),
        [0xFF, 0xE2..=0xFF, sizes, ..] if sizes >> 4 == 0 => Fault::Unsupported("MP3 of free format".into()),
        [b'R', b'I', b'F', b'F', ..] => Fault::NotAudio("it begins like a WAV file and is none".into()),
        [b'M', b'T', b'h', b'd', ..] => {
            Fault::NotAudio("it is a MIDI file, which holds notes and no sound".into())
        }
        _ => Fault::NotAudio("it begins like none that is known".into()),
    })
}
