//! Concatenating, cutting, masking and summing channels.

use rayon::prelude::*;

use super::{channels, inputs, parallel, reduce::Reduction};
use crate::{
    error::{Error, Result},
    kernel::{Kernels, at_once},
    shader,
    shape::{Channels, Shape},
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted},
};

/// The channels of `a`, then those of `b`. `[N, A, …], [N, B, …] → [N, A + B, …]`
#[derive(Debug, Clone)]
pub struct ConcatChannels;

/// Channels `start .. start + count`. `[N, C, …] → [N, count, …]`
#[derive(Debug, Clone)]
pub struct SliceChannels {
    /// First channel of the slice.
    pub start: usize,
    /// Channels of the slice.
    pub count: usize,
}

/// Zero channels before and after; the gradient of a slice. `[N, C, …] → [N, before + C + after, …]`
#[derive(Debug, Clone)]
pub struct PadChannels {
    /// Zero channels in front.
    pub before: usize,
    /// Zero channels behind.
    pub after: usize,
}

/// Zeroes all channels but `start .. start + count`: Conditioning1D on `[N, C]`, Conditioning3D on
/// `[N, C, H, W]`. `[N, C, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct ChannelMask {
    /// First channel that is kept.
    pub start: usize,
    /// Channels that are kept.
    pub count: usize,
}

/// Every channel of `x` times the only one of `a`, element by element: masks of one spectrogram, or numbers times one of
/// their item. The second has no gradient. `x [N, C, …], a [N, 1, …] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct MultiplyChannels;

/// The sum over everything but the channels: a bias's gradient. `[N, C, …] → [C]`
#[derive(Debug, Clone)]
pub struct ChannelSum;

/// What a slice, a pad and a mask do: output channel `c` is input channel `c + skip`, less the number of output channels,
/// where `low ≤ c < high`, else 0.
struct Window {
    skip: usize,
    low: usize,
    high: usize,
}

impl Window {
    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (from, to) = (io.shape(0).channels(), io.shapes.output.channels());
        for (i, row) in io.output.chunks_exact_mut(to.inner).enumerate() {
            let (n, c) = (i / to.channels, i % to.channels);
            if (self.low..self.high).contains(&c) {
                let source = n * from.channels + c + self.skip - to.channels;
                row.copy_from_slice(&io.inputs[0][source * to.inner..][..to.inner]);
            } else {
                row.fill(T::zero());
            }
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let (from, to, inner) = (io.inputs[0][1], io.output[1], io.output.channels().inner);
        let each = at_once(&[inner]);
        io.flat_by(shader!("channels/window"), each)
            .params([inner / each, from, to, self.skip, self.low, self.high])
            .into()
    }
}

/// The operations that are a [`Window`].
macro_rules! windowed {
    () => {
        fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
            self.window(&io.shapes).cpu(io);
        }

        fn gpu(&self, io: &Io<'_>) -> Kernels {
            self.window(io).gpu(io)
        }

        fn may_narrow(&self, inputs: &[bool]) -> bool {
            inputs[0]
        }
    };
}

impl SliceChannels {
    fn window(&self, io: &Io<'_>) -> Window {
        let high = io.output[1];
        let skip = high + self.start;
        Window { skip, low: 0, high }
    }
}

impl PadChannels {
    fn window(&self, io: &Io<'_>) -> Window {
        let (low, high) = (self.before, self.before + io.inputs[0][1]);
        let skip = io.output[1] - self.before;
        Window { skip, low, high }
    }
}

impl ChannelMask {
    fn window(&self, io: &Io<'_>) -> Window {
        let (low, high) = (self.start, self.start + self.count);
        let skip = io.output[1];
        Window { skip, low, high }
    }
}

impl Op for ConcatChannels {
    const NAME: &'static str = "concat_channels";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b] = inputs(Self::NAME, given)?;
        let (ca, cb) = (channels(Self::NAME, a)?, channels(Self::NAME, b)?);
        if a.rank() != b.rank() || a.with_channels(1) != b.with_channels(1) {
            return Err(Error::shape(
                Self::NAME,
                format!("[{a}] and [{b}] may differ in channels only"),
            ));
        }
        Ok(a.with_channels(ca.channels + cb.channels))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (a, b) = (at.shape(at.input(0))?[1], at.shape(at.input(1))?[1]);
        for (input, start, count) in [(0, 0, a), (1, a, b)] {
            at.give(input, SliceChannels { start, count }, &[at.upstream()])?;
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [a, b, ..] = io.inputs;
        let (a_len, b_len) = (a.len() / io.shape(0)[0], b.len() / io.shape(1)[0]);
        for (n, out) in io.output.chunks_exact_mut(a_len + b_len).enumerate() {
            out[..a_len].copy_from_slice(&a[n * a_len..][..a_len]);
            out[a_len..].copy_from_slice(&b[n * b_len..][..b_len]);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let [a, b] = [0, 1].map(|i| io.inputs[i].len() / io.inputs[i][0]);
        let each = at_once(&[a, b]);
        io.flat_by(shader!("channels/concat"), each)
            .params([a / each, b / each])
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |a: [usize; 4], b: [usize; 4]| Case::new(Class::Elementwise, ConcatChannels, [a, b]);
        let flat = Case::new(Class::Elementwise, ConcatChannels, [[5, 3], [5, 7]]);
        vec![
            case([2, 3, 5, 7], [2, 4, 5, 7]),
            case([3, 1, 9, 3], [3, 16, 9, 3]),
            case([3, 1, 9, 4], [3, 6, 9, 4]),
            flat,
        ]
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|&half| half)
    }
}

