//! Batch norm together with the leaky ReLU behind it. Plans put it in place of two operations; nobody records it, and so
//! it has no gradient.

use super::{BatchNorm, cpu, gpu, shapes};
use crate::{
    error::Result,
    kernel::Kernels,
    ops::{LeakyRelu, pointwise::leaky_relu},
    shape::Shape,
    tape::{Case, Class, Cpu, Io, Op, Real, Trusted, Values},
};

/// Leaky ReLU of a [`BatchNorm`], with its inputs: `x, statistics, γ, β → [N, C, …]`
#[derive(Debug, Clone)]
pub struct BatchNormActivation {
    /// What comes first.
    pub norm: BatchNorm,
    /// What is done with its output.
    pub activation: LeakyRelu,
}

/// Two slopes, and both kinds of statistics.
fn kinds() -> impl Iterator<Item = (Shape, f32, bool)> {
    let kinds = |shape| [(shape, 0.2, true), (shape, 0.0, false)];
    shapes().into_iter().flat_map(kinds)
}

const EPSILON: f32 = 1e-5;

impl Op for BatchNormActivation {
    const NAME: &'static str = "batch_norm + leaky_relu";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        self.norm.shape(given)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let shape = io.shape(0).channels();
        let [x, statistics, gamma, beta, ..] = io.inputs;
        let epsilon = T::of(f64::from(self.norm.epsilon));
        let slope = T::of(f64::from(self.activation.slope));
        let activate = |y| leaky_relu(slope, y);
        cpu::normalise(shape, x, statistics, [gamma, beta], epsilon, io.output, activate);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::normalise(io, self.norm.epsilon, Some(self.activation.slope))
    }

    fn cases() -> Vec<Case> {
        let case = |(shape, slope, batch): (Shape, f32, bool)| {
            let op = BatchNormActivation {
                norm: BatchNorm {
                    epsilon: EPSILON,
                    batch,
                },
                activation: LeakyRelu { slope },
            };
            let c = Shape::from([shape[1]]);
            Case::new(Class::Reduction, op, [shape, Shape::from([2, shape[1]]), c, c])
                .fill(1, Values::Uniform(0.1, 1.5))
                .differentiable(&[])
        };
        kinds().map(case).collect()
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}
