//! Add, copy, multiply, scale.

use super::{inputs, parallel, same};
use crate::{
    error::Result,
    kernel::{Binding, Dispatch, Kernels, Shader, Slot, flat_grid},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real},
};

/// `a + b`. `[…], […] → […]`
#[derive(Debug, Clone)]
pub struct Add;

/// `a`, in memory of its own. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Copy;

/// `a · b`, element by element: the Hadamard product, as of a mask and a spectrogram. `[…], […] → […]`
#[derive(Debug, Clone)]
pub struct Multiply;

/// `factor · a`. `[…] → […]`
#[derive(Debug, Clone)]
pub struct Scale {
    /// What every element is multiplied by.
    pub factor: f32,
}

/// A kernel with one invocation per element: the inputs, the output, and the length as first parameter.
pub(super) fn flat(shader: Shader, io: &Io<'_>) -> Dispatch {
    let mut bindings: Vec<Binding> = (0..io.inputs.len())
        .map(|i| Binding::Read(Slot::Input(i)))
        .collect();
    bindings.push(Binding::Write(Slot::Output));
    let len = io.output.len();
    Dispatch::new(shader, bindings, flat_grid(len)).params([len])
}

fn odd_cases<O: Op + Clone>(op: &O, arity: usize) -> Vec<Case> {
    [
        Shape::from([3, 5, 7, 11]),
        Shape::from([1]),
        Shape::from([13, 77]),
        Shape::from([2, 3, 65, 37]),
    ]
    .into_iter()
    .map(|shape| Case::new(Class::Elementwise, op.clone(), vec![shape; arity]))
    .collect()
}

impl Op for Add {
    const NAME: &'static str = "add";

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
        flat(shader!("elementwise/add"), io).into()
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Add, 2)
    }
}

impl Op for Copy {
    const NAME: &'static str = "copy";

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
        flat(shader!("elementwise/scale"), io).param_f32(1.0).into()
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Copy, 1)
    }
}

impl Op for Multiply {
    const NAME: &'static str = "multiply";

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
        flat(shader!("elementwise/multiply"), io).into()
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
        flat(shader!("elementwise/scale"), io)
            .param_f32(self.factor)
            .into()
    }

    fn cases() -> Vec<Case> {
        odd_cases(&Scale { factor: -0.75 }, 1)
    }
}
