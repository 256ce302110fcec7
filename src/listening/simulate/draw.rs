//! Which segments are compared.

use super::{SEGMENT, SimulateOptions};
use crate::{
    corpus::{Catalogue, Instrument, Random, Stream},
    listening::Condition,
};

/// Samples in a set, as in the public data.
const SET: u32 = 4;

/// A segment of a piece.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Index in the catalogue.
    pub piece: u32,
    /// Its number there.
    pub track: u32,
    pub start: u64,
}

impl Segment {
    /// `X_1913-28.wav`: the segment's number counts in lengths of one, and is only a name.
    pub fn file(&self, role: char) -> String {
        format!("{role}_{}-{}.wav", self.track, self.start / SEGMENT as u64)
    }
}

pub struct DrawnItem {
    /// Number among the items of its instrument and condition.
    pub number: u32,
    pub instrument: Instrument,
    pub condition: Condition,
    /// X.
    pub reference: Segment,
    /// Y and C, or A and B.
    pub samples: [Segment; 2],
}

impl DrawnItem {
    pub fn set(&self) -> u32 {
        self.number / SET
    }

    pub fn sample(&self) -> u32 {
        self.number % SET
    }

    /// The letters of the samples.
    pub fn roles(&self) -> [char; 2] {
        match self.condition {
            Condition::OneShared => ['Y', 'C'],
            Condition::AllDiff => ['A', 'B'],
        }
    }
}

pub struct Items {
    pub items: Vec<DrawnItem>,
    pub missing: Vec<(Instrument, Condition)>,
}

impl Items {
    /// One X serves an item of either condition, as in the public data.
    pub fn draw(catalogue: &Catalogue, options: &SimulateOptions) -> Self {
        let mut all = Items {
            items: Vec::new(),
            missing: Vec::new(),
        };
        for instrument in Instrument::ALL {
            let pool = Pool::new(catalogue, instrument);
            for (condition, possible) in [
                (Condition::AllDiff, pool.usable.len() >= 3),
                (
                    Condition::OneShared,
                    pool.usable.len() >= 2 && !pool.twice.is_empty(),
                ),
            ] {
                if !possible {
                    all.missing.push((instrument, condition));
                    continue;
                }
                let items =
                    (0..options.items).filter_map(|number| pool.draw(number, condition, options.seed));
                all.items.extend(items);
            }
        }
        all
    }
}

/// What an instrument's items are drawn from.
struct Pool<'a> {
    catalogue: &'a Catalogue,
    instrument: Instrument,
    usable: &'a [u32],
    /// Pieces with two segments in which it sounds.
    twice: Vec<u32>,
}

impl<'a> Pool<'a> {
    fn new(catalogue: &'a Catalogue, instrument: Instrument) -> Self {
        let usable = catalogue.usable(instrument);
        let often =
            |&piece: &u32| catalogue.pieces()[piece as usize].sounding[instrument as usize].count() >= 2;
        Pool {
            catalogue,
            instrument,
            usable,
            twice: usable.iter().copied().filter(often).collect(),
        }
    }

    fn draw(&self, number: u32, condition: Condition, seed: u64) -> Option<DrawnItem> {
        let random = &mut Random::new(Stream::AbxItem, Some(self.instrument), seed, u64::from(number));
        // X and Y come first, and so X is the same in both conditions
        let x = random.one_of(if self.twice.is_empty() {
            self.usable
        } else {
            &self.twice
        });
        let (reference, y) = match random.two_starts(self.sounding(x), SEGMENT as u64) {
            Some((first, second)) => (self.segment(x, first), Some(self.segment(x, second))),
            None => (self.any(x, random)?, None),
        };
        let samples = match condition {
            Condition::OneShared => [y?, self.any(random.other(self.usable, &[x]), random)?],
            Condition::AllDiff => {
                let a = random.other(self.usable, &[x]);
                let b = random.other(self.usable, &[x, a]);
                [self.any(a, random)?, self.any(b, random)?]
            }
        };
        Some(DrawnItem {
            number,
            instrument: self.instrument,
            condition,
            reference,
            samples,
        })
    }

    fn sounding(&self, piece: u32) -> &crate::corpus::SoundingStarts {
        &self.catalogue.pieces()[piece as usize].sounding[self.instrument as usize]
    }

    fn any(&self, piece: u32, random: &mut Random) -> Option<Segment> {
        Some(self.segment(piece, random.start(self.sounding(piece))?))
    }

    fn segment(&self, piece: u32, start: u64) -> Segment {
        Segment {
            piece,
            track: self.catalogue.pieces()[piece as usize].id,
            start,
        }
    }
}
