//! The short-time Fourier transform and its inverse.

mod cpu;
mod gpu;

use super::inputs;
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shape::Shape,
    signal::hann,
    tape::{Case, Class, Cpu, Io, Op, Real, Tape, Trusted, Values, Var},
};

/// What a transform hands on of its complex numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StftOutput {
    /// `|X|`: one channel.
    Magnitude,
    /// Real and imaginary parts: two channels.
    Complex,
}

/// `X[k, t] = Σ window[n] x[t · hop + n − size / 2] exp(-2πi kn / size)` under a periodic Hann window, without
/// scaling; both ends are reflected.
/// `x [B, 1, samples], window [size], circle [size, 2] → [B, 1 or 2, size / 2 + 1, 1 + samples / hop]`
///
/// The constants, which [`stft`] records, are the window and `exp(-2πi k / size)`: sines of a kernel's own would be
/// too coarse. There is no gradient.
#[derive(Debug, Clone)]
pub struct Stft {
    /// Window length in samples: a power of two from 256 to 8192.
    pub size: usize,
    /// Samples from one window to the next, at most half a window.
    pub hop: usize,
    /// Magnitude, or both parts.
    pub output: StftOutput,
}

/// The signal whose complex [`Stft`] is given: each sample is the mean of what the frames say about it, weighted by
/// the squared window. At hops of more than a third of a window the last samples may lie under the foot of one window
/// only, from where no inverse can bring them back: there they fade.
/// `X [B, 2, size / 2 + 1, 1 + samples / hop], window [size], circle [size, 2] → [B, 1, samples]`
///
/// The constants, which [`inverse_stft`] records, are those of [`Stft`]. There is no gradient.
#[derive(Debug, Clone)]
pub struct InverseStft {
    /// Window length in samples: a power of two from 256 to 8192.
    pub size: usize,
    /// Samples from one window to the next, at most half a window.
    pub hop: usize,
    /// Length of the signal, more than half a window.
    pub samples: usize,
}

/// Records an [`Stft`] of `x [B, 1, samples]` and its constants.
///
/// # Errors
/// [`Error::Shape`] if `x` has another shape or is not longer than half a window, or size and hop are not as
/// [`Stft`] needs them.
pub fn stft(tape: &mut Tape, x: Var, size: usize, hop: usize, output: StftOutput) -> Result<Var> {
    let [window, circle] = constants(tape, size)?;
    tape.push(Stft { size, hop, output }, &[x, window, circle])
}

/// Records an [`InverseStft`] of `spectrum [B, 2, size / 2 + 1, 1 + samples / hop]` and its constants.
///
/// # Errors
/// [`Error::Shape`] if a signal of so many samples has another spectrum, or size, hop and samples are not as
/// [`InverseStft`] needs them.
pub fn inverse_stft(tape: &mut Tape, spectrum: Var, size: usize, hop: usize, samples: usize) -> Result<Var> {
    let [window, circle] = constants(tape, size)?;
    tape.push(InverseStft { size, hop, samples }, &[spectrum, window, circle])
}

fn constants(tape: &mut Tape, size: usize) -> Result<[Var; 2]> {
    Ok([
        tape.constant([size], &window(size))?,
        tape.constant([size, 2], &circle(size))?,
    ])
}

fn window(size: usize) -> Vec<f32> {
    (0..size).map(|n| hann(n, size) as f32).collect()
}

/// `exp(-2πi k / size)`.
fn circle(size: usize) -> Vec<f32> {
    let angle = |k| -std::f64::consts::TAU * k as f64 / size as f64;
    let point = |k| [angle(k).cos() as f32, angle(k).sin() as f32];
    (0..size).flat_map(point).collect()
}

