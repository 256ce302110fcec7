//! The gradient of a leaky ReLU whose output goes two ways, as an encoder's layer goes down and across: two gradients
//! come back and are added. Plans put it in place of two operations; nobody records it, and so it has no gradient.

use super::{LeakyReluGradient, activation, inputs, parallel, same};
use crate::{
    error::Result,
    kernel::{Kernels, at_once},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Fused, Gradient, Io, Op, Operand, Real, Trusted, Values},
};

/// [`LeakyReluGradient`] of the sum of two gradients. `y […], dy […], dz […] → […]`
#[derive(Debug, Clone)]
pub struct LeakyReluGradientOfSum {
    /// What is done with the sum.
    pub activation: LeakyReluGradient,
}

impl LeakyReluGradientOfSum {
    pub(super) fn fused(activation: &LeakyReluGradient) -> Fused {
        let activation = activation.clone();
        let [dy, dz] = [0, 1].map(Operand::Absorbed);
        Fused::new(LeakyReluGradientOfSum { activation }, [Operand::Own(0), dy, dz])
    }
}

impl Op for LeakyReluGradientOfSum {
    const NAME: &'static str = "add + leaky_relu_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [y, dy, dz] = inputs(Self::NAME, given)?;
        same(Self::NAME, y, dy)?;
        same(Self::NAME, dy, dz)?;
        Ok(y)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [y, dy, dz, ..] = io.inputs;
        let gradient = activation::leaky_relu_gradient(self.activation.slope);
        parallel::map3(io.output, [y, dy, dz], |y, dy, dz| gradient(y, dy + dz));
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let shader = shader!("activation/leaky_relu_gradient");
        io.flat_by(shader, at_once(&[io.output.len()]))
            .param_f32(self.activation.slope)
            .define("SUM", "")
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |slope, shape: [usize; 4]| {
            let activation = LeakyReluGradient { slope };
            Case::new(
                Class::Elementwise,
                LeakyReluGradientOfSum { activation },
                [shape; 3],
            )
            .fill(0, Values::AwayFromZero)
            .differentiable(&[])
        };
        [[2, 3, 5, 7], [1, 5, 33, 21], [1, 3, 7, 4]]
            .into_iter()
            .flat_map(|shape| [case(0.2, shape), case(0.0, shape)])
            .collect()
    }

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs.contains(&true)
    }
}
