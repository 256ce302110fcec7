use std::path::Path;

/// What a training run tells whoever watches it, in the order in which it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A track was decoded; comes from any thread.
    Decoded { done: usize, total: usize },
    /// Everything is on the device and the first step is about to run.
    Started {
        device: &'a str,
        parameters: usize,
        /// Bytes of the training step's buffers.
        bytes: u64,
        /// Steps done before, and in all.
        step: u32,
        steps: u32,
    },
    /// Steps were done; their losses are known.
    Stepped {
        step: u32,
        /// Mean over the steps since the last such event.
        loss: f32,
        segments_per_second: f64,
    },
    /// The validation segments were evaluated.
    Validated { step: u32, loss: f32, best: bool },
    /// A checkpoint was written.
    Saved { step: u32, path: &'a Path },
}

/// Whoever watches a run. Called from several threads while the corpus is decoded.
pub type Observer<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Steps done, and asked for.
    pub step: u32,
    pub steps: u32,
    /// Whether it was stopped before its last step.
    pub interrupted: bool,
    /// Mean training loss of the last steps, if any was done.
    pub loss: Option<f32>,
    /// Least validation loss, and the step at which it was found.
    pub best: Option<(u32, f32)>,
}
