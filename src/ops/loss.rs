//! L1 and mean squared error.

use super::{inputs, parallel, reduce::Reduction, same};
use crate::{
    error::Result,
    kernel::{Binding, Dispatch, Kernels, Slot, flat_grid},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Values},
};

/// Which error a [`LossGradient`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// `|a − b|`.
    Absolute,
    /// `(a − b)²`.
    Squared,
}

/// `mean |a − b|`. `[…], […] → scalar`
#[derive(Debug, Clone)]
pub struct L1Loss;

/// `mean (a − b)²`. `[…], […] → scalar`
#[derive(Debug, Clone)]
pub struct MseLoss;

/// A loss's gradient in `a`: `g · sign(a − b) / len` or `g · 2 (a − b) / len`.
/// `a […], b […], g scalar → […]`
#[derive(Debug, Clone)]
pub struct LossGradient {
    /// The error that was averaged.
    pub loss: Loss,
}

impl Loss {
    fn gradient(self, at: &mut Gradient<'_>) -> Result<()> {
        let gradient = at.push(
            LossGradient { loss: self },
            &[at.input(0), at.input(1), at.upstream()],
        )?;
        at.set(0, gradient);
        if at.wants(1) {
            let negative = at.push(super::Scale { factor: -1.0 }, &[gradient])?;
            at.set(1, negative);
        }
        Ok(())
    }

    fn shape(self, name: &'static str, given: &[Shape]) -> Result<Shape> {
        let [a, b] = inputs(name, given)?;
        same(name, a, b)?;
        Ok(Shape::SCALAR)
    }

    fn cpu<T: Real>(self, io: Cpu<'_, T>) {
        let [a, b, ..] = io.inputs;
        let sum = parallel::sum(a.len(), |range| {
            parallel::sum_pairs(&a[range.clone()], &b[range], |a, b| self.of(a - b))
        });
        io.output[0] = sum / T::of(a.len() as f64);
    }

    fn of<T: Real>(self, error: T) -> T {
        match self {
            Loss::Absolute => error.abs(),
            Loss::Squared => error * error,
        }
    }

    fn gpu(self, io: &Io<'_>) -> Kernels {
        let value = match self {
            Loss::Absolute => "ABSOLUTE_ERROR",
            Loss::Squared => "SQUARED_ERROR",
        };
        let scale = 1.0 / io.inputs[0].len() as f32;
        Reduction {
            value,
            inputs: &[0, 1],
            scale,
            pairs: false,
        }
        .kernels(io, None)
    }

    /// `a` above 0, `b` below: the kink of |a − b| is not met.
    fn cases<O: Op + Clone>(op: &O) -> Vec<Case> {
        [
            Shape::from([3, 5, 7, 11]),
            Shape::from([1, 3]),
            Shape::from([2, 1, 129, 65]),
        ]
        .into_iter()
        .map(|shape| {
            Case::new(Class::Reduction, op.clone(), [shape; 2])
                .fill(0, Values::AwayFromZero)
                .fill(1, Values::Uniform(-0.05, 0.05))
        })
        .collect()
    }
}

macro_rules! loss {
    ($op:ident, $name:literal, $loss:expr) => {
        impl Op for $op {
            const NAME: &'static str = $name;

            fn shape(&self, given: &[Shape]) -> Result<Shape> {
                $loss.shape(Self::NAME, given)
            }

            fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
                $loss.gradient(at)
            }

            fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
                $loss.cpu(io);
            }

            fn gpu(&self, io: &Io<'_>) -> Kernels {
                $loss.gpu(io)
            }

            fn cases() -> Vec<Case> {
                Loss::cases(&$op)
            }
        }
    };
}

loss!(L1Loss, "l1_loss", Loss::Absolute);
loss!(MseLoss, "mse_loss", Loss::Squared);

impl Op for LossGradient {
    const NAME: &'static str = "loss_gradient";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b, upstream] = inputs(Self::NAME, given)?;
        same(Self::NAME, a, b)?;
        same(Self::NAME, upstream, Shape::SCALAR)?;
        Ok(a)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [a, b, upstream, ..] = io.inputs;
        let factor = upstream[0] / T::of(a.len() as f64);
        let two = T::of(2.0);
        match self.loss {
            // as PyTorch: 0 where a = b, not the sign of zero
            Loss::Absolute => parallel::map2(io.output, a, b, |a, b| match a.partial_cmp(&b) {
                Some(std::cmp::Ordering::Greater) => factor,
                Some(std::cmp::Ordering::Less) => -factor,
                _ => (a - b) * factor, // 0, or NaN
            }),
            Loss::Squared => parallel::map2(io.output, a, b, |a, b| two * factor * (a - b)),
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let len = io.output.len();
        let mut bindings: Vec<Binding> = (0..3).map(|i| Binding::Read(Slot::Input(i))).collect();
        bindings.push(Binding::Write(Slot::Output));
        let dispatch = Dispatch::new(shader!("loss/gradient"), bindings, flat_grid(len)).params([len]);
        match self.loss {
            Loss::Absolute => dispatch.define("ABSOLUTE", "").into(),
            Loss::Squared => dispatch.into(),
        }
    }

    fn cases() -> Vec<Case> {
        let case = |loss, shape: Shape| {
            Case::new(
                Class::Elementwise,
                LossGradient { loss },
                [shape, shape, Shape::SCALAR],
            )
            .differentiable(&[])
        };
        let shapes = [Shape::from([3, 5, 7, 11]), Shape::from([5, 3])];
        shapes
            .into_iter()
            .flat_map(|s| [case(Loss::Absolute, s), case(Loss::Squared, s)])
            .collect()
    }
}
