//! A corpus out of nothing: pieces composed and synthesised from a seed.
//!
//! Every piece has its own key, tempo, style, form, chord progressions, playing styles and timbres, and
//! is written in the Slakh2100 layout. A piece is a pure function of (options, track number): the corpus
//! is the same, byte for byte, whatever the number of threads.

mod bass;
mod drums;
mod dsp;
mod form;
mod guitar;
mod melody;
mod perform;
mod piano;
mod residuals;
mod rhythm;
mod studio;
mod theory;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::{
    dsp::RATE,
    form::{GUITAR, PIANO, RESIDUAL, Song},
    studio::Studio,
};
use super::{
    CorpusError,
    instrument::DRUM_PROGRAM,
    record,
    write::{NewTrack, track_folder},
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
const VERSION: u32 = 1;

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
                piece(options, split, number).write(root)?;
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

/// Composes and renders one track.
fn piece(options: &SynthOptions, split: &str, number: u32) -> NewTrack {
    let rng = |purpose| stream(options.seed, number, purpose);
    let song = Song::draw(&mut rng(0), options.seconds);
    let (tempo, length) = (song.tempo, (options.seconds * RATE as f64).round() as usize);
    let mut studio = Studio::draw(&song, rng(1));
    let groove = rng(2).random_range(0..16);

    let notes = rhythm::compose(&song, groove, rng(10));
    let samples = drums::Kit::draw(&mut rng(11)).render(&notes, tempo, length, rng(12));
    studio.add(DRUM_PROGRAM, "Drums", 0.0, notes, samples);

    let patch = bass::Patch::draw(song.style, &mut rng(20));
    let notes = bass::compose(&song, groove, rng(21));
    let samples = patch.render(&notes, tempo, length, rng(22));
    studio.add(patch.program, patch.name, -1.5, notes, samples);

    if song.has(PIANO) {
        let patch = piano::Patch::draw(song.style, &mut rng(30));
        let notes = piano::compose(&song, rng(31));
        let samples = patch.render(&notes, tempo, length, rng(32));
        studio.add(patch.program, patch.name, -3.5, notes, samples);
    }
    if song.has(GUITAR) {
        let patch = guitar::Patch::draw(song.style, &mut rng(40));
        let notes = guitar::compose(&song, &patch, rng(41));
        let samples = patch.render(&notes, tempo, length, rng(42));
        studio.add(patch.program, patch.name, -3.5, notes, samples);
    }
    let mut taken = None;
    for (i, layer) in RESIDUAL
        .into_iter()
        .enumerate()
        .filter(|(_, layer)| song.has(*layer))
    {
        let purpose = 50 + 10 * i as u64;
        let patch = residuals::Patch::draw(taken, &mut rng(purpose));
        taken = Some(patch.role);
        let notes = melody::compose(&song, layer, patch.role, patch.centre, rng(purpose + 1));
        let samples = patch.render(&notes, tempo, length, rng(purpose + 2));
        studio.add(patch.program, patch.name, -4.0 - i as f32, notes, samples);
    }
    let mut ids = rng(3);
    NewTrack {
        number,
        split: split.into(),
        stems: studio.finish(),
        tempo_bpm: tempo,
        beats_per_bar: song.beats_per_bar,
        uuid: format!("{:016x}{:016x}", ids.next_u64(), ids.next_u64()),
    }
}
