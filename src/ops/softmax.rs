//! Softmax over channels: shares of one whole, as the masks of several sources of a mix.

use std::any::Any;

use rayon::prelude::*;

use super::{MultiplyChannels, channels, fusion::fused, inputs, same};
use crate::{
    error::Result,
    kernel::{Dispatch, Kernels, Shader, Slot, at_once, flat_grid},
    shader,
    shape::{Channels, Shape},
    tape::{Case, Class, Cpu, Fused, Gradient, Io, Op, Real, Trusted, Values},
};

/// `exp(x_c) / Σ_k exp(x_k)` over the channels of each place: numbers in [0, 1] that add up to one.
/// `[N, C, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct ChannelSoftmax;

/// The gradient of [`ChannelSoftmax`] from its output `y`: `y_c (dy_c − Σ_k y_k dy_k)`.
/// `y [N, C, …], dy [N, C, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct ChannelSoftmaxGradient;

/// [`ChannelSoftmaxGradient`] of masks that are laid on `a`, the mix: of `a · dy`.
/// `y [N, C, …], dy [N, C, …], a [N, 1, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct ChannelSoftmaxMaskGradient;

/// Places that the processor takes at once: what it keeps of them, and all channels of them, stay in its first cache.
const BLOCK: usize = 512;

/// Calls `body(start of an item, its output, places)` for blocks of places, items in parallel.
fn by_blocks<T: Real>(
    out: &mut [T],
    Channels { channels, inner, .. }: Channels,
    body: impl Fn(usize, &mut [T], std::ops::Range<usize>) + Sync,
) {
    let item = channels * inner;
    out.par_chunks_exact_mut(item).enumerate().for_each(|(n, out)| {
        for start in (0..inner).step_by(BLOCK) {
            body(n * item, out, start..inner.min(start + BLOCK));
        }
    });
}

/// `out = y (dy − Σ y dy)` of each place, where `dy` is what comes from above times the only channel of `a`, if there is one.
fn gradient<T: Real>(io: Cpu<'_, T>, upstream: impl Fn(T, T) -> T + Sync) {
    let sizes = io.shape(0).channels();
    let ([y, dy, a, ..], inner) = (io.inputs, sizes.inner);
    // without one it is not read
    let a = if a.is_empty() { y } else { a };
    by_blocks(io.output, sizes, |item, out, places| {
        let mut mean = [T::zero(); BLOCK];
        let a = &a[item / sizes.channels..][places.clone()];
        let of = |c: usize| {
            let at = item + c * inner + places.start..item + c * inner + places.end;
            let dy = dy[at.clone()].iter().zip(a).map(|(&dy, &a)| upstream(dy, a));
            y[at].iter().zip(dy)
        };
        for c in 0..sizes.channels {
            mean.iter_mut()
                .zip(of(c))
                .for_each(|(mean, (&y, dy))| *mean += y * dy);
        }
        for c in 0..sizes.channels {
            let out = out[c * inner..][places.clone()].iter_mut();
            out.zip(of(c))
                .zip(&mean)
                .for_each(|((out, (&y, dy)), &mean)| *out = y * (dy - mean));
        }
    });
}

/// One invocation takes all channels of a place.
fn by_places(io: &Io<'_>, shader: Shader) -> Dispatch {
    let Channels {
        batch,
        channels,
        inner,
    } = io.output.channels();
    let each = at_once(&[inner]);
    let places = batch * inner / each;
    Dispatch::new(shader, io.bindings(Slot::Output), flat_grid(places))
        .elements(each)
        .params([places, channels, inner / each])
}

/// Odd sizes, one place, one of fours, and more than one block.
fn shapes() -> [Shape; 5] {
    [
        Shape::from([2, 5, 7, 3]),
        Shape::from([3, 4]),
        Shape::from([1, 3, 33, 21]),
        Shape::from([3, 2, 1, 8]),
        Shape::from([1, 5, 9, 60]),
    ]
}

