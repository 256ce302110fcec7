//! Triplets of pseudo musical pieces: one instrument from one piece, the rest from another of like tempo.

use rayon::prelude::*;

use super::{Excerpt, Mix, Random, Sampler, Stream, Triplet};
use crate::corpus::{Catalogue, CorpusError, Instrument, SoundingStarts};

/// Pieces in a triplet.
const PIECES: usize = 4;
/// Those of them that give the target.
const TARGETS: usize = 2;

/// Which piece can play which part.
#[derive(Clone, Debug)]
pub(super) struct Casting {
    /// By piece and target: where an instrument other than the target sounds.
    rest: Vec<[SoundingStarts; 5]>,
    /// By target.
    parts: [Parts; 5],
}

/// The parts for one target.
#[derive(Clone, Debug)]
struct Parts {
    /// By tempo class.
    casts: Vec<Cast>,
    /// The pieces that the target can come from and their classes: of all classes that have a piece for every part.
    targets: Vec<(u32, usize)>,
}

/// The pieces of one tempo class for one target, ascending. All have two places at least.
#[derive(Clone, Debug, Default)]
struct Cast {
    /// Where the target sounds.
    target: Vec<u32>,
    /// Where something else sounds.
    rest: Vec<u32>,
}

impl Cast {
    /// Whether the rest can come from two pieces whichever two give the target.
    fn complete(&self) -> bool {
        self.target.len() >= TARGETS && self.rest.len() >= PIECES
    }
}

impl Casting {
    pub fn new(catalogue: &Catalogue) -> Self {
        let rest = catalogue.pieces().par_iter().map(|piece| {
            Instrument::ALL.map(|target| {
                let others = Instrument::ALL.into_iter().filter(|&other| other != target);
                SoundingStarts::union(others.map(|other| &piece.sounding[other as usize]))
            })
        });
        let rest: Vec<_> = rest.collect();
        let parts = Instrument::ALL.map(|target| {
            let mut casts = vec![Cast::default(); catalogue.class_count()];
            for (index, piece) in (0..).zip(catalogue.pieces()) {
                let Some(class) = catalogue.class_of(index) else {
                    continue;
                };
                if piece.sounding[target as usize].count() >= 2 {
                    casts[class].target.push(index);
                }
                if rest[index as usize][target as usize].count() >= 2 {
                    casts[class].rest.push(index);
                }
            }
            let complete = casts.iter().enumerate().filter(|(_, cast)| cast.complete());
            let targets =
                complete.flat_map(|(class, cast)| cast.target.iter().map(move |&piece| (piece, class)));
            Parts {
                targets: targets.collect(),
                casts,
            }
        });
        Self { rest, parts }
    }

    /// The pieces of a class in which something besides the target sounds at two places, ascending.
    pub fn accompanying(&self, target: Instrument, class: usize) -> &[u32] {
        let cast = self.parts[target as usize].casts.get(class);
        cast.map_or(&[], |cast| &cast.rest)
    }

    /// Where something besides the target sounds in a piece.
    pub fn rest(&self, piece: u32, target: Instrument) -> &SoundingStarts {
        &self.rest[piece as usize][target as usize]
    }
}

impl Sampler {
    /// A triplet of pseudo musical pieces, of four pieces A, B, C, D of one tempo class. With the target from C or D
    /// and the rest from A or B, the anchor is C + A, the positive C + B (another segment of C), the negative
    /// D + A (another segment of A). Every C is as likely, and so is every D, and every A and B that remains, of
    /// its class.
    ///
    /// The target sounds in all three. A and B are taken from where at least one other instrument sounds; pieces in
    /// which none does are never A or B. Another instrument that sounds in both segments of A and in that of B
    /// makes the [`Triplet::additional`] triplet; if there are several, each is as likely. Segments of one piece
    /// do not overlap where it is long enough for that, and never start together.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if no tempo class has the four pieces.
    pub fn pseudo_triplet(&self, target: Instrument, step: u64, index: u64) -> Result<Triplet, CorpusError> {
        self.pseudo_triplet_of([true; 5], target, step, index)
    }

    /// The same with an additional triplet of one of the instruments that are `kept`.
    pub(super) fn pseudo_triplet_of(
        &self,
        kept: [bool; 5],
        target: Instrument,
        step: u64,
        index: u64,
    ) -> Result<Triplet, CorpusError> {
        let mut random = self.random(Stream::Pseudo, Some(target), step, index);
        let parts = &self.casting.parts[target as usize];
        let drawn = (!parts.targets.is_empty()).then(|| self.cast(kept, target, parts, &mut random));
        drawn.flatten().ok_or_else(|| self.miscast(target, parts))
    }

    fn cast(
        &self,
        kept: [bool; 5],
        target: Instrument,
        parts: &Parts,
        random: &mut Random,
    ) -> Option<Triplet> {
        let (c, class) = random.one_of(&parts.targets);
        let cast = &parts.casts[class];
        let d = random.other(&cast.target, &[c]);
        let a = random.other(&cast.rest, &[c, d]);
        let b = random.other(&cast.rest, &[c, d, a]);

        let len = self.catalogue.segment_len() as u64;
        let sounding = &self.catalogue.pieces()[c as usize].sounding[target as usize];
        let (c_first, c_other) = random.two_starts(sounding, len)?;
        let d_start = self.excerpt(target, d, random)?.start;
        let rest = |piece: u32| &self.casting.rest[piece as usize][target as usize];
        let (a_first, a_other) = random.two_starts(rest(a), len)?;
        let b_start = random.start(rest(b))?;

        let shared = Instrument::ALL.into_iter().filter(|&other| {
            let sounds = |piece, start| self.catalogue.sounds(piece, other, start);
            other != target
                && kept[other as usize]
                && sounds(a, a_first)
                && sounds(a, a_other)
                && sounds(b, b_start)
        });
        let shared: Vec<_> = shared.collect();
        let additional = (!shared.is_empty()).then(|| random.one_of(&shared));

        let mix = |(piece, start), (rest, rest_start)| {
            Mix::of_piece(rest, rest_start).with(Excerpt {
                piece,
                instrument: target,
                start,
            })
        };
        Some(Triplet {
            condition: target,
            additional,
            anchor: mix((c, c_first), (a, a_first)),
            positive: mix((c, c_other), (b, b_start)),
            negative: mix((d, d_start), (a, a_other)),
        })
    }

    /// Why no triplet can be cast.
    fn miscast(&self, target: Instrument, parts: &Parts) -> CorpusError {
        let catalogue = &self.catalogue;
        let fits = |cast: &&Cast| cast.target.len().min(TARGETS) + cast.rest.len().min(PIECES);
        let nearest = parts.casts.iter().max_by_key(fits);
        let (with, rest) = nearest.map_or((0, 0), |cast| (cast.target.len(), cast.rest.len()));
        let untimed = (0..)
            .zip(catalogue.pieces())
            .filter(|&(i, _)| catalogue.class_of(i).is_none());
        CorpusError::invalid(format!(
            "pseudo pieces for {target} take a tempo class with {TARGETS} pieces in which it sounds and {PIECES} in which something else does: the nearest of the {} split has {with} and {rest} ({} pieces, {} of them of unknown tempo, {} classes); use more pieces or fewer tempo classes",
            catalogue.split(),
            catalogue.pieces().len(),
            untimed.count(),
            catalogue.class_count()
        ))
    }
}
