//! The 31 stem subsets.

use rayon::prelude::*;

use super::{Mix, Sampler, Stream};
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
    /// A mix of some stems of one segment, for the pre-training of Direct: of the instruments that sound there,
    /// every non-empty subset is as likely: 31 of all five. Every piece and every place at which anything sounds is
    /// as likely.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if nothing sounds anywhere.
    pub fn stem_subset(&self, step: u64, index: u64) -> Result<Mix, CorpusError> {
        let mut random = self.random(Stream::Subset, None, step, index);
        let Anything { starts, pieces } = &self.anything;
        let drawn = (!pieces.is_empty()).then(|| {
            let piece = random.one_of(pieces);
            let start = random.start(&starts[piece as usize])?;
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
            Some(Mix::of_piece(piece, start).only(kept))
        });
        drawn.flatten().ok_or_else(|| self.nowhere("no instrument"))
    }
}
