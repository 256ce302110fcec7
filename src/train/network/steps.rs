//! What runs on a device: a step of training, of validation, of description, each a tape.

use super::objective::LossStep;
use crate::{
    nn::Mode,
    ops::{Record, Sigmoid},
    optim::Adam,
    tape::{Flat, HISTORY_SLOTS, Parameters, Tape, Var},
    train::{Network, TrainError, recipe::Precision},
};

/// History ring of the loss; those of its parts follow.
pub(crate) const LOSS_SLOT: usize = 0;

/// History ring of what the loss was multiplied by, where the tape narrows.
pub(crate) const SCALE_SLOT: usize = HISTORY_SLOTS - 1;

/// A recorded description.
pub struct EmbeddingStep {
    /// The computation.
    pub tape: Tape,
    /// Its input: what is heard, in 16 bits. `[items, sources, samples]`
    pub heard: Var,
    /// `[items, dimensions]`
    pub embedding: Var,
    /// The probability that each instrument sounds, from a network that says so. `[items, 5]`
    pub presence: Option<Var>,
}

impl LossStep {
    /// The names of the losses in the history, the sum first.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let parts = self.parts.iter().map(|part| part.name);
        // a single part is the loss
        let parts = parts.filter(|_| self.parts.len() > 1);
        std::iter::once("loss").chain(parts).collect()
    }

    fn record_history(&mut self, parameters: &Parameters) -> Result<(), TrainError> {
        let history = self.tape.flat(parameters, Flat::History);
        let losses = std::iter::once(self.loss).chain(self.parts.iter().map(|part| part.value));
        for (slot, loss) in losses.take(self.names().len()).enumerate().collect::<Vec<_>>() {
            let slot = LOSS_SLOT + slot;
            self.tape.push(Record { slot }, &[history, loss])?;
        }
        if self.tape.narrows() {
            let scale = self.tape.loss_scale();
            self.tape.push(Record { slot: SCALE_SLOT }, &[history, scale])?;
        }
        Ok(())
    }
}

impl Network {
    /// Front end, forward, loss, backward and update of a batch of `examples`, in one tape.
    ///
    /// # Errors
    /// What recording gives.
    pub fn training_step(&self, adam: &Adam, examples: usize) -> Result<LossStep, TrainError> {
        let mut step = self.gradient(examples)?;
        adam.record(&mut step.tape, &self.parameters)?;
        Ok(step)
    }

    /// The same for one of `count` micro-batches of `examples` each: its gradients are added up. The second tape
    /// updates the parameters by their mean.
    ///
    /// # Errors
    /// What recording gives.
    pub fn micro_steps(
        &self,
        adam: &Adam,
        examples: usize,
        count: usize,
    ) -> Result<(LossStep, Tape), TrainError> {
        let mut step = self.gradient(examples)?;
        adam.accumulate(&mut step.tape, &self.parameters, count)?;
        let mut update = self.tape(Mode::Train);
        adam.record_accumulated(&mut update, &self.parameters)?;
        Ok((step, update))
    }

    /// What runs for every one of `count` micro-batches of `examples`, and, if they are several, what then runs once.
    ///
    /// # Errors
    /// What recording gives.
    pub fn update_steps(
        &self,
        adam: &Adam,
        examples: usize,
        count: usize,
    ) -> Result<(LossStep, Option<Tape>), TrainError> {
        if count == 1 {
            return Ok((self.training_step(adam, examples)?, None));
        }
        let (step, update) = self.micro_steps(adam, examples, count)?;
        Ok((step, Some(update)))
    }

    /// The loss of a batch of `examples` as training has it, alone.
    pub(crate) fn forward_step(&self, examples: usize) -> Result<LossStep, TrainError> {
        self.loss(Mode::Train, examples)
    }

    pub(super) fn tape(&self, mode: Mode) -> Tape {
        let mut tape = Tape::new();
        tape.narrow(mode == Mode::Train && self.recipe.training.precision == Precision::F16);
        tape
    }

    fn gradient(&self, examples: usize) -> Result<LossStep, TrainError> {
        let mut step = self.loss(Mode::Train, examples)?;
        step.record_history(&self.parameters)?;
        step.tape.backward(step.loss)?;
        Ok(step)
    }

    /// The same loss without dropout and with running statistics, for a batch of `examples` of the length of validation.
    ///
    /// # Errors
    /// What recording gives.
    pub fn evaluation_step(&self, examples: usize) -> Result<LossStep, TrainError> {
        self.loss(Mode::Evaluate, examples)
    }

    /// The descriptions of `items` inputs of `samples` samples.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a network that does not describe; what recording gives.
    pub fn embedding_step(&self, items: usize, samples: usize) -> Result<EmbeddingStep, TrainError> {
        let mut tape = Tape::new();
        let heard = tape.pcm16("instruments", [items, self.sources(), samples]);
        let magnitude = self.mix(&mut tape, &[heard])?;
        let described = self.describe(&mut tape, magnitude, Mode::Evaluate)?;
        let presence = described.presence.map(|logits| tape.push(Sigmoid, &[logits]));
        Ok(EmbeddingStep {
            embedding: described.embedding,
            presence: presence.transpose()?,
            tape,
            heard,
        })
    }
}
