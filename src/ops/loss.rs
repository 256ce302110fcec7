//! Losses that are means over elements: L1, mean squared error, binary cross entropy.

use super::{inputs, parallel, reduce::Reduction, same};
use crate::{
    error::Result,
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted, Values},
};

/// Which error a [`LossGradient`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// `|a − b|`.
    Absolute,
    /// `(a − b)²`.
    Squared,
    /// `−b ln σ(a) − (1 − b) ln(1 − σ(a))`.
    CrossEntropy,
}

/// `mean |a − b|`. `[…], […] → scalar`
#[derive(Debug, Clone)]
pub struct L1Loss;

/// `mean (a − b)²`. `[…], […] → scalar`
#[derive(Debug, Clone)]
pub struct MseLoss;

/// The mean binary cross entropy of the probabilities `σ(a)` and the targets `b`, 0 to 1. Computed from the
/// logits `a`, so that no probability is rounded to 0 or 1. The targets have no gradient. `[…], […] → scalar`
#[derive(Debug, Clone)]
pub struct BceWithLogitsLoss;

/// A loss's gradient in `a`: `g / len` times `sign(a − b)`, `2 (a − b)` or `σ(a) − b`.
/// `a […], b […], g scalar → […]`
#[derive(Debug, Clone)]
pub struct LossGradient {
    /// The error that was averaged.
    pub loss: Loss,
}

impl Loss {
    fn gradient(self, at: &mut Gradient<'_>) -> Result<()> {
        if self == Loss::CrossEntropy && at.wants(1) {
            return at.none();
        }
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
            parallel::sum_pairs(&a[range.clone()], &b[range], |a, b| self.of(a, b))
        });
        io.output[0] = sum / T::of(a.len() as f64);
    }

    fn of<T: Real>(self, a: T, b: T) -> T {
        match self {
            Loss::Absolute => (a - b).abs(),
            Loss::Squared => (a - b) * (a - b),
            // softplus(a) − ab
            Loss::CrossEntropy => a.max(T::zero()) - a * b + (-a.abs()).exp().ln_1p(),
        }
    }

    fn gpu(self, io: &Io<'_>) -> Kernels {
        let value = match self {
            Loss::Absolute => "ABSOLUTE_ERROR",
            Loss::Squared => "SQUARED_ERROR",
            Loss::CrossEntropy => "CROSS_ENTROPY",
        };
        let scale = 1.0 / io.inputs[0].len() as f32;
        let sum = Reduction::of(value, &[0, 1]);
        Reduction { scale, ..sum }.kernels(io, None)
    }

    fn cases<O: Op + Clone>(self, op: &O) -> Vec<Case> {
        let shapes = [
            Shape::from([3, 5, 7, 11]),
            Shape::from([1, 3]),
            Shape::from([2, 1, 129, 65]),
        ];
        let of = |shape| Case::new(Class::Reduction, op.clone(), [shape; 2]);
        if self == Loss::CrossEntropy {
            let case = |shape| {
                of(shape)
                    .fill(0, Values::Uniform(-6.0, 6.0))
                    .fill(1, Values::Uniform(0.0, 1.0))
                    .differentiable(&[0])
            };
            let mut cases = shapes.map(case).to_vec();
            // where a probability itself would be 0 or 1; right and wrong
            for (low, high, target) in [(-200.0, 200.0, 1.0), (20.0, 60.0, 1.0), (-60.0, -20.0, 0.0)] {
                cases.push(
                    case(Shape::from([3, 41]))
                        .fill(0, Values::Uniform(low, high))
                        .fill(1, Values::Uniform(target, target))
                        .differentiable(&[]),
                );
            }
            return cases;
        }
        // `a` away from 0, `b` near it: the kink of |a − b| is not met
        let case = |shape| {
            of(shape)
                .fill(0, Values::AwayFromZero)
                .fill(1, Values::Uniform(-0.05, 0.05))
        };
        shapes.map(case).to_vec()
    }
}

macro_rules! loss {
    ($op:ident, $name:literal, $loss:expr) => {
        impl Op for $op {
            const NAME: &'static str = $name;
            const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

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
                $loss.cases(&$op)
            }
        }
    };
}

loss!(L1Loss, "l1_loss", Loss::Absolute);
loss!(MseLoss, "mse_loss", Loss::Squared);
loss!(BceWithLogitsLoss, "bce_with_logits_loss", Loss::CrossEntropy);

impl Op for LossGradient {
    const NAME: &'static str = "loss_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b, upstream] = inputs(Self::NAME, given)?;
        same(Self::NAME, a, b)?;
        same(Self::NAME, upstream, Shape::SCALAR)?;
        Ok(a)
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
            // (1 − b) σ(a) − b σ(−a), where nothing cancels
            Loss::CrossEntropy => parallel::map2(io.output, a, b, |a, b| {
                let (one, small) = (T::one(), (-a.abs()).exp());
                let (up, down) = if a > T::zero() { (one, small) } else { (small, one) };
                factor * ((one - b) * up - b * down) / (one + small)
            }),
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let dispatch = io.flat(shader!("loss/gradient"));
        let derivative = match self.loss {
            Loss::Absolute => "ABSOLUTE",
            Loss::Squared => "SQUARED",
            Loss::CrossEntropy => "CROSS_ENTROPY",
        };
        dispatch.define(derivative, "").into()
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
        let losses = [Loss::Absolute, Loss::Squared, Loss::CrossEntropy];
        let mut cases: Vec<Case> = shapes
            .into_iter()
            .flat_map(|shape| losses.map(|loss| case(loss, shape)))
            .collect();
        for target in [0.0, 1.0] {
            cases.push(
                case(Loss::CrossEntropy, Shape::from([3, 41]))
                    .fill(0, Values::Uniform(-200.0, 200.0))
                    .fill(1, Values::Uniform(target, target)),
            );
        }
        cases
    }
}
