//! Segments of a corpus to be separated and heard: a few seconds of two songs in which much sounds.

use std::path::Path;

use super::SoundError;
use crate::corpus::{Corpus, Instrument, Source, Split, Store, StoredTrack, Track, load_all, track_frames};

/// Seconds of a segment.
pub(super) const SECONDS: usize = 4;
/// Seconds on either side that a separator hears, too.
pub(super) const AROUND: usize = 1;
/// Songs of which a segment is taken.
const SONGS: usize = 2;
/// Songs that are searched, at most.
const TRIED: usize = 8;
/// Seconds of a song that are searched.
const SEARCHED: u64 = 90;
/// Mean square below which nothing is heard (-60 dB).
const QUIET: f64 = 1e-6;

/// A segment, and what is around it.
pub(super) struct Segment {
    /// Split and name of its track.
    pub track: String,
    /// Where it begins, in seconds.
    pub start: f64,
    /// By instrument: the segment and [`AROUND`] on either side, as far as there is music.
    pub stems: [Vec<f32>; 5],
    /// Samples before the segment.
    pub before: usize,
    /// Samples of the segment.
    pub len: usize,
    /// In Hz.
    pub rate: u32,
}

impl Segment {
    /// The sum of the stems, with what is around.
    pub fn mix(&self) -> Vec<f32> {
        let mut mix = vec![0.0; self.stems[0].len()];
        for stem in &self.stems {
            mix.iter_mut().zip(stem).for_each(|(sum, x)| *sum += x);
        }
        mix
    }

    /// The segment alone.
    pub fn cut<'a>(&self, samples: &'a [f32]) -> &'a [f32] {
        samples
            .get(self.before..self.before + self.len)
            .unwrap_or(samples)
    }

    /// Whether an instrument can be heard in it.
    pub fn sounds(&self, instrument: Instrument) -> bool {
        power(self.cut(&self.stems[instrument as usize])) > QUIET
    }
}

/// Segments of the corpus or store at `path`, and their split: one that models were not trained on, if there is any.
///
/// # Errors
/// What reading gives; [`SoundError::Unfit`] for a corpus without a song that is long enough, or a store of another
/// rate.
pub(super) fn segments(
    path: &Path,
    rate: u32,
    wanted: &[Instrument],
    seed: u64,
) -> Result<(Split, Vec<Segment>), SoundError> {
    let source = Source::open(path)?;
    let songs = Songs::of(&source, rate)?;
    let count = songs.len();
    let mut found = Vec::new();
    let mut tried = Vec::new();
    // from the song that the seed says on, as far apart as can be
    let apart = count.div_ceil(SONGS);
    for i in 0..count {
        let at = ((seed % count as u64) as usize + i / SONGS + i % SONGS * apart) % count;
        if found.len() < SONGS && tried.len() < TRIED && !tried.contains(&at) {
            tried.push(at);
            found.extend(songs.segment(at, wanted)?);
        }
    }
    match found.is_empty() {
        true => Err(SoundError::Unfit(format!(
            "none of the {} songs of '{}' in {} that were searched has {SECONDS} s in which something sounds",
            tried.len(),
            songs.split,
            path.display()
        ))),
        false => Ok((songs.split, found)),
    }
}

struct Songs<'a> {
    split: Split,
    rate: u32,
    tracks: Tracks<'a>,
}

enum Tracks<'a> {
    Stored(&'a [StoredTrack]),
    Files(&'a [Track]),
}

impl<'a> Songs<'a> {
    fn of(source: &'a Source, rate: u32) -> Result<Self, SoundError> {
        let store_of = |store: &Store| store.root().display().to_string();
        if let Source::Store(store) = source
            && store.rate() != rate
        {
            return Err(SoundError::Unfit(format!(
                "{} has {} Hz, and the models work at {rate} Hz",
                store_of(store),
                store.rate()
            )));
        }
        let order = [Split::Test, Split::Validation, Split::Unsplit, Split::Train];
        let tracks = |split: Split| match source {
            Source::Store(store) => Tracks::Stored(store.split(split)),
            Source::Folder(corpus) => Tracks::Files(Corpus::split(corpus, split)),
        };
        let songs = order.into_iter().map(|split| Songs {
            split,
            rate,
            tracks: tracks(split),
        });
        let mut songs = songs.filter(|songs| songs.len() > 0);
        songs
            .next()
            .ok_or_else(|| SoundError::Unfit("there are no tracks in the corpus".into()))
    }

    fn len(&self) -> usize {
        match self.tracks {
            Tracks::Stored(tracks) => tracks.len(),
            Tracks::Files(tracks) => tracks.len(),
        }
    }

    /// The segment of a song in which the quietest of the wanted instruments that it has is the loudest.
    fn segment(&self, at: usize, wanted: &[Instrument]) -> Result<Option<Segment>, SoundError> {
        let (track, stems) = self.read(at)?;
        let (len, around) = (SECONDS * self.rate as usize, AROUND * self.rate as usize);
        let frames = stems[0].len();
        let starts = (0..)
            .map(|i| i * self.rate as usize)
            .take_while(|start| start + len <= frames);
        let score = |start: usize| {
            let powers = wanted
                .iter()
                .map(|&i| power(&stems[i as usize][start..start + len]));
            let heard: Vec<f64> = powers.filter(|power| *power > QUIET).collect();
            let least = heard.iter().fold(f64::INFINITY, |least, power| least.min(*power));
            (heard.len(), if heard.is_empty() { 0.0 } else { least })
        };
        let better = |a: &(usize, (usize, f64)), b: &(usize, (usize, f64))| {
            let ((_, a), (_, b)) = (a, b);
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        let best = starts.map(|start| (start, score(start))).max_by(better);
        let Some((start, _)) = best.filter(|(_, (heard, _))| *heard > 0) else {
            return Ok(None);
        };
        let (from, to) = (start.saturating_sub(around), (start + len + around).min(frames));
        Ok(Some(Segment {
            track,
            start: start as f64 / f64::from(self.rate),
            stems: stems.map(|stem| stem[from..to].to_vec()),
            before: start - from,
            len,
            rate: self.rate,
        }))
    }

    /// Name and stems of a song, as far as it is searched.
    fn read(&self, at: usize) -> Result<(String, [Vec<f32>; 5]), SoundError> {
        let most = SEARCHED * u64::from(self.rate);
        match self.tracks {
            Tracks::Stored(tracks) => {
                let track = &tracks[at];
                let len = track.frames.min(most) as usize;
                let stem = |instrument| {
                    let samples = track.excerpt(instrument, 0, len);
                    samples.map_or(vec![0.0; len], |samples| {
                        samples.iter().map(|&x| f32::from(x) / 32768.0).collect()
                    })
                };
                Ok((track.name(), Instrument::ALL.map(stem)))
            }
            Tracks::Files(tracks) => {
                let track = &tracks[at];
                let len = track_frames(track, self.rate)?.min(most) as usize;
                let name = format!("{}/{}", track.split, track.name());
                Ok((name, load_all(track, 0, len, self.rate)?))
            }
        }
    }
}

/// Mean of the squares.
fn power(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    sum / samples.len().max(1) as f64
}
