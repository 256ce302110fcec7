use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    corpus::Instrument,
    train::{LessonCounts, Scores, TrainError},
};

/// What a training run tells its observer, in the order in which it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The corpus is a folder, which is decoded at every start: a prepared store would spare that.
    Undecoded {
        /// The folder.
        root: &'a Path,
    },
    /// A track was decoded; comes from any thread.
    Decoded {
        /// Tracks decoded so far.
        done: usize,
        /// Tracks to decode.
        total: usize,
    },
    /// An instrument for which there are no examples: the others are trained without it.
    LeftOut {
        /// The instrument.
        instrument: Instrument,
        /// Why there are none.
        error: &'a TrainError,
    },
    /// An instrument for which no run gives targets: it is left out of what is heard.
    Untaught {
        /// The instrument.
        instrument: Instrument,
    },
    /// Judgements were divided.
    Judged {
        /// How many are trained on, and held out.
        counts: LessonCounts,
    },
    /// The checkpoint is chosen by pseudo pieces, and the validation split has few pieces with an instrument.
    FewTargets {
        /// The instrument.
        instrument: Instrument,
        /// Pieces that give it; 0: its sub-space is not scored.
        targets: usize,
        /// As many as the protocol asks for.
        asked: usize,
    },
    /// A batch does not fit the device's memory.
    MicroBatches {
        /// Examples in a batch.
        batch: usize,
        /// Examples on the device at a time.
        examples: usize,
    },
    /// Everything is on the device and the first step is about to run.
    Started {
        /// Name of the device.
        device: &'a str,
        /// Numbers that are trained.
        parameters: usize,
        /// Bytes that training takes on the device.
        bytes: u64,
        /// Steps done before this start.
        step: u32,
        /// Steps in all.
        steps: u32,
    },
    /// The first step of this start is done; its loss is not read yet.
    FirstStep {
        /// What it took until then.
        start_up: StartUp,
    },
    /// Steps were done; their losses are known.
    Stepped {
        /// Steps done so far.
        step: u32,
        /// Mean over the steps since the last such event.
        loss: f32,
        /// Training segments a second since the last such event.
        segments_per_second: f64,
        /// Share of that time in which the device waited for data.
        waiting: f64,
    },
    /// The validation segments were evaluated.
    Validated {
        /// Steps done so far.
        step: u32,
        /// Mean loss over the validation examples, and the nearest-neighbour score.
        scores: Scores,
        /// Whether this is the best so far.
        best: bool,
    },
    /// A checkpoint was written.
    Saved {
        /// Steps done so far.
        step: u32,
        /// The file.
        path: &'a Path,
    },
}

/// What it took until the device was at work, in seconds, without data and the validation before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartUp {
    /// Opening the device: once in a process, though several runs may share it.
    pub opening: f64,
    /// Planning, compiling, allocating, and measuring variants.
    pub preparing: f64,
    /// The first step, without its wait for data. A driver may still compile then.
    pub first_step: f64,
    /// Operations whose variants were measured.
    pub measured: usize,
}

impl StartUp {
    /// All of it.
    pub fn seconds(&self) -> f64 {
        self.opening + self.preparing + self.first_step
    }
}

/// Watches a run. Called from several threads while the corpus is decoded.
pub type Observer<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Steps done.
    pub step: u32,
    /// Steps asked for.
    pub steps: u32,
    /// Whether it was stopped before its last step.
    pub interrupted: bool,
    /// Mean training loss of the last steps, if any was done.
    pub loss: Option<f32>,
    /// The best score, by what the recipe chooses, and the step at which it was found.
    pub best: Option<(u32, f32)>,
    /// Whether training ended early, because the validation loss had not fallen for long enough.
    pub early: bool,
    /// Time spent in training steps.
    pub training: Duration,
    /// How much of it the device had nothing to do, because the next batch was not ready.
    pub waited: Duration,
}
