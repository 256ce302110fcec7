//! Concatenating, cutting, masking and summing channels.

use super::{channels, inputs, parallel};
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

/// The sum over everything but the channels: a bias's gradient. `[N, C, …] → [C]`
#[derive(Debug, Clone)]
pub struct ChannelSum;

/// Copies channels: output channel `c` is input channel `c + shift` where that lies in `from..to`, else 0.
fn copy_channels<T: Real>(
    out: &mut [T],
    to: Channels,
    x: &[T],
    from: Channels,
    source: impl Fn(usize) -> Option<usize>,
) {
    for n in 0..to.batch {
        for c in 0..to.channels {
            let row = &mut out[(n * to.channels + c) * to.inner..][..to.inner];
            match source(c) {
                Some(source) => {
                    row.copy_from_slice(&x[(n * from.channels + source) * from.inner..][..from.inner])
                }
                None => row.fill(T::zero()),
            }
        }
    }
}

/// The shader that copies input channels `low..high` to `out` channels shifted by `shift`, zero elsewhere.
fn window(io: &Io<'_>, skip: usize, low: usize, high: usize) -> Kernels {
    let (from, inner) = (io.inputs[0][1], io.output.channels().inner);
    let to = io.output[1];
    let each = at_once(&[inner]);
    // output channel c takes input channel c + skip − to, where low ≤ c < high
    io.flat_by(shader!("channels/window"), each)
        .params([inner / each, from, to, skip, low, high])
        .into()
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

    fn halves(&self, inputs: &[bool]) -> bool {
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
        let there = at.shape(at.input(0))?[1];
        let op = PadChannels {
            before: self.start,
            after: there - self.start - self.count,
        };
        at.give(0, op, &[at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (from, to) = (io.shape(0).channels(), io.shapes.output.channels());
        copy_channels(io.output, to, io.inputs[0], from, |c| Some(c + self.start));
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let to = io.output[1];
        window(io, to + self.start, 0, to)
    }

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

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs[0]
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
        let count = at.shape(at.input(0))?[1];
        at.give(
            0,
            SliceChannels {
                start: self.before,
                count,
            },
            &[at.upstream()],
        )
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (from, to) = (io.shape(0).channels(), io.shapes.output.channels());
        copy_channels(io.output, to, io.inputs[0], from, |c| {
            c.checked_sub(self.before).filter(|&c| c < from.channels)
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let (from, to) = (io.inputs[0][1], io.output[1]);
        window(io, to - self.before, self.before, self.before + from)
    }

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

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}

impl Op for ChannelMask {
    const NAME: &'static str = "channel_mask";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        SliceChannels {
            start: self.start,
            count: self.count,
        }
        .shape(given)?;
        Ok(given[0])
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, self.clone(), &[at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let shape = io.shape(0).channels();
        let kept = self.start..self.start + self.count;
        copy_channels(io.output, shape, io.inputs[0], shape, |c| {
            kept.contains(&c).then_some(c)
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        window(io, io.output[1], self.start, self.start + self.count)
    }

    fn cases() -> Vec<Case> {
        let three = Case::new(
            Class::Elementwise,
            ChannelMask { start: 3, count: 3 },
            [[2, 9, 5, 3]],
        );
        let one = Case::new(Class::Elementwise, ChannelMask { start: 5, count: 5 }, [[3, 25]]);
        vec![three, one]
    }

    fn halves(&self, inputs: &[bool]) -> bool {
        inputs[0]
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
        super::reduce::Reduction {
            value: "SUM",
            inputs: &[0],
            scale: 1.0,
            pairs: false,
        }
        .kernels(io, Some(io.inputs[0].channels()))
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
