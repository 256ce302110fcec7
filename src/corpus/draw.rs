//! What is drawn for a protocol: a function of the seed, the protocol and the instrument. Samples of training have random
//! numbers of their own each: those of [`sample`](super::sample).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Catalogue, Excerpt, Instrument, Mix};

/// What is drawn for: no two share random numbers.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Pieces = 1,
    Pseudo,
    Leak,
    Chance,
}

/// Random numbers for one instrument in one protocol.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(purpose: Purpose, target: Option<Instrument>, seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = purpose as u8;
        key[9] = target.map_or(u8::MAX, |target| target as u8);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A uniform number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// Puts a list into a random order, all equally likely.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// The starts of a piece's consecutive segments in which an instrument sounds.
pub(crate) fn grid(catalogue: &Catalogue, piece: u32, instrument: Instrument) -> Vec<u64> {
    let sounds = |start: &u64| catalogue.sounds(piece, instrument, *start);
    consecutive(catalogue, piece).filter(sounds).collect()
}

/// Those in which something besides an instrument sounds.
pub(crate) fn grid_of_rest(catalogue: &Catalogue, piece: u32, target: Instrument) -> Vec<u64> {
    let others = |start: &u64| {
        let mut others = Instrument::ALL.into_iter().filter(|&other| other != target);
        others.any(|other| catalogue.sounds(piece, other, *start))
    };
    consecutive(catalogue, piece).filter(others).collect()
}

/// Those in which anything sounds.
pub(crate) fn grid_of_anything(catalogue: &Catalogue, piece: u32) -> Vec<u64> {
    let sounds = |start: &u64| {
        Instrument::ALL
            .iter()
            .any(|&i| catalogue.sounds(piece, i, *start))
    };
    consecutive(catalogue, piece).filter(sounds).collect()
}

fn consecutive(catalogue: &Catalogue, piece: u32) -> impl Iterator<Item = u64> {
    let len = catalogue.segment_len() as u64;
    let frames = catalogue
        .pieces()
        .get(piece as usize)
        .map_or(0, |piece| piece.frames);
    (0..frames / len).map(move |i| i * len)
}

/// `limit` of the pieces, drawn and in order again; all if there is no limit, or they are fewer.
pub(crate) fn some(mut pieces: Vec<u32>, limit: Option<usize>, seed: u64) -> Vec<u32> {
    let limit = limit.unwrap_or(pieces.len());
    if pieces.len() > limit {
        Draw::new(Purpose::Pieces, None, seed).shuffle(&mut pieces);
        pieces.truncate(limit);
        pieces.sort_unstable();
    }
    pieces
}

/// At most `limit` of a list, evenly spread.
pub(crate) fn spread<T: Copy>(list: &[T], limit: usize) -> Vec<T> {
    let count = list.len().min(limit);
    (0..count)
        .map(|i| list[(2 * i + 1) * list.len() / (2 * count)])
        .collect()
}

/// A pseudo musical piece: an instrument from one piece, the rest from another.
pub(crate) fn pseudo(target: Excerpt, rest: u32, rest_start: u64) -> Mix {
    let mut mix = Mix::of_piece(rest, rest_start);
    mix.sources[target.instrument as usize] = Some(target);
    mix
}

/// One instrument alone.
pub(crate) fn alone(excerpt: Excerpt) -> Mix {
    let mut mix = Mix { sources: [None; 5] };
    mix.sources[excerpt.instrument as usize] = Some(excerpt);
    mix
}
