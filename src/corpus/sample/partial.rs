//! Mixes of some stems only, in which every instrument sounds for as long.

use rayon::prelude::*;

use super::{Excerpt, Mix, Sampler, Stream};
use crate::corpus::{Catalogue, CorpusError, Instrument, SoundingStarts};

/// How often the instrument that sounds beside others least joins the others, of the times it sounds.
const JOINS: f64 = 0.5;

/// How often the instruments sound together.
#[derive(Clone, Debug)]
pub(super) struct Companions {
    /// The instruments that sound anywhere.
    leads: Vec<Instrument>,
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
            leads,
            joins: beside.map(join),
        }
    }
}

impl Sampler {
    /// A mix of some stems of one segment, for the norm loss of Hashizume et al. 2025. All stems in it sound, and
    /// each instrument that sounds anywhere in the split is in as large a share of such mixes.
    ///
    /// One instrument, each as likely, leads: the segment is as of [`Sampler::segment`]. Of the others that sound
    /// there, each joins with a probability inverse to how often it sounds in the segments that others lead; the
    /// one that does so least joins half the time.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if nothing sounds anywhere.
    pub fn partial_mix(&self, step: u64, index: u64) -> Result<Mix, CorpusError> {
        let mut random = self.random(Stream::Partial, None, step, index);
        let leads = &self.companions.leads;
        let drawn = (!leads.is_empty()).then(|| {
            let lead = random.one_of(leads);
            let piece = random.one_of(self.catalogue.usable(lead));
            let Excerpt { start, .. } = self.excerpt(lead, piece, &mut random)?;
            let joins = self
                .companions
                .joins
                .map(|probability| random.chance(probability));
            Some(
                Mix::of_piece(piece, start)
                    .only(|i| i == lead || joins[i as usize] && self.catalogue.sounds(piece, i, start)),
            )
        });
        drawn.flatten().ok_or_else(|| self.nowhere("no instrument"))
    }
}
