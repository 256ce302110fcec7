//! What a separator's batches hold: the instruments of segments, in 16 bits.

use super::TrainError;
use crate::{
    corpus::{CorpusError, Excerpt, Instrument, Mix, Pieces, Sampler},
    tape::Slot,
};

/// Instruments, and so sources of a mix.
pub(super) const SOURCES: usize = Instrument::ALL.len();

/// Writes batches of mixes of one split's pieces, `[batch, 5, samples]`.
pub(super) struct Batches<'a> {
    pieces: &'a Pieces,
    batch: usize,
    len: usize,
}

impl<'a> Batches<'a> {
    /// Batches of `batch` segments of the length that the catalogue is for.
    pub fn new(pieces: &'a Pieces, batch: usize) -> Self {
        let len = pieces.catalogue().segment_len();
        Batches { pieces, batch, len }
    }

    /// Fills the first input of a slot with a training batch: a pure function of the sampler and the step.
    pub fn fill(
        &self,
        sampler: &Sampler,
        target: Instrument,
        step: u32,
        slot: &mut Slot,
    ) -> Result<(), TrainError> {
        let mut samples = vec![0; self.len];
        for index in 0..self.batch {
            let Excerpt { piece, start, .. } = sampler.segment(target, step.into(), index as u64)?;
            for (k, source) in Mix::of_piece(piece, start).sources.into_iter().enumerate() {
                self.read(source, &mut samples)?;
                slot.write_pcm16(0, (index * SOURCES + k) * self.len, &samples)?;
            }
        }
        Ok(())
    }

    /// The mixes of given segments as one batch; the last ones repeat where there are too few.
    pub fn of_segments(&self, segments: &[Excerpt]) -> Result<Vec<i16>, TrainError> {
        let mut batch = vec![0; self.batch * SOURCES * self.len];
        let segments = segments.iter().cycle();
        for (item, segment) in batch.chunks_exact_mut(SOURCES * self.len).zip(segments) {
            let mix = Mix::of_piece(segment.piece, segment.start);
            for (source, samples) in mix.sources.into_iter().zip(item.chunks_exact_mut(self.len)) {
                self.read(source, samples)?;
            }
        }
        Ok(batch)
    }

    fn read(&self, source: Option<Excerpt>, samples: &mut [i16]) -> Result<(), CorpusError> {
        match source {
            Some(excerpt) => self.pieces.read(excerpt, samples),
            None => {
                samples.fill(0);
                Ok(())
            }
        }
    }
}
