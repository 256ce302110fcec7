//! Triplets of some stems only, in which every instrument sounds for as long.

use rayon::prelude::*;

use super::{Random, Sampler, Stream, Triplet};
use crate::corpus::{Catalogue, CorpusError, Instrument, SoundingStarts};

/// How often the instrument that sounds beside others least joins the others, of the times it sounds.
const JOINS: f64 = 0.5;

/// How often the instruments sound together.
#[derive(Clone, Debug)]
pub(super) struct Companions {
    /// By instrument: the probability with which it is kept where it sounds in another's segment.
    joins: [f64; 5],
}

impl Companions {
    pub fn new(catalogue: &Catalogue) -> Self {
        let leads = Instrument::ALL
            .into_iter()
            .filter(|&lead| !catalogue.usable(lead).is_empty());
        let leads: Vec<_> = leads.collect();
        // By piece: how often each instrument sounds where a lead does.
        let shares = catalogue.pieces().par_iter().map(|piece| {
            Instrument::ALL.map(|lead| {
                let lead = &piece.sounding[lead as usize];
                piece.sounding.each_ref().map(|other| {
                    let both = lead.count() + other.count() - SoundingStarts::union([lead, other]).count();
                    both as f64 / lead.count().max(1) as f64
                })
            })
        });
        let shares: Vec<_> = shares.collect();
        // The expected number of other instruments' segments, one each, in which an instrument sounds.
        let beside = Instrument::ALL.map(|other| {
            let share = |&lead: &Instrument| {
                let usable = catalogue.usable(lead);
                let sum: f64 = usable
                    .iter()
                    .map(|&p| shares[p as usize][lead as usize][other as usize])
                    .sum();
                sum / usable.len() as f64
            };
            leads
                .iter()
                .filter(|&&lead| lead != other)
                .map(share)
                .sum::<f64>()
        });
        let least = leads
            .iter()
            .map(|&lead| beside[lead as usize])
            .fold(f64::INFINITY, f64::min);
        let join = |beside: f64| if beside > 0.0 { JOINS * least / beside } else { 0.0 };
        Self {
            joins: beside.map(join),
        }
    }
}

impl Sampler {
    /// The instruments that a triplet for `lead` is made of, for the norm loss of Hashizume et al. 2025: where every
    /// instrument leads as often, each one that sounds anywhere in the split sounds in as large a share of triplets.
    ///
    /// Each other instrument joins with a probability inverse to how often it sounds in the segments that others lead;
    /// the one that does so least joins half the time.
    pub fn kept(&self, lead: Instrument, step: u64, index: u64) -> [bool; 5] {
        let number = self.number(step, index);
        let mut random = Random::new(Stream::Partial, Some(lead), self.options.seed, number);
        let mut kept = self
            .companions
            .joins
            .map(|probability| random.chance(probability));
        kept[lead as usize] = true;
        kept
    }

    /// [`Sampler::triplet`] with the instruments alone that are [`kept`](Self::kept).
    ///
    /// # Errors
    /// As [`Sampler::triplet`].
    pub fn partial_triplet(&self, target: Instrument, step: u64, index: u64) -> Result<Triplet, CorpusError> {
        let kept = self.kept(target, step, index);
        Ok(self.triplet(target, step, index)?.only(kept))
    }

    /// [`Sampler::pseudo_triplet`] with the instruments alone that are [`kept`](Self::kept). The additional triplet is
    /// of one of them.
    ///
    /// # Errors
    /// As [`Sampler::pseudo_triplet`].
    pub fn partial_pseudo_triplet(
        &self,
        target: Instrument,
        step: u64,
        index: u64,
    ) -> Result<Triplet, CorpusError> {
        let kept = self.kept(target, step, index);
        Ok(self.pseudo_triplet_of(kept, target, step, index)?.only(kept))
    }
}
