//! The optimizer.

use crate::{
    error::Result,
    ops::{Accumulate, AdamUpdate, NotFinite, SquaredNorm, UpdateLossScale},
    tape::{Flat, Parameters, Tape},
};

/// Adam. The learning rate is a value of the step, for schedules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// β₁, the decay of the mean gradient, in [0, 1).
    pub beta1: f64,
    /// β₂, the decay of the mean squared gradient, in [0, 1).
    pub beta2: f64,
    /// ε, which keeps the division off zero.
    pub epsilon: f32,
    /// Scales the gradient so that its norm over all parameters is at most this.
    pub max_norm: Option<f32>,
}

impl Default for Adam {
    /// PyTorch's: 0.9, 0.999, 1e-8, no clipping.
    fn default() -> Self {
        Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            max_norm: None,
        }
    }
}

impl Adam {
    /// What [`StepValues::new`](crate::kernel::StepValues::new) asks for.
    pub fn betas(&self) -> [f64; 2] {
        [self.beta1, self.beta2]
    }

    /// Appends the update of all trainable parameters; the gradients must be on the tape
    /// ([`Tape::backward`]). On a tape that [narrows](Tape::narrow), it takes the loss scale back, and leaves out an update
    /// by gradients that are not finite.
    ///
    /// # Errors
    /// None for a tape of these parameters.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters) -> Result<()> {
        self.update(tape, parameters, Flat::Gradients)
    }

    /// The same with the gradients that earlier replays [accumulated](Self::accumulate).
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_accumulated(&self, tape: &mut Tape, parameters: &Parameters) -> Result<()> {
        self.update(tape, parameters, Flat::Accumulated)
    }

    fn update(&self, tape: &mut Tape, parameters: &Parameters, gradients: Flat) -> Result<()> {
        tape.set_scope("adam");
        let all = [Flat::Parameters, gradients, Flat::FirstMoment, Flat::SecondMoment];
        let mut inputs = all.map(|flat| tape.flat(parameters, flat)).to_vec();
        if self.max_norm.is_some() {
            inputs.push(tape.push(SquaredNorm, &[inputs[1]])?);
        }
        let scaled = tape.narrows();
        if scaled {
            let scaler = tape.flat(parameters, Flat::Scaler);
            let bad = tape.push(NotFinite, &[inputs[1]])?;
            tape.push(UpdateLossScale, &[scaler, bad])?;
            inputs.push(scaler);
        }
        let update = AdamUpdate {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            max_norm: self.max_norm,
            scaled,
        };
        tape.push(update, &inputs)?;
        Ok(())
    }

    /// Appends the sum of the gradients over `count` replays, divided by it, to update the parameters by later.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn accumulate(&self, tape: &mut Tape, parameters: &Parameters, count: usize) -> Result<()> {
        tape.set_scope("adam");
        let scale = 1.0 / count.max(1) as f32;
        let flats = [Flat::Accumulated, Flat::Gradients].map(|flat| tape.flat(parameters, flat));
        tape.push(Accumulate { scale }, &flats)?;
        Ok(())
    }
}
