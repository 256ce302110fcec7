//! SoundFonts, and which of them plays a stem.

use std::{collections::BTreeSet, io::Cursor, path::Path, sync::Arc};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustysynth::{SoundFont, SoundFontError};

use crate::{
    corpus::{CorpusError, DRUM_PROGRAM},
    files,
    guard::guarded,
};

/// The bank of a SoundFont that holds drum kits.
pub(super) const DRUM_BANK: i32 = 128;

/// A SoundFont and what it has.
pub(super) struct Font {
    /// The file's name.
    pub name: String,
    /// Of the file's bytes.
    pub digest: blake3::Hash,
    pub data: Arc<SoundFont>,
    /// Programs of the bank that General MIDI has.
    programs: BTreeSet<u8>,
    pub kits: BTreeSet<u8>,
}

/// What plays a stem.
#[derive(Clone, Copy)]
pub(super) struct Voicing<'a> {
    pub font: &'a Font,
    /// The program in the font, that of the stem or a relative; `None` for drums.
    pub program: Option<u8>,
}

impl Font {
    /// # Errors
    /// [`CorpusError::Io`]; [`CorpusError::SoundFont`] for what is no SoundFont 2, or an empty one.
    pub fn load(path: &Path) -> Result<Self, CorpusError> {
        let bytes = files::read(path).map_err(CorpusError::io("read", path))?;
        let unusable = |message: &str| CorpusError::SoundFont {
            path: path.into(),
            message: message.into(),
        };
        if let Some(reason) = of_another_kind(&bytes) {
            return Err(unusable(reason));
        }
        // the parser allocates what a chunk promises, and computes with what it reads, which may overflow
        if !chunks_fit(&bytes, 2) {
            return Err(unusable(
                "a part of it promises more bytes than there are; get it again",
            ));
        }
        let parsed = guarded(|| SoundFont::new(&mut Cursor::new(&bytes)));
        let data = parsed
            .ok_or_else(|| unusable("its numbers make no sense; get it again"))?
            .map_err(|error| unusable(reason(&error)))?;
        let of_bank = |bank| {
            let presets = data.get_presets().iter();
            let inside = presets.filter(move |preset| preset.get_bank_number() == bank);
            inside
                .filter_map(|preset| u8::try_from(preset.get_patch_number()).ok())
                .collect::<BTreeSet<_>>()
        };
        let (programs, kits) = (of_bank(0), of_bank(DRUM_BANK));
        if programs.is_empty() && kits.is_empty() {
            return Err(unusable("it has no General MIDI program and no drum kit"));
        }
        Ok(Font {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            digest: blake3::hash(&bytes),
            data: Arc::new(data),
            programs,
            kits,
        })
    }

    fn exact(&self, program: u16) -> Option<Voicing<'_>> {
        if program == DRUM_PROGRAM {
            let program = None;
            return (!self.kits.is_empty()).then_some(Voicing { font: self, program });
        }
        let program = u8::try_from(program).ok().filter(|p| self.programs.contains(p));
        program.map(|_| Voicing { font: self, program })
    }

    /// The nearest program of the same class.
    fn relative(&self, program: u16) -> Option<Voicing<'_>> {
        let program = u8::try_from(program).ok()?;
        let family = program / 8 * 8..program / 8 * 8 + 8;
        let program = self
            .programs
            .range(family)
            .copied()
            .min_by_key(|p| p.abs_diff(program));
        program.map(|_| Voicing { font: self, program })
    }
}

/// What a file is that is no SoundFont 2.
fn of_another_kind(bytes: &[u8]) -> Option<&'static str> {
    let samples = bytes.windows(12).find(|window| window.starts_with(b"smpl"));
    match (bytes.get(..4), bytes.get(8..12)) {
        (Some(b"RIFF"), Some(b"sfbk")) if samples.is_some_and(|head| head.ends_with(b"OggS")) => {
            Some("it is compressed (SF3), which is not supported; convert it to SF2")
        }
        (Some(b"RIFF"), Some(b"sfbk")) => None,
        (Some(b"RIFF"), Some(b"DLS ")) => Some("it is a DLS collection; convert it to SF2"),
        _ => Some("it does not begin as one; a file in the format SF2 is needed"),
    }
}

