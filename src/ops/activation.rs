//! Leaky ReLU (with slope 0: ReLU) and sigmoid. Both gradients need the output only.

use std::any::Any;

use super::{
    Add, BatchNorm, BatchNormActivation, LeakyReluGradientOfSum, Multiply, SigmoidMaskGradient, inputs,
    parallel, same,
};
use crate::{
    error::Result,
    kernel::{Kernels, at_once},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Fused, Gradient, Io, Op, Real, Trusted, Values},
};

/// `x` where `x > 0`, else `slope · x`. `[…] → […]`
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

/// `1 / (1 + e⁻ˣ)`. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Sigmoid;

/// Sigmoid's gradient from its output `y`: `dy · y · (1 − y)`. `y […], dy […] → […]`
#[derive(Debug, Clone)]
pub struct SigmoidGradient;

const SHAPES: [[usize; 4]; 3] = [[2, 3, 5, 7], [1, 5, 33, 21], [1, 3, 7, 4]];

impl LeakyRelu {
    /// `max(0, x)`.
    pub const RELU: LeakyRelu = LeakyRelu { slope: 0.0 };
}

/// The formula of [`LeakyRelu`].
pub(super) fn leaky_relu<T: Real>(slope: f32) -> impl Fn(T) -> T + Sync {
    let slope = T::of(f64::from(slope));
    move |x| if x > T::zero() { x } else { slope * x }
}

/// The formula of [`LeakyReluGradient`].
pub(super) fn leaky_relu_gradient<T: Real>(slope: f32) -> impl Fn(T, T) -> T + Sync {
    let slope = T::of(f64::from(slope));
    move |y, dy| if y > T::zero() { dy } else { slope * dy }
}

/// The formula of [`Sigmoid`].
pub(super) fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}

/// The formula of [`SigmoidGradient`].
pub(super) fn sigmoid_gradient<T: Real>(y: T, dy: T) -> T {
    dy * y * (T::one() - y)
}

impl Op for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let op = LeakyReluGradient { slope: self.slope };
        let gradient = at.push(op, &[at.output(), at.upstream()])?;
        at.set(0, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        parallel::map(io.output, io.inputs[0], leaky_relu(self.slope));
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat_by(shader!("activation/leaky_relu"), at_once(&[io.output.len()]))
            .param_f32(self.slope)
            .into()
    }

    fn absorb(&self, _input: usize, producer: &dyn Any) -> Option<Fused> {
        let norm: &BatchNorm = producer.downcast_ref()?;
        Some(BatchNormActivation::fused(norm, self))
    }

    fn cases() -> Vec<Case> {
        let case = |slope, shape| {
            Case::new(Class::Elementwise, LeakyRelu { slope }, [shape]).fill(0, Values::AwayFromZero)
        };
        SHAPES
            .into_iter()
            .flat_map(|shape| [case(0.2, shape), case(0.0, shape)])
            .collect()
    }

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}

impl Op for LeakyReluGradient {
    const NAME: &'static str = "leaky_relu_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [y, dy] = inputs(Self::NAME, given)?;
        same(Self::NAME, y, dy)?;
        Ok(y)
    }

    /// Linear in `dy`; flat in `y` almost everywhere.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(1) {
            let gradient = at.push(self.clone(), &[at.input(0), at.upstream()])?;
            at.set(1, gradient);
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [y, dy, ..] = io.inputs;
        parallel::map2(io.output, y, dy, leaky_relu_gradient(self.slope));
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat_by(
            shader!("activation/leaky_relu_gradient"),
            at_once(&[io.output.len()]),
        )
        .param_f32(self.slope)
        .into()
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        producer.downcast_ref::<Add>().filter(|_| input == 1)?;
        Some(LeakyReluGradientOfSum::fused(self))
    }

    fn cases() -> Vec<Case> {
        let case = |shape| {
            let op = LeakyReluGradient { slope: 0.2 };
            Case::new(Class::Elementwise, op, [shape; 2])
                .fill(0, Values::AwayFromZero)
                .differentiable(&[1])
        };
        SHAPES.into_iter().map(case).collect()
    }

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs.contains(&true)
    }
}

impl Op for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let gradient = at.push(SigmoidGradient, &[at.output(), at.upstream()])?;
        at.set(0, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        parallel::map(io.output, io.inputs[0], sigmoid);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("activation/sigmoid")).into()
    }

    fn cases() -> Vec<Case> {
        let case =
            |shape| Case::new(Class::Elementwise, Sigmoid, [shape]).fill(0, Values::Uniform(-6.0, 6.0));
        // far out, where an overflow of exp would show
        let mut cases: Vec<Case> = SHAPES.into_iter().map(case).collect();
        cases.push(
            Case::new(Class::Elementwise, Sigmoid, [[3, 41]])
                .fill(0, Values::Uniform(-200.0, 200.0))
                .differentiable(&[]),
        );
        cases
    }
}

impl Op for SigmoidGradient {
    const NAME: &'static str = "sigmoid_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [y, dy] = inputs(Self::NAME, given)?;
        same(Self::NAME, y, dy)?;
        Ok(y)
    }

    /// Linear in `dy`. In `y` it is not: no second derivative of the sigmoid.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(0) {
            return at.none();
        }
        let gradient = at.push(SigmoidGradient, &[at.input(0), at.upstream()])?;
        at.set(1, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [y, dy, ..] = io.inputs;
        parallel::map2(io.output, y, dy, sigmoid_gradient);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("activation/sigmoid_gradient")).into()
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        producer.downcast_ref::<Multiply>().filter(|_| input == 1)?;
        Some(SigmoidMaskGradient::fused())
    }

    fn cases() -> Vec<Case> {
        let case = |shape| {
            Case::new(Class::Elementwise, SigmoidGradient, [shape; 2])
                .fill(0, Values::Uniform(0.0, 1.0))
                .differentiable(&[1])
        };
        SHAPES.into_iter().map(case).collect()
    }
}
