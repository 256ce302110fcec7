//! Dropout, from counter-based random numbers: the same on every device, and in the backward pass.

use super::{inputs, parallel};
use crate::{
    error::Result,
    kernel::{Binding, Dispatch, Kernels, Slot, flat_grid, uniform},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted},
};

/// Zeroes elements, or whole channels, with probability `rate`, and divides the rest by `1 − rate`.
/// `[N, C, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct Dropout {
    /// Probability of zero, in [0, 1).
    pub rate: f32,
    /// Tells one dropout of a model from another: with seed, step and index it fixes the random number.
    pub stream: u32,
    /// Whether the elements of a channel share their fate.
    pub whole_channels: bool,
}

impl Dropout {
    /// Elements that share one random number.
    fn group(&self, shape: Shape) -> usize {
        match self.whole_channels {
            true => shape.channels().inner,
            false => 1,
        }
    }
}

impl Op for Dropout {
    const NAME: &'static str = "dropout";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        if !(0.0..1.0).contains(&self.rate) {
            let message = format!("the rate must be at least 0 and below 1, not {}", self.rate);
            return Err(crate::Error::shape(Self::NAME, message));
        }
        if self.whole_channels {
            super::channels(Self::NAME, x)?;
        }
        Ok(x)
    }

    /// The same mask on the upstream gradient.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, self.clone(), &[at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let group = self.group(io.shapes.output);
        let keep = T::of(1.0 / (1.0 - f64::from(self.rate)));
        let seed = [io.step.seed_low, io.step.seed_high];
        let x = io.inputs[0];
        parallel::for_chunks(io.output, |start, chunk| {
            let mut at = 0;
            while at < chunk.len() {
                let index = (start + at) / group;
                let end = chunk.len().min((index + 1) * group - start);
                let kept = uniform(seed, io.step.step, self.stream, index as u32) >= self.rate;
                let factor = if kept { keep } else { T::zero() };
                for (out, &x) in chunk[at..end].iter_mut().zip(&x[start + at..]) {
                    *out = factor * x;
                }
                at = end;
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let len = io.output.len();
        let bindings = [
            Binding::Read(Slot::Input(0)),
            Binding::Write(Slot::Output),
            Binding::Step,
        ];
        Dispatch::new(shader!("dropout/dropout"), bindings, flat_grid(len))
            .params([len, self.group(io.output), self.stream as usize])
            .param_f32(self.rate)
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |rate, stream, whole_channels, shape: [usize; 4]| {
            Case::new(
                Class::Elementwise,
                Dropout {
                    rate,
                    stream,
                    whole_channels,
                },
                [shape],
            )
        };
        vec![
            case(0.5, 3, true, [3, 17, 5, 7]),
            case(0.3, 4, false, [2, 3, 5, 7]),
            case(0.0, 5, false, [1, 3, 3, 1]),
            case(0.5, 6, true, [2, 9, 65, 37]),
        ]
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}
