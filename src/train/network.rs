//! The tapes of a separator's training.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{SeparatorRecipe, TrainError, batches::SOURCES};
use crate::{
    models::Separator,
    nn::Mode,
    ops::{L1Loss, Mixdown, Record, StftOutput, stft},
    optim::Adam,
    tape::{Flat, Parameters, Role, Tape, Var},
};

/// The history slot of the training loss.
pub(super) const LOSS_SLOT: usize = 0;

/// A separator and how its training step is recorded; nothing is on a device yet.
pub struct Network {
    /// The network's tensors, at their initial values.
    pub parameters: Parameters,
    separator: Separator,
    recipe: SeparatorRecipe,
}

/// A recorded validation step: its input is that of training.
pub struct EvaluationStep {
    /// The forward pass and the loss, without gradients.
    pub tape: Tape,
    /// Mean L1 over the batch.
    pub loss: Var,
}

impl Network {
    /// Draws the initial weights of the recipe's network.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a recipe that cannot be used.
    pub fn new(recipe: &SeparatorRecipe) -> Result<Self, TrainError> {
        recipe.check()?;
        let mut parameters = Parameters::default();
        let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
        let separator = Separator::new(&recipe.model(), &mut parameters, Role::Trainable, "", &mut rng)?;
        Ok(Network {
            parameters,
            separator,
            recipe: recipe.clone(),
        })
    }

    /// Values that training changes by gradient.
    pub fn parameter_count(&self) -> usize {
        self.parameters.count(Role::Trainable)
    }

    /// Front end, forward, L1 against the target's magnitude, backward, update, in one tape. Its input is the
    /// instruments of the batch's segments in 16 bits, `[batch, 5, samples]`, a [`Tape::pcm16`].
    ///
    /// # Errors
    /// What recording gives.
    pub fn training_step(&self, adam: &Adam) -> Result<Tape, TrainError> {
        let (mut tape, loss) = self.loss(Mode::Train)?;
        let history = tape.flat(&self.parameters, Flat::History);
        tape.push(Record { slot: LOSS_SLOT }, &[history, loss])?;
        tape.backward(loss)?;
        adam.record(&mut tape, &self.parameters)?;
        Ok(tape)
    }

    /// The same loss without dropout and with running statistics.
    ///
    /// # Errors
    /// What recording gives.
    pub fn evaluation_step(&self) -> Result<EvaluationStep, TrainError> {
        let (tape, loss) = self.loss(Mode::Evaluate)?;
        Ok(EvaluationStep { tape, loss })
    }

    /// The model alone, on `batch` windows of `frames` frames: its input is a magnitude, and the variable its
    /// mask, `[batch, 1, bins, frames]` both.
    ///
    /// # Errors
    /// What recording gives.
    pub fn separation_step(&self, batch: usize, frames: usize) -> Result<(Tape, Var), TrainError> {
        let mut tape = Tape::new();
        let mix = tape.input("mix", [batch, 1, self.recipe.stft()?.bins(), frames]);
        let separated = self
            .separator
            .record(&mut tape, &self.parameters, mix, Mode::Evaluate)?;
        Ok((tape, separated.mask))
    }

    fn loss(&self, mode: Mode) -> Result<(Tape, Var), TrainError> {
        let mut tape = Tape::new();
        let recipe = &self.recipe;
        let sources = tape.pcm16("instruments", [recipe.batch, SOURCES, recipe.segment_samples()]);
        tape.set_scope("front end");
        let mut magnitude = |mixdown| {
            let samples = tape.push(mixdown, &[sources])?;
            stft(
                &mut tape,
                samples,
                recipe.stft_size,
                recipe.stft_hop,
                StftOutput::Magnitude,
            )
        };
        let mix = magnitude(Mixdown {
            first: 0,
            count: SOURCES,
        })?;
        let target = magnitude(Mixdown {
            first: recipe.instrument as usize,
            count: 1,
        })?;
        let separated = self.separator.record(&mut tape, &self.parameters, mix, mode)?;
        let loss = tape.push(L1Loss, &[separated.estimate, target])?;
        Ok((tape, loss))
    }
}
