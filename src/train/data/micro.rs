//! Batches that are trained in parts.

use std::ops::Range;

/// How a batch is trained: in one step, or in micro-batches whose gradients are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MicroBatches {
    /// Examples on the device at a time.
    pub examples: usize,
    /// Micro-batches of an update.
    pub count: usize,
}

impl MicroBatches {
    /// The micro-batches of an update, counted over the whole run.
    pub fn micro_steps(self, update: u32) -> Range<u32> {
        let count = self.count as u32;
        update.saturating_mul(count)..update.saturating_add(1).saturating_mul(count)
    }

    /// The update that a micro-batch belongs to, and its place there.
    pub fn update_of(self, micro_step: u32) -> (u32, usize) {
        let count = self.count as u32;
        (micro_step / count, (micro_step % count) as usize)
    }
}
