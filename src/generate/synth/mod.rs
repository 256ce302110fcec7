//! A corpus out of nothing: pieces composed and synthesised from a seed.
//!
//! Every piece has its own key, tempo, style, form, chord progressions, lines and timbres, and is written in the
//! Slakh2100 layout. A piece is a pure function of (options, track number): the corpus is the same, byte for byte,
//! whatever the number of threads.
//!
//! `scores.toml` says what is played, `patches.toml` how it sounds: a new pattern or a new instrument is a new row
//! there. A piece is planned (`song`), its parts are written out (`drums`, `lines`) and played as by hand (`player`);
//! one voice sounds every note, whatever the instrument (`voice`, `sources`), and stems go through their `effects`
//! into the room of the `studio`.

mod draw;
mod drums;
mod dsp;
mod effects;
mod lines;
mod player;
mod song;
mod sources;
mod studio;
mod tables;
mod theory;
mod voice;

use std::{
    fs,
    path::Path,
    slice,
    sync::atomic::{AtomicUsize, Ordering},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::{
    draw::pick,
    dsp::RATE,
    song::{BASS, DRUMS, LAYERS, Song},
    studio::Studio,
    tables::Tables,
    voice::{Patch, render},
};
use crate::{
    corpus::{CorpusError, DRUM_PROGRAM, record},
    generate::write::{NewTrack, track_folder},
};

/// What to synthesise. Tracks are numbered from 1: training first, then validation, then test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SynthOptions {
    /// Fixes every note and sample of the corpus.
    pub seed: u64,
    /// Training tracks.
    pub train: u32,
    /// Validation tracks.
    pub validation: u32,
    /// Test tracks.
    pub test: u32,
    /// Length of every track, 6 to 3600 seconds.
    pub seconds: f64,
}

/// What [`synthesise`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Tracks made by this call.
    pub written: usize,
    /// Tracks that were there already.
    pub kept: usize,
}

/// The options and the version of the synthesiser, at the root of a synthesised corpus.
const RECORD: &str = "synth.json";
/// Changes whenever the same options would give other audio.
const VERSION: u32 = 2;

#[derive(Serialize)]
struct Record<'a> {
    version: u32,
    #[serde(flatten)]
    options: &'a SynthOptions,
}

impl SynthOptions {
    /// Split and number of every track.
    fn tracks(&self) -> Vec<(&'static str, u32)> {
        let splits = [
            ("train", self.train),
            ("validation", self.validation),
            ("test", self.test),
        ];
        let names = splits
            .into_iter()
            .flat_map(|(name, count)| (0..count).map(move |_| name));
        names.zip(1..).collect()
    }
}

/// Makes the corpus that `options` describe in the folder `root`, in parallel over tracks, on the
/// current rayon pool. Tracks that are there already are kept, so that an interrupted run can be
/// resumed. `progress` is called with (tracks done, tracks in all) after every track, from any thread.
///
/// # Errors
/// [`CorpusError::Invalid`] if the options make no corpus, or `root` holds something else or a corpus
/// with other options; the others if a file cannot be read or written.
pub fn synthesise(
    root: &Path,
    options: &SynthOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Summary, CorpusError> {
    let total = options.train as u64 + options.validation as u64 + options.test as u64;
    if !(1..=99_999).contains(&total) {
        return Err(CorpusError::invalid(format!(
            "a corpus has 1 to 99999 tracks, not {total}"
        )));
    }
    if !(6.0..=3600.0).contains(&options.seconds) {
        let message = format!("a track has 6 to 3600 seconds, not {}", options.seconds);
        return Err(CorpusError::invalid(message));
    }
    let tables = Tables::read()?;
    let tracks = options.tracks();
    let version = VERSION;
    record::claim(root, RECORD, "synthesised", &Record { version, options })?;
    for (split, _) in &tracks {
        let path = root.join(split);
        fs::create_dir_all(&path).map_err(CorpusError::io("create", &path))?;
    }
    let done = AtomicUsize::new(0);
    let written = tracks
        .par_iter()
        .map(|&(split, number)| {
            let missing = !track_folder(root, split, number).exists();
            if missing {
                piece(&tables, options, split, number)?.write(root)?;
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, tracks.len());
            Ok(missing as usize)
        })
        .try_reduce(|| 0, |a, b| Ok::<_, CorpusError>(a + b))?;
    Ok(Summary {
        written,
        kept: tracks.len() - written,
    })
}

/// The random stream of one purpose in one piece: what one player draws does not shift another's.
fn stream(seed: u64, number: u32, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number as u64 * 256 + purpose);
    rng
}

/// Level of drums, bass, piano, guitar and the others in the mix, in dB.
const LEVELS: [f32; LAYERS] = [-0.6, -1.5, -3.5, -3.5, -4.0, -5.0];

/// Composes and renders one track.
fn piece(tables: &Tables, options: &SynthOptions, split: &str, number: u32) -> Result<NewTrack, CorpusError> {
    let rng = |purpose| stream(options.seed, number, purpose);
    let song = Song::draw(tables, &mut rng(0), options.seconds)?;
    let (tempo, length) = (song.tempo, (options.seconds * RATE as f64).round() as usize);
    let mut studio = Studio::draw(tempo, rng(1));

    let kit = tables.kit(&mut rng(11))?;
    let notes = drums::compose(&song, &kit, rng(10));
    let samples = render(&kit, &notes, tempo, length, rng(12));
    studio.add(DRUM_PROGRAM, LEVELS[DRUMS], notes, samples);

    let mut taken = None;
    for layer in (BASS..LAYERS).filter(|layer| song.has(*layer)) {
        let purpose = 10 + 10 * layer as u64;
        let (patch, kinds) = cast(&song, layer, &mut taken, &mut rng(purpose))?;
        let notes = lines::compose(&song, layer, &patch, &kinds, rng(purpose + 1));
        let samples = render(slice::from_ref(&patch), &notes, tempo, length, rng(purpose + 2));
        studio.add(patch.program, LEVELS[layer], notes, samples);
    }
    let mut ids = rng(3);
    Ok(NewTrack {
        number,
        split: split.into(),
        stems: studio.stems,
        tempo_bpm: tempo,
        beats_per_bar: song.style.beats,
        uuid: format!("{:016x}{:016x}", ids.next_u64(), ids.next_u64()),
    })
}

/// Who plays a layer, and which kinds of lines. An instrument beside the four plays one kind only, and not the one that
/// is `taken` by another.
fn cast(
    song: &Song,
    layer: usize,
    taken: &mut Option<String>,
    rng: &mut ChaCha8Rng,
) -> Result<(Patch, Vec<String>), CorpusError> {
    if let Some(seat) = song.seat(layer) {
        let patch = song.tables.patch(&seat.programs, rng)?;
        let kinds = if patch.lines.is_empty() {
            seat.lines.clone()
        } else {
            patch.lines.clone()
        };
        return Ok((patch, kinds));
    }
    loop {
        let patch = song.tables.patch(&song.tables.scores.others, rng)?;
        let kind = pick(rng, &patch.lines).clone();
        if taken.as_ref() != Some(&kind) {
            *taken = Some(kind.clone());
            return Ok((patch, vec![kind]));
        }
    }
}