impl Op for SliceChannels {
    const NAME: &'static str = "slice_channels";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        let there = channels(Self::NAME, x)?.channels;
        let end = self.start.saturating_add(self.count);
        if end > there {
            let message = format!("channels {}..{end} of [{x}] are not there", self.start);
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(x.with_channels(self.count))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let before = self.start;
        let after = at.shape(at.input(0))?[1] - before - self.count;
        at.give(0, PadChannels { before, after }, &[at.upstream()])
    }

    windowed!();

    fn cases() -> Vec<Case> {
        let case = |start, count, shape: [usize; 4]| {
            Case::new(Class::Elementwise, SliceChannels { start, count }, [shape])
        };
        let flat = Case::new(Class::Elementwise, SliceChannels { start: 2, count: 3 }, [[5, 7]]);
        vec![
            case(1, 3, [2, 5, 3, 7]),
            case(0, 1, [3, 9, 5, 1]),
            case(2, 4, [3, 7, 3, 4]),
            flat,
        ]
    }
}

impl Op for PadChannels {
    const NAME: &'static str = "pad_channels";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        let there = channels(Self::NAME, x)?.channels;
        Ok(x.with_channels(self.before.saturating_add(there).saturating_add(self.after)))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (start, count) = (self.before, at.shape(at.input(0))?[1]);
        at.give(0, SliceChannels { start, count }, &[at.upstream()])
    }

    windowed!();

    fn cases() -> Vec<Case> {
        let case = |before, after, shape: [usize; 4]| {
            Case::new(Class::Elementwise, PadChannels { before, after }, [shape])
        };
        vec![
            case(1, 3, [2, 5, 3, 7]),
            case(0, 2, [3, 1, 5, 1]),
            case(3, 0, [1, 3, 33, 5]),
            case(1, 2, [3, 5, 4, 3]),
        ]
    }
}

impl Op for ChannelMask {
    const NAME: &'static str = "channel_mask";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let ChannelMask { start, count } = *self;
        SliceChannels { start, count }.shape(given)?;
        Ok(given[0])
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, self.clone(), &[at.upstream()])
    }

    windowed!();

    fn cases() -> Vec<Case> {
        let three = Case::new(
            Class::Elementwise,
            ChannelMask { start: 3, count: 3 },
            [[2, 9, 5, 3]],
        );
        let one = Case::new(Class::Elementwise, ChannelMask { start: 5, count: 5 }, [[3, 25]]);
        vec![three, one]
    }
}

impl Op for MultiplyChannels {
    const NAME: &'static str = "multiply_channels";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, a] = inputs(Self::NAME, given)?;
        let (of, one) = (channels(Self::NAME, x)?, channels(Self::NAME, a)?);
        match (one.batch, one.channels, one.inner) == (of.batch, 1, of.inner) {
            true => Ok(x),
            false => Err(Error::shape(
                Self::NAME,
                format!("needs one channel of the others' size, but was given [{a}] for [{x}]"),
            )),
        }
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(1) {
            return at.none();
        }
        at.give(0, MultiplyChannels, &[at.upstream(), at.input(1)])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Channels { channels, inner, .. } = io.shape(0).channels();
        let [x, a, ..] = io.inputs;
        if inner == 1 {
            let rows = io
                .output
                .par_chunks_exact_mut(channels)
                .zip(x.par_chunks_exact(channels));
            rows.zip(a).for_each(|((out, x), &a)| {
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = x * a);
            });
            return;
        }
        io.output
            .par_chunks_exact_mut(inner)
            .enumerate()
            .for_each(|(row, out)| {
                let (x, a) = (&x[row * inner..][..inner], &a[row / channels * inner..][..inner]);
                let each = out.iter_mut().zip(x).zip(a);
                each.for_each(|((out, &x), &a)| *out = x * a);
            });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let Channels { channels, inner, .. } = io.output.channels();
        let each = at_once(&[inner]);
        io.flat_by(shader!("channels/multiply"), each)
            .params([channels, inner / each])
            .into()
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn cases() -> Vec<Case> {
        let case = |n, c, inner: [usize; 2]| {
            let shapes = [c, 1].map(|c| Shape::from([n, c, inner[0], inner[1]]));
            Case::new(Class::Elementwise, MultiplyChannels, shapes).differentiable(&[0])
        };
        // a number an item
        let flat = Case::new(Class::Elementwise, MultiplyChannels, [[5, 33], [5, 1]]).differentiable(&[0]);
        vec![case(2, 5, [7, 3]), case(3, 1, [5, 1]), case(1, 3, [33, 4]), flat]
    }
}

impl Op for ChannelSum {
    const NAME: &'static str = "channel_sum";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        Ok(Shape::from([channels(Self::NAME, x)?.channels]))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Channels {
            batch,
            channels,
            inner,
        } = io.shape(0).channels();
        let x = io.inputs[0];
        super::parallel_channels(io.output, batch * inner, |c| {
            (0..batch)
                .map(|n| parallel::sum_slice(&x[(n * channels + c) * inner..][..inner], |v| v))
                .sum()
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        Reduction::of("SUM", &[0]).kernels(io, Some(io.inputs[0].channels()))
    }

    fn cases() -> Vec<Case> {
        [
            Shape::from([3, 5, 7, 11]),
            Shape::from([2, 3, 65, 129]),
            Shape::from([2, 3, 65, 132]),
            Shape::from([7, 13]),
            Shape::from([1, 1, 1, 3]),
        ]
        .into_iter()
        .map(|shape| Case::new(Class::Reduction, ChannelSum, [shape]).differentiable(&[]))
        .collect()
    }
}