/// Bins and frames of a signal, once size and hop are found to fit each other, the signal and the table.
fn geometry(
    op: &'static str,
    size: usize,
    hop: usize,
    samples: usize,
    constants: [Shape; 2],
) -> Result<[usize; 2]> {
    let error = |message| Err(Error::shape(op, message));
    if !size.is_power_of_two() || !(256..=8192).contains(&size) {
        return error(format!(
            "a window of {size} samples: use a power of two from 256 to 8192"
        ));
    }
    if hop == 0 || hop > size / 2 {
        return error(format!(
            "a hop of {hop} samples: use 1 to {}, half a window",
            size / 2
        ));
    }
    if samples <= size / 2 {
        let least = size / 2 + 1;
        return error(format!(
            "{samples} samples are too few to be reflected by half a window of {size}: give {least} at least"
        ));
    }
    super::same(op, constants[0], Shape::from([size]))?;
    super::same(op, constants[1], Shape::from([size, 2]))?;
    Ok([size / 2 + 1, 1 + samples / hop])
}

fn case<O: Op>(op: O, size: usize, input: Shape) -> Case {
    Case::new(
        Class::Reduction,
        op,
        [input, Shape::from([size]), Shape::from([size, 2])],
    )
    .fill(1, Values::Exactly(window(size).into()))
    .fill(2, Values::Exactly(circle(size).into()))
    .differentiable(&[])
}

impl Op for Stft {
    const NAME: &'static str = "stft";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, window, circle] = inputs(Self::NAME, given)?;
        let &[batch, 1, samples] = x.dims() else {
            let message = format!("needs batch × 1 × samples, but was given [{x}]");
            return Err(Error::shape(Self::NAME, message));
        };
        let [bins, frames] = geometry(Self::NAME, self.size, self.hop, samples, [window, circle])?;
        Ok(Shape::from([batch, self.output.channels(), bins, frames]))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        cpu::forward(self, io.shape(0)[2], io.shapes.output[3], io.inputs[0], io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::forward(self, io)
    }

    fn cases() -> Vec<Case> {
        let of = |size, hop, output, [batch, samples]: [usize; 2]| {
            case(Stft { size, hop, output }, size, Shape::from([batch, 1, samples]))
        };
        use StftOutput::{Complex, Magnitude};
        vec![
            of(256, 64, Magnitude, [3, 333]),
            of(256, 77, Complex, [2, 129]),
            of(512, 256, Complex, [3, 1025]),
            of(1024, 300, Magnitude, [1, 2001]),
            of(2048, 512, Magnitude, [2, 2055]),
            of(4096, 1024, Complex, [1, 3001]),
            of(8192, 2048, Complex, [1, 5001]),
        ]
    }
}

impl Op for InverseStft {
    const NAME: &'static str = "inverse_stft";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [spectrum, window, circle] = inputs(Self::NAME, given)?;
        let [batch, channels, bins, frames] = super::image(Self::NAME, spectrum)?;
        let fitting = geometry(Self::NAME, self.size, self.hop, self.samples, [window, circle])?;
        if (channels, [bins, frames]) != (2, fitting) {
            let fitting = Shape::from([batch, 2, fitting[0], fitting[1]]);
            let message = format!("{} samples have [{fitting}], not [{spectrum}]", self.samples);
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(Shape::from([batch, 1, self.samples]))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        cpu::inverse(self, io.shape(0)[3], io.inputs[0], io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::inverse(self, io)
    }

    fn cases() -> Vec<Case> {
        let of = |size, hop, [batch, samples]: [usize; 2]| {
            let op = InverseStft { size, hop, samples };
            let spectrum = Shape::from([batch, 2, size / 2 + 1, 1 + samples / hop]);
            case(op, size, spectrum)
        };
        vec![
            of(256, 64, [3, 333]),
            // the last samples are under the last window's edge only
            of(256, 128, [2, 255]),
            of(512, 77, [2, 1025]),
            of(2048, 512, [2, 2055]),
            of(8192, 2048, [1, 5001]),
        ]
    }
}

impl StftOutput {
    fn channels(self) -> usize {
        match self {
            StftOutput::Magnitude => 1,
            StftOutput::Complex => 2,
        }
    }
}
