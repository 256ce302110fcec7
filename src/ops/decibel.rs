//! Decibels of a magnitude, and their gradient.

use super::{inputs, parallel, same};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted, Values},
};

/// `20 log₁₀ max(x, floor)`. `[…] → […]`
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

/// An error unless the floor has a logarithm.
fn check(op: &'static str, floor: f32) -> Result<()> {
    match floor > 0.0 && floor.is_finite() {
        true => Ok(()),
        false => Err(Error::shape(op, format!("a floor of {floor}: use one above 0"))),
    }
}

/// On both sides of the floor, which lies where no value does.
fn case<O: Op>(op: O, shapes: &[Shape]) -> Case {
    Case::new(Class::Elementwise, op, shapes.iter().copied()).fill(0, Values::AwayFromZero)
}

const FLOOR: f32 = 0.05;
const SHAPES: [[usize; 4]; 2] = [[2, 3, 5, 7], [1, 5, 33, 21]];

impl Op for Decibel {
    const NAME: &'static str = "decibel";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        check(Self::NAME, self.floor)?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let op = DecibelGradient { floor: self.floor };
        let gradient = at.push(op, &[at.input(0), at.upstream()])?;
        at.set(0, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (floor, scale) = (T::of(f64::from(self.floor)), T::of(20.0));
        parallel::map(io.output, io.inputs[0], |x| scale * x.max(floor).log10());
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("decibel/decibel")).param_f32(self.floor).into()
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = SHAPES
            .into_iter()
            .map(|shape| case(Decibel { floor: FLOOR }, &[shape.into()]))
            .collect();
        // around 1, where decibels are close to 0
        let near = Case::new(Class::Elementwise, Decibel { floor: 1e-5 }, [[3, 41]]);
        cases.push(near.fill(0, Values::Uniform(0.6, 1.2)));
        cases
    }
}

impl Op for DecibelGradient {
    const NAME: &'static str = "decibel_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy] = inputs(Self::NAME, given)?;
        check(Self::NAME, self.floor)?;
        same(Self::NAME, x, dy)?;
        Ok(x)
    }

    /// Linear in `dy`. In `x` it is not: no second derivative of the logarithm.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(0) {
            return at.none();
        }
        let gradient = at.push(self.clone(), &[at.input(0), at.upstream()])?;
        at.set(1, gradient);
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let floor = T::of(f64::from(self.floor));
        let scale = T::of(20.0 / std::f64::consts::LN_10);
        let [x, dy, ..] = io.inputs;
        parallel::map2(io.output, x, dy, |x, dy| {
            if x > floor { scale / x * dy } else { T::zero() }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("decibel/gradient")).param_f32(self.floor).into()
    }

    fn cases() -> Vec<Case> {
        SHAPES
            .into_iter()
            .map(|shape| {
                let op = DecibelGradient { floor: FLOOR };
                case(op, &[shape.into(); 2]).differentiable(&[1])
            })
            .collect()
    }
}
