//! Random numbers that are a function of what they are for, and choices made with them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus::{Instrument, SoundingStarts};

/// What random numbers are drawn for: no two kinds share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Segment = 1,
    Triplet,
    Pseudo,
    Partial,
    Subset,
    AbxItem,
    AbxAnswer,
    AbxOrder,
    AbxSplit,
    Accompaniment,
    OtherAccompaniment,
    ContrastPieces,
    ContrastMix,
    SeparatedMix,
}

/// The random numbers of one sample.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub fn new(stream: Stream, target: Option<Instrument>, seed: u64, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&number.to_le_bytes());
        key[16] = stream as u8;
        key[17] = target.map_or(u8::MAX, |target| target as u8);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A uniform number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }

    /// A uniform number in (−1, 1).
    pub fn sway(&mut self) -> f64 {
        2.0 * self.0.random::<f64>() - 1.0
    }

    /// A factor that makes sound louder or softer, by `decibels` at most.
    pub fn gain(&mut self, decibels: f64) -> f32 {
        10f64.powf(decibels * self.sway() / 20.0) as f32
    }

    /// So many different numbers below `end`, in any order; all of them if there are no more.
    pub fn several(&mut self, end: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..end).collect();
        for i in 0..count.min(end) {
            let other = i + self.below((end - i) as u64) as usize;
            all.swap(i, other);
        }
        all.truncate(count);
        all
    }

    /// Whether something happens that has this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// A uniform element of `list`, which holds one at least.
    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A uniform element of an ascending list that is none of `except`. There must be one.
    pub fn other(&mut self, list: &[u32], except: &[u32]) -> u32 {
        let found = except.iter().filter_map(|x| list.binary_search(x).ok());
        let mut holes: Vec<usize> = found.collect();
        holes.sort_unstable();
        let mut at = self.below((list.len() - holes.len()) as u64) as usize;
        for hole in holes {
            at += usize::from(hole <= at);
        }
        list[at]
    }

    /// A uniform one of these starts; `None` if there are none.
    pub fn start(&mut self, starts: &SoundingStarts) -> Option<u64> {
        match starts.count() {
            0 => None,
            count => starts.nth(self.below(count)),
        }
    }

    /// Two different starts; `None` if there are fewer.
    ///
    /// Segments of `len` samples at them do not overlap, if that can be; else they are at least half as far apart
    /// as they can be. The first is uniform among those that leave a second, which is uniform among those left.
    pub fn two_starts(&mut self, starts: &SoundingStarts, len: u64) -> Option<(u64, u64)> {
        let (lowest, highest) = (starts.nth(0)?, starts.nth(starts.count() - 1)?);
        let span = highest - lowest;
        let gap = if span >= len { len } else { span.div_ceil(2) };
        if gap == 0 {
            return None;
        }
        let first = self.start_outside(starts, highest - gap + 1, lowest + gap)?;
        let second = self.start_outside(starts, (first + 1).saturating_sub(gap), first + gap)?;
        Some((first, second))
    }

    /// A uniform one of the starts that are below `low` or not below `high`.
    fn start_outside(&mut self, starts: &SoundingStarts, low: u64, high: u64) -> Option<u64> {
        let below = starts.rank(low);
        let hole = starts.rank(high).saturating_sub(below);
        match starts.count() - hole {
            0 => None,
            count => {
                let at = self.below(count);
                starts.nth(if at < below { at } else { at + hole })
            }
        }
    }
}
