//! What the sampler draws, from random catalogues of known content.

mod stems;
mod streams;
mod triplets;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::corpus::{
    Catalogue, CorpusError, Excerpt, Instrument, Mix, Piece, QuietStretches, Sampler, SamplerOptions,
    Sampling, SoundingStarts, Split, TempoClasses, Triplet,
};

/// Samples in a segment: so short that only its first quarter decides whether it sounds.
const LEN: u64 = 4000;
const WINDOW: u64 = LEN / 4;
const FRESH: SamplerOptions = SamplerOptions {
    seed: 7,
    batch: 16,
    sampling: Sampling::Fresh,
};

/// What a piece is made from: what the tests check against.
#[derive(Clone)]
struct Score {
    frames: u64,
    tempo: Option<f64>,
    /// By instrument: ascending, disjoint, at least a window long.
    rests: [Vec<(u64, u64)>; 5],
}

impl Score {
    /// A piece in which everything that plays plays throughout.
    fn constant(frames: u64, tempo: f64, plays: [bool; 5]) -> Self {
        Score {
            frames,
            tempo: Some(tempo),
            rests: plays.map(|plays| if plays { vec![] } else { vec![(0, frames)] }),
        }
    }

    fn sounds(&self, instrument: Instrument, start: u64) -> bool {
        let rests = &self.rests[instrument as usize];
        start + LEN <= self.frames
            && !rests
                .iter()
                .any(|&(from, to)| from <= start && start + WINDOW <= to)
    }

    fn starts(&self, sounds: impl Fn(u64) -> bool) -> Vec<u64> {
        (0..self.frames)
            .filter(|&start| start + LEN <= self.frames && sounds(start))
            .collect()
    }

    /// Where `instrument` sounds.
    fn of(&self, instrument: Instrument) -> Vec<u64> {
        self.starts(|start| self.sounds(instrument, start))
    }

    /// Where something else sounds.
    fn beside(&self, instrument: Instrument) -> Vec<u64> {
        self.starts(|start| others(instrument).any(|other| self.sounds(other, start)))
    }

    fn piece(&self, id: u32) -> Piece {
        let sounding = self.rests.each_ref().map(|rests| {
            let rests = rests.iter().map(|&(from, to)| from..to).collect();
            let quiet = QuietStretches::from_parts(self.frames, WINDOW, rests);
            SoundingStarts::of(&quiet, LEN as usize).unwrap()
        });
        Piece {
            id,
            work: None,
            frames: self.frames,
            tempo: self.tempo,
            sounding,
        }
    }
}

fn others(instrument: Instrument) -> impl Iterator<Item = Instrument> {
    Instrument::ALL
        .into_iter()
        .filter(move |&other| other != instrument)
}

/// Pieces of all kinds: long and short, full and nearly empty, of few tempos or of unknown tempo.
fn random_scores(seed: u64) -> Vec<Score> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = rng.random_range(30..60);
    let score = |_| {
        let frames = match rng.random_range(0..10) {
            0 => rng.random_range(LEN / 2..LEN + 2),
            1 => rng.random_range(LEN + 2..2 * LEN + 10),
            _ => rng.random_range(2 * LEN..8 * LEN),
        };
        let alone = rng.random_bool(0.1).then(|| rng.random_range(0..5));
        let mut rests = <[Vec<(u64, u64)>; 5]>::default();
        for (i, rests) in rests.iter_mut().enumerate() {
            if alone.is_some_and(|alone| alone != i) || rng.random_bool(0.15) {
                rests.push((0, frames));
                continue;
            }
            let mut at = 0;
            while rng.random_bool(0.7) {
                let from = at + rng.random_range(1..LEN);
                let to = from + rng.random_range(WINDOW..4 * LEN);
                if to > frames {
                    break;
                }
                rests.push((from, to));
                at = to;
            }
        }
        Score {
            frames,
            tempo: rng.random_bool(0.95).then(|| f64::from(rng.random_range(60..90))),
            rests,
        }
    };
    (0..count).map(score).collect()
}

fn catalogue(scores: &[Score], classes: usize) -> Catalogue {
    let tempos: Vec<f64> = scores.iter().filter_map(|score| score.tempo).collect();
    let classes = TempoClasses::new(&tempos, classes).unwrap();
    let pieces = (1..).zip(scores).map(|(id, score)| score.piece(id)).collect();
    Catalogue::new(Split::Train, pieces, LEN as usize, &classes).unwrap()
}

fn sampler(scores: &[Score], classes: usize, options: SamplerOptions) -> Sampler {
    Sampler::new(catalogue(scores, classes), options).unwrap()
}

/// Three random corpora, with the scores that they are made from.
fn corpora() -> impl Iterator<Item = (Vec<Score>, Sampler)> {
    (0..3).map(|seed| {
        let scores = random_scores(seed);
        let sampler = sampler(&scores, 3, FRESH);
        (scores, sampler)
    })
}

fn source(mix: &Mix, instrument: Instrument) -> Excerpt {
    let source = mix.sources[instrument as usize].unwrap();
    assert_eq!(source.instrument, instrument);
    source
}

/// Where all of a mix but `target` comes from.
fn rest(mix: &Mix, target: Instrument) -> (u32, u64) {
    let places: BTreeSet<_> = others(target)
        .map(|i| source(mix, i))
        .map(|e| (e.piece, e.start))
        .collect();
    assert_eq!(places.len(), 1, "the rest is one segment of one piece");
    places.into_iter().next().unwrap()
}

/// Two segments of one piece: apart if `starts` allows it, and never the same.
fn assert_apart(starts: &[u64], first: u64, second: u64) {
    let span = starts[starts.len() - 1] - starts[0];
    let gap = first.abs_diff(second);
    assert!(gap > 0);
    match span >= LEN {
        true => assert!(
            gap >= LEN,
            "{first} and {second} overlap though the piece spans {span}"
        ),
        false => assert!(
            2 * gap >= span,
            "{first} and {second} are close: the piece spans {span}"
        ),
    }
}

/// Whether counts are those of a uniform choice: chi-square within four standard deviations of its mean.
fn assert_uniform(counts: impl IntoIterator<Item = u32>, what: &str) {
    let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
    let expected = counts.iter().sum::<f64>() / counts.len() as f64;
    assert!(
        expected >= 20.0,
        "{what}: too few draws for {} bins",
        counts.len()
    );
    let chi: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
    let freedom = (counts.len() - 1) as f64;
    assert!(
        chi < freedom + 4.0 * (2.0 * freedom).sqrt(),
        "{what}: {chi:.0} at {freedom}: {counts:?}"
    );
}

/// Counts of what comes up among what may.
fn tally<T: Ord>(may: impl IntoIterator<Item = T>, drawn: impl IntoIterator<Item = T>) -> Vec<u32> {
    let mut counts: BTreeMap<T, u32> = may.into_iter().map(|x| (x, 0)).collect();
    for x in drawn {
        *counts.get_mut(&x).expect("only what may be drawn is drawn") += 1;
    }
    counts.into_values().collect()
}
