//! Standardisation: each item of the batch less its mean, over its standard deviation.

use super::{BatchNormSums, BatchStatistics, Reshape, inputs, same};
use crate::{
    error::{Error, Result},
    kernel::{Dispatch, Kernels},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Tape, Trusted, Values, Var, parallel},
};

/// `(x − mean) / (deviation + ε)` of each item, where the deviation is unbiased. An item that is constant becomes
/// zeros. `x [N, …], statistics [2, N] → [N, …]`
///
/// The statistics are those of `x` itself, and the gradient flows through them: [`standardise`] records both.
#[derive(Debug, Clone)]
pub struct Standardise {
    /// ε, added to the deviation.
    pub epsilon: f32,
}

/// The gradient of [`Standardise`] in `x`; finite for a constant item.
/// `x [N, …], dy [N, …], statistics [2, N], sums [2, N] → [N, …]`
///
/// The sums are those of [`BatchNormSums`] with the same ε, an item being a channel.
#[derive(Debug, Clone)]
pub struct StandardiseGradient {
    /// ε of the [`Standardise`].
    pub epsilon: f32,
}

/// Records `(x − mean) / (deviation + ε)` of each item of `x [N, …]`, where the deviation is unbiased.
///
/// # Errors
/// [`Error::Shape`] if an item has fewer than two values.
pub fn standardise(tape: &mut Tape, x: Var, epsilon: f32) -> Result<Var> {
    let channels = items_as_channels(tape.shape(x)?)?;
    let items = tape.push(channels, &[x])?;
    let statistics = tape.push(BatchStatistics, &[items])?;
    tape.push(Standardise { epsilon }, &[x, statistics])
}

/// Items and elements of each.
fn sizes(x: Shape) -> Result<[usize; 2]> {
    match x.dims() {
        [items, inner @ ..] => Ok([*items, inner.iter().product()]),
        [] => Err(Error::shape(
            Standardise::NAME,
            "needs a batch, but was given a scalar",
        )),
    }
}

fn items_as_channels(x: Shape) -> Result<Reshape> {
    let [items, inner] = sizes(x)?;
    let shape = Shape::from([1, items, inner]);
    Ok(Reshape { shape })
}

/// Binds everything, and gives elements, ε and what makes a variance unbiased.
fn dispatch(io: &Io<'_>, shader: crate::kernel::Shader, epsilon: f32) -> Dispatch {
    let inner = io.output.len() / io.output[0];
    io.flat(shader)
        .params([inner])
        .param_f32(epsilon)
        .param_f32(inner as f32 / (inner as f32 - 1.0))
}

/// An item's mean, its unbiased deviation, and that plus ε.
fn moments<T: Real>(statistics: &[T], item: usize, inner: usize, epsilon: f32) -> [T; 3] {
    let count = T::of(inner as f64);
    let variance = statistics[statistics.len() / 2 + item];
    let deviation = (variance * count / (count - T::one())).sqrt();
    [statistics[item], deviation, deviation + T::of(f64::from(epsilon))]
}

impl Op for Standardise {
    const NAME: &'static str = "standardise";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, statistics] = inputs(Self::NAME, given)?;
        let [items, inner] = sizes(x)?;
        if inner < 2 {
            let message = format!("[{x}] has one value an item, and so no deviation");
            return Err(Error::shape(Self::NAME, message));
        }
        same(Self::NAME, statistics, Shape::from([2, items]))?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let Standardise { epsilon } = *self;
        let (x, statistics, dy) = (at.input(0), at.input(1), at.upstream());
        let channels = items_as_channels(at.shape(x)?)?;
        let [items, upstream] = [at.push(channels.clone(), &[x])?, at.push(channels, &[dy])?];
        let sums = at.push(BatchNormSums { epsilon }, &[items, upstream, statistics])?;
        at.give(0, StandardiseGradient { epsilon }, &[x, dy, statistics, sums])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [x, statistics, ..] = io.inputs;
        let inner = x.len() / io.shape(0)[0];
        for (item, out) in io.output.chunks_exact_mut(inner).enumerate() {
            let [mean, _, scale] = moments(statistics, item, inner, self.epsilon);
            parallel::map(out, &x[item * inner..], |x| (x - mean) / scale);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        dispatch(io, shader!("standardise/standardise"), self.epsilon).into()
    }

    fn cases() -> Vec<Case> {
        let given = |shape: Shape| {
            let op = Standardise { epsilon: 1e-5 };
            Case::new(Class::Reduction, op, [shape, Shape::from([2, shape[0]])])
                .fill(1, Values::Uniform(0.1, 1.5))
                .differentiable(&[])
        };
        let whole = |tape: &mut Tape, x: &[Var]| standardise(tape, x[0], 1e-5);
        let own = |shape: Shape| Case::function(Class::Reduction, "standardise of its own", whole, [shape]);
        // not fewer: two values become ±1/√2, whatever they are, and their gradient is what cancels
        let shapes = [[3, 1, 7, 11], [2, 1, 129, 65], [5, 1, 3, 3]].map(Shape::from);
        let mut cases: Vec<Case> = shapes
            .into_iter()
            .flat_map(|shape| [given(shape), own(shape)])
            .collect();
        // far from 0, as decibels are
        cases.push(own(Shape::from([3, 1, 65, 37])).fill(0, Values::Uniform(-101.0, -99.0)));
        // silence: zeros forward, and backward nothing that is not finite
        let silence = Values::Uniform(-100.0, -100.0);
        cases.push(
            own(Shape::from([2, 1, 31, 333]))
                .fill(0, silence)
                .differentiable(&[]),
        );
        cases
    }
}

impl Op for StandardiseGradient {
    const NAME: &'static str = "standardise_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy, statistics, sums] = inputs(Self::NAME, given)?;
        same(Self::NAME, x, dy)?;
        same(Self::NAME, statistics, sums)?;
        same(Self::NAME, statistics, Shape::from([2, sizes(x)?[0]]))?;
        Ok(x)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [x, dy, statistics, sums, ..] = io.inputs;
        let items = io.shape(0)[0];
        let inner = x.len() / items;
        let (count, epsilon) = (T::of(inner as f64), T::of(f64::from(self.epsilon)));
        for (item, out) in io.output.chunks_exact_mut(inner).enumerate() {
            let [mean, deviation, scale] = moments(statistics, item, inner, self.epsilon);
            let product = sums[items + item] * (statistics[items + item] + epsilon).sqrt();
            // a constant item has no deviation and nothing along it
            let along = match deviation > T::zero() {
                true => product / ((count - T::one()) * deviation * scale),
                false => T::zero(),
            };
            let mean_dy = sums[item] / count;
            let start = item * inner;
            parallel::map2(out, &x[start..], &dy[start..], |x, dy| {
                (dy - mean_dy - (x - mean) * along) / scale
            });
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        dispatch(io, shader!("standardise/gradient"), self.epsilon).into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape, statistics| {
            let op = StandardiseGradient { epsilon: 1e-5 };
            let pair = Shape::from([2, shape[0]]);
            Case::new(Class::Reduction, op, [shape, shape, pair, pair])
                .fill(2, statistics)
                .differentiable(&[])
        };
        vec![
            case(Shape::from([3, 1, 7, 11]), Values::Uniform(0.1, 1.5)),
            case(Shape::from([2, 1, 129, 65]), Values::Uniform(0.1, 1.5)),
            // no deviation
            case(Shape::from([3, 5]), Values::Uniform(0.0, 0.0)),
        ]
    }
}
