//! Batch norm together with the leaky ReLU behind it, and its gradient with that of the leaky ReLU. Plans put them in
//! place of two operations; nobody records them, and so they have no gradient.

use super::{BatchNorm, BatchNormInputGradient, BatchNormSums, cpu, gpu, shapes};
use crate::{
    error::Result,
    kernel::Kernels,
    ops::{LeakyRelu, LeakyReluGradient, activation, inputs, same},
    shape::Shape,
    tape::{Case, Class, Cpu, Fused, Gradient, Io, Op, Operand, Real, Values},
};

/// Leaky ReLU of a [`BatchNorm`], with its inputs: `x, statistics, γ, β → [N, C, …]`
#[derive(Debug, Clone)]
pub struct BatchNormActivation {
    /// What comes first.
    pub norm: BatchNorm,
    /// What is done with its output.
    pub activation: LeakyRelu,
}

/// [`BatchNormSums`] of a gradient `dy` that first passes the leaky ReLU whose output was y.
/// `x [N, C, …], dy [N, C, …], statistics [2, C], y [N, C, …] → [2, C]`
#[derive(Debug, Clone)]
pub struct BatchNormActivationSums {
    /// What comes first, in the backward pass.
    pub activation: LeakyReluGradient,
    /// What is done with its output.
    pub sums: BatchNormSums,
}

/// [`BatchNormInputGradient`] of a gradient `dy` that first passes the leaky ReLU whose output was y.
/// `x [N, C, …], dy [N, C, …], statistics [2, C], γ [C], sums [2, C], y [N, C, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct BatchNormActivationInputGradient {
    /// What comes first, in the backward pass.
    pub activation: LeakyReluGradient,
    /// What is done with its output.
    pub norm: BatchNormInputGradient,
}

impl BatchNormActivation {
    pub(in crate::ops) fn fused(norm: &BatchNorm, activation: &LeakyRelu) -> Fused {
        let (norm, activation) = (norm.clone(), activation.clone());
        let inputs = [0, 1, 2, 3].map(Operand::Absorbed);
        Fused::new(BatchNormActivation { norm, activation }, inputs)
    }
}

impl BatchNormActivationSums {
    pub(super) fn fused(sums: &BatchNormSums, activation: &LeakyReluGradient) -> Fused {
        let (sums, activation) = (sums.clone(), activation.clone());
        let inputs = [
            Operand::Own(0),
            Operand::Absorbed(1),
            Operand::Own(2),
            Operand::Absorbed(0),
        ];
        Fused::new(BatchNormActivationSums { activation, sums }, inputs)
    }
}

impl BatchNormActivationInputGradient {
    pub(super) fn fused(norm: &BatchNormInputGradient, activation: &LeakyReluGradient) -> Fused {
        let (norm, activation) = (norm.clone(), activation.clone());
        let [x, statistics, gamma, sums] = [0, 2, 3, 4].map(Operand::Own);
        let [y, dy] = [0, 1].map(Operand::Absorbed);
        let op = BatchNormActivationInputGradient { activation, norm };
        Fused::new(op, [x, dy, statistics, gamma, sums, y])
    }
}

/// Two slopes, and both kinds of statistics.
fn kinds() -> impl Iterator<Item = (Shape, f32, bool)> {
    let kinds = |shape| [(shape, 0.2, true), (shape, 0.0, false)];
    shapes().into_iter().flat_map(kinds)
}

const EPSILON: f32 = 1e-5;

impl Op for BatchNormActivation {
    const NAME: &'static str = "batch_norm + leaky_relu";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        self.norm.shape(given)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Some(shape) = io.shape(0).channels() else {
            return;
        };
        let [x, statistics, gamma, beta, ..] = io.inputs;
        let epsilon = T::of(f64::from(self.norm.epsilon));
        let activate = activation::leaky_relu(self.activation.slope);
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
}

impl Op for BatchNormActivationSums {
    const NAME: &'static str = "leaky_relu_gradient + batch_norm_sums";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy, statistics, y] = inputs(Self::NAME, given)?;
        same(Self::NAME, dy, y)?;
        self.sums.shape(&[x, dy, statistics])
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Some(shape) = io.shape(0).channels() else {
            return;
        };
        let [x, dy, statistics, y, ..] = io.inputs;
        let epsilon = T::of(f64::from(self.sums.epsilon));
        let gradient = activation::leaky_relu_gradient(self.activation.slope);
        cpu::sums(shape, [x, y, dy], statistics, epsilon, io.output, gradient);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::sums(io, self.sums.epsilon, Some(self.activation.slope))
    }

    fn cases() -> Vec<Case> {
        let case = |(shape, slope, _): (Shape, f32, bool)| {
            let op = BatchNormActivationSums {
                activation: LeakyReluGradient { slope },
                sums: BatchNormSums { epsilon: EPSILON },
            };
            Case::new(
                Class::Reduction,
                op,
                [shape, shape, Shape::from([2, shape[1]]), shape],
            )
            .fill(2, Values::Uniform(0.1, 1.5))
            .differentiable(&[])
        };
        kinds().map(case).collect()
    }
}

impl Op for BatchNormActivationInputGradient {
    const NAME: &'static str = "leaky_relu_gradient + batch_norm_input_gradient";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy, statistics, gamma, sums, y] = inputs(Self::NAME, given)?;
        same(Self::NAME, dy, y)?;
        self.norm.shape(&[x, dy, statistics, gamma, sums])
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Some(shape) = io.shape(0).channels() else {
            return;
        };
        let [x, dy, statistics, gamma, sums, y] = io.inputs;
        let epsilon = T::of(f64::from(self.norm.epsilon));
        let sums = self.norm.batch.then_some(sums);
        let gradient = activation::leaky_relu_gradient(self.activation.slope);
        cpu::input_gradient(
            shape,
            [x, y, dy],
            statistics,
            gamma,
            sums,
            epsilon,
            io.output,
            gradient,
        );
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::input_gradient(
            io,
            self.norm.epsilon,
            self.norm.batch,
            Some(self.activation.slope),
        )
    }

    fn cases() -> Vec<Case> {
        let case = |(shape, slope, batch): (Shape, f32, bool)| {
            let op = BatchNormActivationInputGradient {
                activation: LeakyReluGradient { slope },
                norm: BatchNormInputGradient {
                    epsilon: EPSILON,
                    batch,
                },
            };
            let (pair, c) = (Shape::from([2, shape[1]]), Shape::from([shape[1]]));
            Case::new(Class::Reduction, op, [shape, shape, pair, c, pair, shape])
                .fill(2, Values::Uniform(0.1, 1.5))
                .differentiable(&[])
        };
        kinds().map(case).collect()
    }
}