fn reason(error: &SoundFontError) -> &'static str {
    use SoundFontError::*;
    match error {
        IoError(_) => "it is cut short; get it again",
        InvalidPresetList | InvalidPreset(_) | PresetNotFound | InvalidInstrumentId { .. } => {
            "its list of presets is damaged; get it again"
        }
        InvalidInstrumentList | InvalidInstrument(_) | InstrumentNotFound | InvalidSampleId { .. } => {
            "its list of instruments is damaged; get it again"
        }
        SampleDataNotFound | InvalidSampleData | InvalidSampleHeaderList => {
            "its samples are missing or damaged; get it again"
        }
        _ => "its parts are not those of a SoundFont 2; get it again",
    }
}

/// Whether no chunk of a RIFF file, nor of the lists in it down to `depth`, promises more bytes than it has.
/// Nor others than the parser reads of it: that reads on behind what it took, and takes the rest for promises.
fn chunks_fit(mut bytes: &[u8], depth: usize) -> bool {
    while let Some((head, rest)) = bytes.split_at_checked(8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some((chunk, after)) = rest.split_at_checked(size) else {
            return false;
        };
        let holds_chunks = matches!(&head[..4], b"RIFF" | b"LIST") && depth > 0;
        // the list's own name comes first
        if holds_chunks && !chunk.get(4..).is_some_and(|inner| chunks_fit(inner, depth - 1)) {
            return false;
        }
        // of a version, four bytes are read
        if matches!(&head[..4], b"ifil" | b"iver") && size != 4 {
            return false;
        }
        bytes = after;
    }
    // nor may a few bytes be left, but behind the outermost
    bytes.is_empty() || depth == 2
}

/// Draws the font of one stem of one piece, among those that have its program; if there is none, among those that
/// have another program of its class.
pub(super) fn choose(fonts: &[Font], seed: u64, content: [u8; 32], program: u16) -> Option<Voicing<'_>> {
    let mut able: Vec<Voicing> = fonts.iter().filter_map(|font| font.exact(program)).collect();
    if able.is_empty() {
        able = fonts.iter().filter_map(|font| font.relative(program)).collect();
    }
    if able.is_empty() {
        return None;
    }
    let mut key = blake3::Hasher::new();
    key.update(&seed.to_le_bytes());
    key.update(&content);
    key.update(&program.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key.finalize().into());
    Some(able[random.random_range(0..able.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (content.len() as u32).to_le_bytes();
        [id.as_slice(), &size, content].concat()
    }

    #[test]
    fn a_chunk_that_promises_too_much_is_found_at_every_depth() {
        let samples = chunk(b"smpl", &[0; 6]);
        let list = chunk(b"LIST", &[b"sdta".as_slice(), &samples].concat());
        let whole = chunk(b"RIFF", &[b"sfbk".as_slice(), &list].concat());
        assert!(chunks_fit(&whole, 2));
        assert!(
            chunks_fit(&[whole.as_slice(), &[0; 3]].concat(), 2),
            "a few bytes behind"
        );
        // the sizes of file, list and samples
        for at in [4, 16, 28] {
            let mut broken = whole.clone();
            broken[at + 3] = 0x7f;
            assert!(!chunks_fit(&broken, 2), "{at}");
        }
        assert!(!chunks_fit(&whole[..whole.len() - 1], 2));
        assert!(!chunks_fit(&chunk(b"LIST", b"abc"), 1), "a list without a name");
        let with = |inside: &[u8]| {
            let list = chunk(b"LIST", &[b"INFO", inside].concat());
            chunk(b"RIFF", &[b"sfbk".as_slice(), &list].concat())
        };
        assert!(chunks_fit(&with(&chunk(b"ifil", &[2, 0, 1, 0])), 2));
        assert!(
            !chunks_fit(&with(&chunk(b"ifil", &[2, 0, 1, 0, 0, 0])), 2),
            "a version of six bytes"
        );
        let rest = [chunk(b"ifil", &[2, 0, 1, 0]).as_slice(), &[0; 2]].concat();
        assert!(!chunks_fit(&with(&rest), 2), "a few bytes behind, in a list");
    }
}
