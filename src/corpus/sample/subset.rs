//! The 31 stem subsets.

use rayon::prelude::*;

use super::{Mix, Random, Sampler, Stream};
use crate::corpus::{Catalogue, CorpusError, Instrument, SoundingStarts};

/// Where at least one instrument sounds.
#[derive(Clone, Debug)]
pub(super) struct Anything {
    /// By piece.
    starts: Vec<SoundingStarts>,
    /// The pieces that have such places, ascending.
    pieces: Vec<u32>,
}

impl Anything {
    pub fn new(catalogue: &Catalogue) -> Self {
        let pieces = catalogue.pieces().par_iter();
        let starts: Vec<_> = pieces
            .map(|piece| SoundingStarts::union(&piece.sounding))
            .collect();
        let sounding = (0..).zip(&starts).filter(|(_, starts)| starts.count() > 0);
        Self {
            pieces: sounding.map(|(index, _)| index).collect(),
            starts,
        }
    }
}

impl Sampler {
    /// A whole segment, for the pre-training of Hashizume et al. 2025: every piece and every place at which anything
    /// sounds is as likely. What does not sound is left out.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if nothing sounds anywhere.
    pub fn whole(&self, step: u64, index: u64) -> Result<Mix, CorpusError> {
        let mut random = self.random(Stream::Subset, None, step, index);
        let drawn = self.anywhere(&mut random);
        let (piece, start) = drawn.ok_or_else(|| self.nowhere("no instrument"))?;
        Ok(Mix::of_piece(piece, start).only(|i| self.catalogue.sounds(piece, i, start)))
    }

    /// A piece and a place in it at which anything sounds.
    fn anywhere(&self, random: &mut Random) -> Option<(u32, u64)> {
        let Anything { starts, pieces } = &self.anything;
        let piece = (!pieces.is_empty()).then(|| random.one_of(pieces))?;
        Some((piece, random.start(&starts[piece as usize])?))
    }

    /// A mix of some stems of one segment, for the pre-training of Direct: of the instruments that sound there,
    /// every non-empty subset is as likely: 31 of all five. Every piece and every place at which anything sounds is
    /// as likely.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if nothing sounds anywhere.
    pub fn stem_subset(&self, step: u64, index: u64) -> Result<Mix, CorpusError> {
        let mut random = self.random(Stream::Subset, None, step, index);
        let drawn = self.anywhere(&mut random).map(|(piece, start)| {
            let sounding = Instrument::ALL
                .into_iter()
                .filter(|&i| self.catalogue.sounds(piece, i, start));
            let sounding: Vec<_> = sounding.collect();
            // Its bits say which of them are in.
            let subset = 1 + random.below((1 << sounding.len()) - 1);
            let kept = |i| {
                sounding
                    .iter()
                    .position(|&s| s == i)
                    .is_some_and(|bit| subset >> bit & 1 == 1)
            };
            Mix::of_piece(piece, start).only(kept)
        });
        drawn.ok_or_else(|| self.nowhere("no instrument"))
    }
}
