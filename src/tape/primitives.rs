//! The two operations that the tape itself records: sums of gradients, and copies into flat buffers.

use super::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted, inputs, parallel, same};
use crate::{
    error::Result,
    kernel::{Kernels, at_once},
    shader,
    shape::Shape,
};

/// `a + b`. `[…], […] → […]`
#[derive(Debug, Clone)]
pub struct Add;

/// `a`, in memory of its own. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Copy;

/// Cases of `arity` equal shapes, odd ones among them.
pub(crate) fn odd_cases<O: Op + Clone>(op: &O, arity: usize) -> Vec<Case> {
    [
        Shape::from([3, 5, 7, 11]),
        Shape::from([1]),
        Shape::from([13, 77]),
        Shape::from([3, 7, 4]),
        Shape::from([2, 3, 65, 37]),
    ]
    .into_iter()
    .map(|shape| Case::new(Class::Elementwise, op.clone(), vec![shape; arity]))
    .collect()
}

impl Op for Add {
    const NAME: &'static str = "add";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b] = inputs(Self::NAME, given)?;
        same(Self::NAME, a, b)?;
        Ok(a)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.set(0, at.upstream());
        at.set(1, at.upstream());
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        parallel::map2(io.output, io.inputs[0], io.inputs[1], |a, b| a + b);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat_by(shader!("elementwise/add"), at_once(&[io.output.len()]))
            .into()
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Add, 2)
    }

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|&half| half)
    }
}

impl Op for Copy {
    const NAME: &'static str = "copy";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a] = inputs(Self::NAME, given)?;
        Ok(a)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.set(0, at.upstream());
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        io.output.copy_from_slice(io.inputs[0]);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("elementwise/scale")).param_f32(1.0).into()
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Copy, 1)
    }
}
