//! Sums of everything, and the two-pass reduction that all sums on the GPU share.

use super::{inputs, parallel};
use crate::{
    error::Result,
    kernel::{Binding, Dispatch, Kernels, Slot, at_once, flat_grid, fold},
    shader,
    shape::{Channels, Shape},
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted},
};

/// `Σ x`. `[…] → scalar`
#[derive(Debug, Clone)]
pub struct Sum;

/// The average of all elements. `[…] → scalar`
#[derive(Debug, Clone)]
pub struct Mean;

/// `Σ x²`: the square of a gradient's norm. `[…] → scalar`
#[derive(Debug, Clone)]
pub struct SquaredNorm;

/// The number of elements that are infinite or no number. `[…] → scalar`
#[derive(Debug, Clone)]
pub struct NotFinite;

/// `factor · s` everywhere: the gradient of sum and mean. `scalar → shape`
#[derive(Debug, Clone)]
pub struct Spread {
    /// Shape of the output.
    pub shape: Shape,
    /// 1 for a sum, `1 / len` for a mean.
    pub factor: f32,
}

/// A sum per channel over batch and inner elements: workgroups write partial sums of slices, a second
/// pass adds them in a fixed order.
pub(super) struct Reduction<'a> {
    /// The definition that selects the summand in `reduce/partial.wgsl`.
    pub value: &'static str,
    /// The operation's inputs that the summand reads, in the shader's order.
    pub inputs: &'a [usize],
    pub scale: f32,
    /// Two sums at once, to `out[c]` and `out[channels + c]`.
    pub pairs: bool,
}

/// Elements that a workgroup sums before it pays to have another.
const SLICE: usize = 8192;
const MOST_SLICES: usize = 64;

/// How many slices to cut a channel of `len` elements into.
pub(super) fn slices(len: usize) -> usize {
    len.div_ceil(SLICE).clamp(1, MOST_SLICES)
}

impl<'a> Reduction<'a> {
    /// One sum, as it is.
    pub fn of(value: &'static str, inputs: &'a [usize]) -> Self {
        Reduction {
            value,
            inputs,
            scale: 1.0,
            pairs: false,
        }
    }

    /// Over a tensor seen as `[batch, channels, inner]`; `None` is one channel of everything.
    pub fn kernels(&self, io: &Io<'_>, channels: Option<Channels>) -> Kernels {
        let everything = Channels {
            batch: 1,
            channels: 1,
            inner: io.inputs[self.inputs[0]].len(),
        };
        let Channels {
            batch,
            channels,
            inner,
        } = channels.unwrap_or(everything);
        let slices = slices(batch * inner);
        let each = at_once(&[inner]);
        let inputs = self.inputs.iter().map(|&i| Binding::Read(Slot::Input(i)));
        let bindings: Vec<_> = inputs.chain([Binding::Write(Slot::Scratch(0))]).collect();
        let mut partial = Dispatch::new(shader!("reduce/partial"), bindings, fold(channels * slices))
            .define(self.value, "")
            .define("OUT", self.inputs.len())
            .define("PARAMS", self.inputs.len() + 1)
            .elements(each)
            .params([batch, channels, inner / each, slices]);
        if self.inputs.len() > 1 {
            partial = partial.define("PAIRED", "");
        }
        let merge = Dispatch::new(
            shader!("reduce/merge"),
            [Binding::Read(Slot::Scratch(0)), Binding::Write(Slot::Output)],
            flat_grid(channels),
        )
        .params([channels, slices, usize::from(self.pairs)])
        .param_f32(self.scale);
        Kernels {
            dispatches: vec![partial, merge],
            scratch: vec![2 * channels * slices],
        }
    }
}

/// Adds slices of partial sums, in order, to the output.
pub(super) fn sum_slices(len: usize, slices: usize, partials: Slot) -> Dispatch {
    let bindings = [Binding::Read(partials), Binding::Write(Slot::Output)];
    Dispatch::new(shader!("reduce/rows"), bindings, flat_grid(len)).params([len, slices])
}

/// The dispatches of a result of `len` elements that is a sum in slices: what goes `before`; the one that writes the
/// slices, or the result where there is but one; and then their sum.
pub(super) fn in_slices(
    before: Kernels,
    len: usize,
    slices: usize,
    dispatch: impl FnOnce(Slot) -> Dispatch,
) -> Kernels {
    let mut kernels = before;
    if slices == 1 {
        kernels.dispatches.push(dispatch(Slot::Output));
        return kernels;
    }
    let partials = Slot::Scratch(kernels.scratch.len());
    kernels.scratch.push(slices * len);
    kernels
        .dispatches
        .extend([dispatch(partials), sum_slices(len, slices, partials)]);
    kernels
}

