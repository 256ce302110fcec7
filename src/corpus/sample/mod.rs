//! What training draws: segments, triplets, pseudo musical pieces, partial mixes and stem subsets.
//!
//! Nothing here reads sound: a sample says which stems of which pieces to add up, and from where on. It is a pure
//! function of the seed, the step and its place in the batch, so that a run resumes exactly and workers need no
//! order.

mod accompany;
mod order;
mod partial;
mod pseudo;
mod random;
mod subset;
mod triplet;
mod validation;

pub use order::Sampling;
use partial::Companions;
use pseudo::Casting;
pub(crate) use random::{Random, Stream};
use subset::Anything;

use super::{Catalogue, CorpusError, Instrument};

/// A segment of one instrument of one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Excerpt {
    /// Index of the piece in the [`Catalogue`].
    pub piece: u32,
    /// The instrument; it need not sound here.
    pub instrument: Instrument,
    /// First sample.
    pub start: u64,
}

/// What one input of a network is the sum of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mix {
    /// By instrument, in the order of [`Instrument::ALL`]; `None` is left out: silence.
    pub sources: [Option<Excerpt>; 5],
}

impl Mix {
    /// All that is heard of one piece from `start` on.
    pub fn of_piece(piece: u32, start: u64) -> Self {
        let source = |instrument| {
            Some(Excerpt {
                piece,
                instrument,
                start,
            })
        };
        Self {
            sources: Instrument::ALL.map(source),
        }
    }

    /// The same with one instrument from elsewhere: a pseudo musical piece.
    fn with(mut self, excerpt: Excerpt) -> Self {
        self.sources[excerpt.instrument as usize] = Some(excerpt);
        self
    }

    /// The same without the instruments that are not `kept`.
    fn only(self, kept: impl Fn(Instrument) -> bool) -> Self {
        Self {
            sources: self.sources.map(|source| source.filter(|s| kept(s.instrument))),
        }
    }
}

/// Three mixes, of which the positive is to be nearer to the anchor than the negative is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Triplet {
    /// The instrument that this holds for. It sounds in all three.
    pub condition: Instrument,
    /// For triplets of pseudo pieces: another instrument, that sounds in all three, for which the same mixes in
    /// the roles (anchor, **negative, positive**) are a triplet too.
    pub additional: Option<Instrument>,
    /// The anchor.
    pub anchor: Mix,
    /// The positive: the condition's stem is of the anchor's piece, but of another segment.
    pub positive: Mix,
    /// The negative: the condition's stem is of another piece.
    pub negative: Mix,
}

impl Triplet {
    /// The same with the stems of some instruments alone. The condition is to be one of them.
    pub(super) fn only(self, kept: [bool; 5]) -> Self {
        let of = |mix: Mix| mix.only(|instrument| kept[instrument as usize]);
        Triplet {
            additional: self.additional.filter(|&instrument| kept[instrument as usize]),
            anchor: of(self.anchor),
            positive: of(self.positive),
            negative: of(self.negative),
            ..self
        }
    }
}

/// How a [`Sampler`] draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerOptions {
    /// Another seed draws other samples.
    pub seed: u64,
    /// Samples in a batch.
    pub batch: u64,
    /// A fixed set, or new samples in every epoch or batch.
    pub sampling: Sampling,
}

/// Draws training samples from the pieces of one split. A draw takes time logarithmic in the number of pieces and
/// in how often they fall silent.
///
/// `step` counts the batches of a run, and `index`, below [`SamplerOptions::batch`], the samples of one.
#[derive(Clone, Debug)]
pub struct Sampler {
    catalogue: Catalogue,
    options: SamplerOptions,
    /// By instrument: the pieces with two places at which it sounds.
    twice: [Vec<u32>; 5],
    casting: Casting,
    companions: Companions,
    anything: Anything,
}

impl Sampler {
    /// Finds out what can be drawn from these pieces.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] for batches or epochs of no samples.
    pub fn new(catalogue: Catalogue, options: SamplerOptions) -> Result<Self, CorpusError> {
        options.sampling.check()?;
        if options.batch == 0 {
            return Err(CorpusError::invalid(
                "a batch of no samples: it needs at least one",
            ));
        }
        let twice = |instrument: Instrument| {
            let usable = catalogue.usable(instrument).iter().copied();
            let often =
                |&piece: &u32| catalogue.pieces()[piece as usize].sounding[instrument as usize].count() >= 2;
            usable.filter(often).collect()
        };
        Ok(Self {
            twice: Instrument::ALL.map(twice),
            casting: Casting::new(&catalogue),
            companions: Companions::new(&catalogue),
            anything: Anything::new(&catalogue),
            catalogue,
            options,
        })
    }

    /// The pieces drawn from.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// How samples are drawn.
    pub fn options(&self) -> SamplerOptions {
        self.options
    }

    /// The number of the sample at a place in a batch: with [`Sampling::FixedPerEpoch`] below the size of the
    /// epoch and the same whenever the sample comes up again. Whoever gives the samples of a batch different
    /// targets must choose these by this number, or the set is not fixed.
    pub fn number(&self, step: u64, index: u64) -> u64 {
        let SamplerOptions {
            seed,
            batch,
            sampling,
        } = self.options;
        sampling.number(seed, step, index, batch)
    }

    /// A segment in which `target` sounds: every usable piece is as likely as another, and so is every such place
    /// in it. [`Mix::of_piece`] of it is the mix it is heard in.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if `target` sounds nowhere.
    pub fn segment(&self, target: Instrument, step: u64, index: u64) -> Result<Excerpt, CorpusError> {
        let mut random = self.random(Stream::Segment, Some(target), step, index);
        let usable = self.catalogue.usable(target);
        if usable.is_empty() {
            return Err(self.nowhere(target));
        }
        self.excerpt(target, random.one_of(usable), &mut random)
            .ok_or_else(|| self.nowhere(target))
    }

    fn random(&self, stream: Stream, target: Option<Instrument>, step: u64, index: u64) -> Random {
        Random::new(stream, target, self.options.seed, self.number(step, index))
    }

    /// A segment of a piece in which an instrument sounds; `None` if there is none.
    fn excerpt(&self, instrument: Instrument, piece: u32, random: &mut Random) -> Option<Excerpt> {
        let sounding = &self.catalogue.pieces()[piece as usize].sounding[instrument as usize];
        Some(Excerpt {
            piece,
            instrument,
            start: random.start(sounding)?,
        })
    }

    /// That an instrument, or anything, does not sound for long enough anywhere.
    fn nowhere(&self, what: impl std::fmt::Display) -> CorpusError {
        CorpusError::invalid(format!(
            "{what} sounds in no segment of {} samples of the {} pieces of the {} split: use shorter segments or other pieces",
            self.catalogue.segment_len(),
            self.catalogue.pieces().len(),
            self.catalogue.split()
        ))
    }
}
