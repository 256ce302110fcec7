//! What a prepared track was made of, in one hash: so that a changed corpus is noticed.

use std::{
    io::{self, Read, Seek},
    path::Path,
};

use crate::{
    corpus::{CorpusError, Track, midi::read_tempo},
    files,
};

/// Length of a FLAC file's signature and STREAMINFO block, the last 16 bytes of which are the MD5 of its samples.
const FLAC_HEADER: usize = 42;

/// Hash over the stems that are there, each with its instrument, and the MIDI file.
pub fn fingerprint(track: &Track) -> Result<String, CorpusError> {
    let mut hasher = blake3::Hasher::new();
    for stem in track.stems()?.present {
        let content = content(&stem.path).map_err(CorpusError::io("read", &stem.path))?;
        hasher.update(stem.instrument().name().as_bytes());
        hasher.update(content.as_bytes());
    }
    let midi = files::read(&track.midi_path()).unwrap_or_default();
    hasher.update(b"midi").update(&midi);
    if read_tempo(&track.midi_path()).is_err() {
        // earlier versions had no tempo then
        hasher.update(b"tempo of the sound");
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Hash that changes with a file's audio. A FLAC file says itself what its audio is, which spares reading it all.
fn content(path: &Path) -> io::Result<blake3::Hash> {
    let mut file = files::open(path)?;
    let mut header = Vec::new();
    file.by_ref().take(FLAC_HEADER as u64).read_to_end(&mut header)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file.metadata()?.len().to_le_bytes());
    if is_signed_flac(&header) {
        hasher.update(&header);
    } else {
        file.rewind()?;
        hasher.update_reader(file)?;
    }
    Ok(hasher.finalize())
}

/// Encoders may leave the MD5 out, which is then zero.
fn is_signed_flac(header: &[u8]) -> bool {
    header.len() == FLAC_HEADER
        && header.starts_with(b"fLaC")
        && header[4] & 0x7f == 0
        && header[26..].iter().any(|&byte| byte != 0)
}
