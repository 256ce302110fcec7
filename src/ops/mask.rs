//! A mask that is a sigmoid and what it is laid on, and its gradient. Plans put them in place of two operations; nobody
//! records them, and so they have no gradient.

use super::{activation, inputs, parallel, same};
use crate::{
    error::Result,
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Fused, Gradient, Io, Op, Operand, Real, Trusted, Values},
};

/// `σ(x) · a`, where nothing else needs the mask. `x […], a […] → […]`
#[derive(Debug, Clone)]
pub struct SigmoidMask;

/// Its gradient in x, from the mask y: `(dy · a) · y · (1 − y)`. `y […], dy […], a […] → […]`
#[derive(Debug, Clone)]
pub struct SigmoidMaskGradient;

const SHAPES: [[usize; 4]; 3] = [[2, 3, 5, 7], [1, 5, 33, 21], [1, 3, 7, 4]];

impl SigmoidMask {
    /// `mask` is the multiplication's input that is the sigmoid.
    pub(super) fn fused(mask: usize) -> Fused {
        Fused::new(SigmoidMask, [Operand::Absorbed(0), Operand::Own(1 - mask)])
    }
}

impl SigmoidMaskGradient {
    pub(super) fn fused() -> Fused {
        let [dy, a] = [0, 1].map(Operand::Absorbed);
        Fused::new(SigmoidMaskGradient, [Operand::Own(0), dy, a])
    }
}

impl Op for SigmoidMask {
    const NAME: &'static str = "sigmoid + multiply";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, a] = inputs(Self::NAME, given)?;
        same(Self::NAME, x, a)?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [x, a, ..] = io.inputs;
        parallel::map2(io.output, x, a, |x, a| activation::sigmoid(x) * a);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("activation/sigmoid")).define("MASK", "").into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape| {
            Case::new(Class::Elementwise, SigmoidMask, [shape; 2])
                .fill(0, Values::Uniform(-6.0, 6.0))
                .differentiable(&[])
        };
        SHAPES.into_iter().map(case).collect()
    }
}

impl Op for SigmoidMaskGradient {
    const NAME: &'static str = "multiply + sigmoid_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [y, dy, a] = inputs(Self::NAME, given)?;
        same(Self::NAME, y, dy)?;
        same(Self::NAME, dy, a)?;
        Ok(y)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [y, dy, a, ..] = io.inputs;
        let gradient = |y, dy, a| activation::sigmoid_gradient(y, dy * a);
        parallel::map3(io.output, [y, dy, a], gradient);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("activation/sigmoid_gradient"))
            .define("MASK", "")
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape| {
            Case::new(Class::Elementwise, SigmoidMaskGradient, [shape; 3])
                .fill(0, Values::Uniform(0.0, 1.0))
                .differentiable(&[])
        };
        SHAPES.into_iter().map(case).collect()
    }
}
