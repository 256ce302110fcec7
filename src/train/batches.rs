//! Batches of magnitudes, prepared while the device works.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
};

use rayon::prelude::*;

use super::{SeparatorRecipe, TrainError};
use crate::{
    audio::Stft,
    corpus::{CorpusError, Instrument, Segment, SegmentSource},
};

/// Batches that wait for the device at most; the thread holds one more.
const AHEAD: usize = 2;

/// Magnitudes of mix and target, `[batch, 1, bins, frames]` each.
pub(super) struct Batch {
    pub mix: Vec<f32>,
    pub target: Vec<f32>,
}

/// Makes batches out of segments.
pub(super) struct Preparer {
    stft: Stft,
    instrument: Instrument,
    seed: u64,
    batch: usize,
    item_len: usize,
}

impl Preparer {
    pub fn new(recipe: &SeparatorRecipe) -> Result<Self, TrainError> {
        let stft = recipe.stft()?;
        Ok(Preparer {
            item_len: stft.bins() * stft.frames(recipe.segment_samples()),
            stft,
            instrument: recipe.instrument,
            seed: recipe.seed,
            batch: recipe.batch,
        })
    }

    /// The training batch of a step: a pure function of the recipe, the corpus and the step.
    pub fn training(&self, source: &SegmentSource, step: u32) -> Result<Batch, TrainError> {
        self.prepare(|index| source.draw(self.instrument, self.seed, step.into(), index as u64))
    }

    /// A batch of the segments that `segment` gives for each of its indices.
    pub fn prepare(
        &self,
        segment: impl Fn(usize) -> Result<Segment, CorpusError> + Sync,
    ) -> Result<Batch, TrainError> {
        let mut batch = Batch {
            mix: vec![0.0; self.batch * self.item_len],
            target: vec![0.0; self.batch * self.item_len],
        };
        let items = batch.mix.par_chunks_exact_mut(self.item_len);
        let items = items.zip(batch.target.par_chunks_exact_mut(self.item_len));
        items.enumerate().try_for_each(|(index, (mix, target))| {
            let segment = segment(index)?;
            self.stft.magnitude_into(&segment.mix, mix)?;
            self.stft.magnitude_into(&segment.target, target)?;
            Ok::<_, TrainError>(())
        })?;
        Ok(batch)
    }

    /// Prepares the training batches of `steps` on a thread of their own, in order. The thread ends with
    /// the steps, at the first error, or when the receiver is dropped.
    pub fn spawn<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        source: &'scope SegmentSource,
        steps: Range<u32>,
    ) -> Receiver<Result<Batch, TrainError>> {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for step in steps {
                let batch = self.training(source, step);
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        receiver
    }
}
