//! Adding up gradients over several replays.

use rayon::prelude::*;

use super::{inputs, same};
use crate::{
    error::Result,
    kernel::{Binding, Dispatch, Kernels, Slot, flat_grid},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Io, Op, Real, Trusted},
};

/// `sum ← sum + scale · x`, and `sum ← scale · x` where the step begins a new sum
/// ([`StepValues::continues`](crate::kernel::StepValues::continues)). `sum […] (changed), x […]`
#[derive(Debug, Clone)]
pub struct Accumulate {
    /// One over the number of terms, for a mean.
    pub scale: f32,
}

impl Op for Accumulate {
    const NAME: &'static str = "accumulate";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [sum, x] = inputs(Self::NAME, given)?;
        same(Self::NAME, sum, x)?;
        Ok(sum)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        const CHUNK: usize = 1 << 14;
        let scale = T::of(f64::from(self.scale));
        let continues = io.step.continues != 0;
        let [sum, ..] = io.mutated;
        let chunks = sum.par_chunks_mut(CHUNK).zip(io.inputs[1].par_chunks(CHUNK));
        chunks.for_each(|(sum, x)| {
            for (sum, &x) in sum.iter_mut().zip(x) {
                let before = if continues { *sum } else { T::zero() };
                *sum = before + scale * x;
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let len = io.inputs[0].len();
        let bindings = [
            Binding::Write(Slot::Input(0)),
            Binding::Read(Slot::Input(1)),
            Binding::Step,
        ];
        Dispatch::new(shader!("adam/accumulate"), bindings, flat_grid(len))
            .params([len])
            .param_f32(self.scale)
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |len: usize, scale| {
            let vector = Shape::from([len]);
            Case::new(Class::Elementwise, Accumulate { scale }, [vector, vector]).differentiable(&[])
        };
        vec![case(77, 0.25), case(1, 1.0), case(30_011, 1.0 / 3.0)]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}
