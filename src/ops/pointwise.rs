//! The table of pointwise operations: each a formula, the same in WGSL, and its gradient. Which of them plans fuse says
//! [`fusion`](super::fusion); those that a plan puts in place of two are recorded by nobody, and have no gradient.

use std::{any::Any, f64::consts::LN_10};

use super::{fusion::fused, odd_cases};
use crate::{
    error::Result,
    shape::Shape,
    tape::{
        Case, Class, Fused, Gradient, Op, Real, Values, Var,
        pointwise::{By, pointwise},
    },
};

/// `a · b`, element by element: the Hadamard product, as of a mask and a spectrogram. `[…], […] → […]`
#[derive(Debug, Clone)]
pub struct Multiply;

/// `factor · a`. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Scale {
    /// What every element is multiplied by.
    pub factor: f32,
}

/// Leaky ReLU: `x` where `x > 0`, else `slope · x`. `[…] → […]`
#[derive(Debug, Clone)]
pub struct LeakyRelu {
    /// Factor of negative inputs; 0 makes it ReLU.
    pub slope: f32,
}

/// Leaky ReLU's gradient from its output `y`, whose sign is that of `x`: `dy` or `slope · dy`.
/// `y […], dy […] → […]`
#[derive(Debug, Clone)]
pub struct LeakyReluGradient {
    /// The slope of the [`LeakyRelu`].
    pub slope: f32,
}

/// [`LeakyReluGradient`] of the sum of two gradients: of an output that goes two ways, as an encoder's layer goes down
/// and across. `y […], dy […], dz […] → […]`
#[derive(Debug, Clone)]
pub struct LeakyReluGradientOfSum {
    /// The slope of the [`LeakyRelu`].
    pub slope: f32,
}

/// `1 / (1 + e⁻ˣ)`. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Sigmoid;

/// Sigmoid's gradient from its output `y`: `dy · y · (1 − y)`. `y […], dy […] → […]`
#[derive(Debug, Clone)]
pub struct SigmoidGradient;

/// `σ(x) · a`: a mask that is a sigmoid and what it is laid on. `x […], a […] → […]`
#[derive(Debug, Clone)]
pub struct SigmoidMask;

/// Its gradient in x, from the mask y: `(dy · a) · y · (1 − y)`. `y […], dy […], a […] → […]`
#[derive(Debug, Clone)]
pub struct SigmoidMaskGradient;

/// Decibels of a magnitude: `20 log₁₀ max(x, floor)`. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Decibel {
    /// The least magnitude that is told apart from silence, above 0.
    pub floor: f32,
}

/// `20 / (x ln 10) · dy` where `x > floor`, else 0. `x […], dy […] → […]`
#[derive(Debug, Clone)]
pub struct DecibelGradient {
    /// The floor of the [`Decibel`].
    pub floor: f32,
}

/// `√(x + ε)`, of numbers that are not below 0. `[…] → […]`
#[derive(Debug, Clone)]
pub struct SquareRoot {
    /// ε, above 0, so that there is a gradient at 0.
    pub epsilon: f32,
}

/// The gradient of [`SquareRoot`] from its output `y`: `dy / (2 y)`. `y […], dy […] → […]`
#[derive(Debug, Clone)]
pub struct SquareRootGradient;

const SHAPES: [[usize; 4]; 3] = [[2, 3, 5, 7], [1, 5, 33, 21], [1, 3, 7, 4]];

/// Cases of all shapes, their first input filled so.
fn cases<O: Op + Clone>(op: &O, inputs: usize, first: &Values, differentiable: &[usize]) -> Vec<Case> {
    let case = |shape| {
        Case::new(Class::Elementwise, op.clone(), vec![shape; inputs])
            .fill(0, first.clone())
            .differentiable(differentiable)
    };
    SHAPES.map(case).to_vec()
}

/// The gradient of the n-th input, if it is asked for: an operation on `of` and what comes from above.
fn by<O: Op>(at: &mut Gradient<'_>, input: usize, gradient: O, of: Var) -> Result<()> {
    at.give(input, gradient, &[of, at.upstream()])
}

/// That of a gradient, which is linear in what comes from above. In the first input it is not: there is no second
/// derivative.
fn linear<O: Op + Clone>(at: &mut Gradient<'_>, gradient: &O) -> Result<()> {
    match at.wants(0) {
        true => at.none(),
        false => by(at, 1, gradient.clone(), at.input(0)),
    }
}

impl LeakyRelu {
    /// `max(0, x)`.
    pub const RELU: LeakyRelu = LeakyRelu { slope: 0.0 };
}

pointwise! {
    Multiply, "multiply", By::One,
    |a, b| a * b,
    "a * b";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        for (input, other) in [(0, at.input(1)), (1, at.input(0))] {
            at.give(input, Multiply, &[at.upstream(), other])?;
        }
        Ok(())
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        fused(self, input, producer)
    }

    fn cases() -> Vec<Case> {
        let mut cases = odd_cases(&Multiply, 2);
        // the two ways a mask is used: with and without gradient into what is masked
        let shape = Shape::from([2, 1, 33, 21]);
        cases.push(Case::new(Class::Elementwise, Multiply, [shape; 2]).differentiable(&[0]));
        cases
    }
}

pointwise! {
    Scale.factor, "scale", By::One,
    |a| factor * a,
    "params.factor * a";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, self.clone(), &[at.upstream()])
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Scale { factor: -0.75 }, 1)
    }
}

/// The slope of a leaky ReLU at `x`: a choice of two numbers, of which the compiler makes vectors.
fn slope_at<T: Real>(slope: T, x: T) -> T {
    if x > T::zero() { T::one() } else { slope }
}

/// The formula of [`LeakyRelu`].
pub(super) fn leaky_relu<T: Real>(slope: T, x: T) -> T {
    x * slope_at(slope, x)
}