impl Op for ChannelSoftmax {
    const NAME: &'static str = "channel_softmax";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        channels(Self::NAME, x)?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, ChannelSoftmaxGradient, &[at.output(), at.upstream()])
    }

    /// The greatest is taken off first: no exponential is more than one.
    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let sizes = io.shape(0).channels();
        let (x, inner) = (io.inputs[0], sizes.inner);
        by_blocks(io.output, sizes, |item, out, places| {
            let (mut greatest, mut sum) = ([T::neg_infinity(); BLOCK], [T::zero(); BLOCK]);
            let x = |c: usize| &x[item + c * inner..][places.clone()];
            for c in 0..sizes.channels {
                let each = greatest.iter_mut().zip(x(c));
                each.for_each(|(greatest, &x)| *greatest = if x > *greatest { x } else { *greatest });
            }
            for c in 0..sizes.channels {
                let out = &mut out[c * inner..][places.clone()];
                let each = out.iter_mut().zip(x(c)).zip(&greatest).zip(&mut sum);
                each.for_each(|(((out, &x), &greatest), sum)| {
                    *out = (x - greatest).exp();
                    *sum += *out;
                });
            }
            for c in 0..sizes.channels {
                let out = &mut out[c * inner..][places.clone()];
                out.iter_mut().zip(&sum).for_each(|(out, &sum)| *out /= sum);
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_places(io, shader!("softmax/softmax")).into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape| Case::new(Class::Elementwise, ChannelSoftmax, [shape]);
        let mut cases = shapes().map(case).to_vec();
        // the only channel is all there is
        cases.push(case(Shape::from([2, 1, 3, 5])).differentiable(&[]));
        // exponentials that 32 bits do not hold, below and above
        for (low, high) in [(-300.0, 300.0), (-1100.0, -1000.0), (1000.0, 1100.0)] {
            let far = case(Shape::from([2, 5, 3, 7])).fill(0, Values::Uniform(low, high));
            cases.push(far.differentiable(&[]));
        }
        cases
    }
}

impl Op for ChannelSoftmaxGradient {
    const NAME: &'static str = "channel_softmax_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [y, dy] = inputs(Self::NAME, given)?;
        same(Self::NAME, y, dy)?;
        channels(Self::NAME, y)?;
        Ok(y)
    }

    fn absorb(&self, input: usize, producer: &dyn Any) -> Option<Fused> {
        fused(self, input, producer)
    }

    /// Linear in `dy`, and of itself the transpose. In `y` it is not: no second derivative.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(0) {
            return at.none();
        }
        at.give(1, ChannelSoftmaxGradient, &[at.input(0), at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        gradient(io, |dy, _| dy);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_places(io, shader!("softmax/gradient")).into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape| {
            Case::new(Class::Elementwise, ChannelSoftmaxGradient, [shape; 2])
                .fill(0, Values::Uniform(0.0, 1.0))
                .differentiable(&[1])
        };
        shapes().map(case).to_vec()
    }
}

impl Op for ChannelSoftmaxMaskGradient {
    const NAME: &'static str = "channel_softmax_mask_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [y, dy, a] = inputs(Self::NAME, given)?;
        ChannelSoftmaxGradient.shape(&[y, dy])?;
        MultiplyChannels.shape(&[dy, a])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        gradient(io, |dy, a| dy * a);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_places(io, shader!("softmax/gradient"))
            .define("MASK", "")
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |[n, c, f, t]: [usize; 4]| {
            let shapes = [c, c, 1].map(|c| Shape::from([n, c, f, t]));
            Case::new(Class::Elementwise, ChannelSoftmaxMaskGradient, shapes)
                .fill(0, Values::Uniform(0.0, 1.0))
                .differentiable(&[])
        };
        [[2, 5, 7, 3], [3, 2, 1, 8], [2, 5, 9, 60]].map(case).to_vec()
    }
}