fn cases_of<O: Op + Clone>(op: &O) -> Vec<Case> {
    [
        Shape::from([3, 5, 7, 11]),
        Shape::from([1]),
        Shape::from([3, 70_001]),
        Shape::from([3, 70_004]),
    ]
    .into_iter()
    .map(|shape| {
        Case::new(Class::Reduction, op.clone(), [shape]).fill(0, crate::tape::Values::Uniform(-0.5, 1.0))
    })
    .collect()
}

fn whole<T: Real>(x: &[T], f: impl Fn(T) -> T + Sync) -> T {
    parallel::sum(x.len(), |range| parallel::sum_slice(&x[range], &f))
}

macro_rules! scalar {
    ($op:ident, $name:literal, $define:literal, $summand:expr, $scale:expr, $gradient:expr, $cases:expr) => {
        impl Op for $op {
            const NAME: &'static str = $name;
            const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

            fn shape(&self, given: &[Shape]) -> Result<Shape> {
                let [_] = inputs(Self::NAME, given)?;
                Ok(Shape::SCALAR)
            }

            fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
                $gradient(at)
            }

            fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
                let scale: f64 = $scale(io.inputs[0].len());
                io.output[0] = whole(io.inputs[0], $summand) * T::of(scale);
            }

            fn gpu(&self, io: &Io<'_>) -> Kernels {
                let scale: f64 = $scale(io.inputs[0].len());
                let sum = Reduction::of($define, &[0]);
                Reduction {
                    scale: scale as f32,
                    ..sum
                }
                .kernels(io, None)
            }

            fn cases() -> Vec<Case> {
                $cases
            }
        }
    };
}

fn spread(at: &mut Gradient<'_>, factor: f32) -> Result<()> {
    let shape = at.shape(at.input(0))?;
    at.give(0, Spread { shape, factor }, &[at.upstream()])
}

scalar!(
    Sum,
    "sum",
    "SUM",
    |v| v,
    |_| 1.0,
    |at: &mut Gradient<'_>| spread(at, 1.0),
    cases_of(&Sum)
);
scalar!(
    Mean,
    "mean",
    "SUM",
    |v| v,
    |len| 1.0 / len as f64,
    |at: &mut Gradient<'_>| {
        let len = at.shape(at.input(0))?.len();
        spread(at, 1.0 / len as f32)
    },
    cases_of(&Mean)
);
scalar!(
    SquaredNorm,
    "squared_norm",
    "SQUARE",
    |v| v * v,
    |_| 1.0,
    |at: &mut Gradient<'_>| {
        let shape = at.shape(at.input(0))?;
        let upstream = at.push(Spread { shape, factor: 2.0 }, &[at.upstream()])?;
        at.give(0, super::Multiply, &[upstream, at.input(0)])
    },
    cases_of(&SquaredNorm)
);

scalar!(
    NotFinite,
    "not_finite",
    "NOT_FINITE",
    |v| if v.is_finite() { T::zero() } else { T::one() },
    |_| 1.0,
    |at: &mut Gradient<'_>| at.none(),
    [(1, 0), (77, 5), (70_004, 1234), (70_001, 1)]
        .map(|(len, every): (usize, usize)| {
            let bad = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
            let value = |i: usize| match every > 0 && i % every == every / 2 {
                true => bad[i % 3],
                false => f32::MAX,
            };
            let values = (0..len).map(value).collect();
            Case::new(Class::Reduction, NotFinite, [Shape::from([len])])
                .fill(0, crate::tape::Values::Exactly(values))
                .differentiable(&[])
        })
        .to_vec()
);

impl Op for Spread {
    const NAME: &'static str = "spread";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        super::same(Self::NAME, x, Shape::SCALAR)?;
        Ok(self.shape)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let sum = at.push(Sum, &[at.upstream()])?;
        at.give(0, super::Scale { factor: self.factor }, &[sum])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        io.output.fill(io.inputs[0][0] * T::of(f64::from(self.factor)));
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("reduce/spread")).param_f32(self.factor).into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape| {
            Case::new(
                Class::Elementwise,
                Spread { shape, factor: 0.375 },
                [Shape::SCALAR],
            )
        };
        vec![
            case(Shape::from([3, 5, 7])),
            case(Shape::from([1])),
            case(Shape::from([2, 3, 65, 37])),
        ]
    }
}