pointwise! {
    LeakyRelu.slope, "leaky_relu", By::Four,
    |x| leaky_relu(slope, x),
    "select(params.slope * x, x, x > Elements(0.0))";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        by(at, 0, LeakyReluGradient { slope: self.slope }, at.output())
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        fused(self, input, producer)
    }

    fn cases() -> Vec<Case> {
        let of = |slope| cases(&LeakyRelu { slope }, 1, &Values::AwayFromZero, &[0]);
        [of(0.2), of(0.0)].concat()
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}

pointwise! {
    LeakyReluGradient.slope, "leaky_relu_gradient", By::Four,
    |y, dy| slope_at(slope, y) * dy,
    "select(params.slope * dy, dy, y > Elements(0.0))";

    /// Flat in `y` almost everywhere.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        by(at, 1, self.clone(), at.input(0))
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        fused(self, input, producer)
    }

    fn cases() -> Vec<Case> {
        cases(&LeakyReluGradient { slope: 0.2 }, 2, &Values::AwayFromZero, &[1])
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs.contains(&true)
    }
}

pointwise! {
    LeakyReluGradientOfSum.slope, "add + leaky_relu_gradient", By::Four,
    |y, dy, dz| slope_at(slope, y) * (dy + dz),
    "select(params.slope * (dy + dz), dy + dz, y > Elements(0.0))";

    fn cases() -> Vec<Case> {
        let of = |slope| cases(&LeakyReluGradientOfSum { slope }, 3, &Values::AwayFromZero, &[]);
        [of(0.2), of(0.0)].concat()
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs.contains(&true)
    }
}

pointwise! {
    // exp(−x) must not overflow, and sigmoid(−88) is below the least normal f32
    Sigmoid, "sigmoid", By::One,
    |x| T::one() / (T::one() + (-x).exp()),
    "1.0 / (1.0 + exp(-clamp(x, -87.0, 87.0)))";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        by(at, 0, SigmoidGradient, at.output())
    }

    fn cases() -> Vec<Case> {
        let mut all = cases(&Sigmoid, 1, &Values::Uniform(-6.0, 6.0), &[0]);
        // far out, where an overflow of exp would show
        let far = Case::new(Class::Elementwise, Sigmoid, [[3, 41]]);
        all.push(far.fill(0, Values::Uniform(-200.0, 200.0)).differentiable(&[]));
        all
    }
}

pointwise! {
    SigmoidGradient, "sigmoid_gradient", By::One,
    |y, dy| dy * y * (T::one() - y),
    "dy * y * (1.0 - y)";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        linear(at, self)
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        fused(self, input, producer)
    }

    fn cases() -> Vec<Case> {
        cases(&SigmoidGradient, 2, &Values::Uniform(0.0, 1.0), &[1])
    }
}

pointwise! {
    SigmoidMask, "sigmoid + multiply", By::One,
    |x, a| T::one() / (T::one() + (-x).exp()) * a,
    "1.0 / (1.0 + exp(-clamp(x, -87.0, 87.0))) * a";

    fn cases() -> Vec<Case> {
        cases(&SigmoidMask, 2, &Values::Uniform(-6.0, 6.0), &[])
    }
}

pointwise! {
    SigmoidMaskGradient, "multiply + sigmoid_gradient", By::One,
    |y, dy, a| dy * a * y * (T::one() - y),
    "dy * a * y * (1.0 - y)";

    fn cases() -> Vec<Case> {
        cases(&SigmoidMaskGradient, 3, &Values::Uniform(0.0, 1.0), &[])
    }
}

pointwise! {
    // 20 / log₂ 10
    Decibel.floor where floor > 0.0, "decibel", By::One,
    |x| T::of(20.0) * x.max(floor).log10(),
    "6.0205999133 * log2(max(x, params.floor))";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        by(at, 0, DecibelGradient { floor: self.floor }, at.input(0))
    }

    fn cases() -> Vec<Case> {
        // no value is as small as the floor, or as near to it
        let mut all = cases(&Decibel { floor: 0.05 }, 1, &Values::AwayFromZero, &[0]);
        // around 1, where decibels are close to 0
        let near = Case::new(Class::Elementwise, Decibel { floor: 1e-5 }, [[3, 41]]);
        all.push(near.fill(0, Values::Uniform(0.6, 1.2)));
        all
    }
}

pointwise! {
    // 20 / ln 10
    DecibelGradient.floor where floor > 0.0, "decibel_gradient", By::One,
    |x, dy| if x > floor { T::of(20.0 / LN_10) / x * dy } else { T::zero() },
    "select(0.0, 8.6858896381 / max(x, params.floor) * dy, x > params.floor)";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        linear(at, self)
    }

    fn cases() -> Vec<Case> {
        cases(&DecibelGradient { floor: 0.05 }, 2, &Values::AwayFromZero, &[1])
    }
}

pointwise! {
    SquareRoot.epsilon where epsilon > 0.0, "square_root", By::One,
    |x| (x.max(T::zero()) + epsilon).sqrt(),
    "sqrt(max(x, 0.0) + params.epsilon)";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        by(at, 0, SquareRootGradient, at.output())
    }

    fn cases() -> Vec<Case> {
        cases(&SquareRoot { epsilon: 1e-3 }, 1, &Values::Uniform(0.01, 4.0), &[0])
    }
}

pointwise! {
    SquareRootGradient, "square_root_gradient", By::One,
    |y, dy| T::of(0.5) * dy / y,
    "0.5 * dy / y";

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        linear(at, self)
    }

    fn cases() -> Vec<Case> {
        cases(&SquareRootGradient, 2, &Values::Uniform(0.1, 2.0), &[1])
    }
}
