//! Multiplying and scaling. Adding and copying, which the tape itself needs, are the tape's.

use std::any::Any;

use super::{Sigmoid, SigmoidMask, inputs, odd_cases, parallel, same};
use crate::{
    error::Result,
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Fused, Gradient, Io, Op, Real, Trusted},
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

impl Op for Multiply {
    const NAME: &'static str = "multiply";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b] = inputs(Self::NAME, given)?;
        same(Self::NAME, a, b)?;
        Ok(a)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let upstream = at.upstream();
        for (input, other) in [(0, at.input(1)), (1, at.input(0))] {
            if at.wants(input) {
                let gradient = at.push(Multiply, &[upstream, other])?;
                at.set(input, gradient);
            }
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        parallel::map2(io.output, io.inputs[0], io.inputs[1], |a, b| a * b);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("elementwise/multiply")).into()
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        producer.downcast_ref::<Sigmoid>()?;
        Some(SigmoidMask::fused(input))
    }

    fn cases() -> Vec<Case> {
        let mut cases = odd_cases(&Multiply, 2);
        // the two ways a mask is used: with and without gradient into what is masked
        let shape = Shape::from([2, 1, 33, 21]);
        cases.push(Case::new(Class::Elementwise, Multiply, [shape; 2]).differentiable(&[0]));
        cases
    }
}

impl Op for Scale {
    const NAME: &'static str = "scale";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a] = inputs(Self::NAME, given)?;
        Ok(a)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let gradient = at.push(self.clone(), &[at.upstream()])?;
        at.set(0, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let factor = T::of(f64::from(self.factor));
        parallel::map(io.output, io.inputs[0], |a| factor * a);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("elementwise/scale"))
            .param_f32(self.factor)
            .into()
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Scale { factor: -0.75 }, 1)
    }
}
