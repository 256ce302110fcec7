//! 2D convolution, its transpose, and the gradient of its weights.
//!
//! Three operations do all six jobs: the transpose is the convolution's input gradient, the convolution
//! the transpose's, and one weight gradient serves both, with the roles of the images swapped.

mod cases;
mod channel_lanes;
mod cpu;
mod geometry;
mod registers;
mod tiles;
mod ways;

use geometry::{Geometry, Window};
use ways::{Convolution, Job};

use super::{ChannelSum, image, inputs, same};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shape::Shape,
    tape::{Case, Cpu, Gradient, Io, Op, Real, Trusted, Var},
};

/// `y[k, p, q] = b[k] + Σ x[c, p·stride + r − padding, …] w[k, c, r, s]`.
///
/// `x [N, C, H, W], w [K, C, R, S], b [K] (may be left out) → [N, K, (H + 2 padding − R) / stride + 1, …]`
#[derive(Debug, Clone)]
pub struct Conv2d {
    /// Steps between outputs, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Zeros on each side, `[vertical, horizontal]`.
    pub padding: [usize; 2],
}

/// The transpose of [`Conv2d`]: `y[c, p·stride + r − padding, …] = b[c] + Σ x[k, p, q] w[k, c, r, s]`.
///
/// `x [N, K, P, Q], w [K, C, R, S], b [C] (may be left out) → [N, C, output…]`. The output size is any
/// that a convolution would make `P × Q` of: PyTorch's output padding, said outright.
#[derive(Debug, Clone)]
pub struct ConvTranspose2d {
    /// Stride of the convolution, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Padding of the convolution, `[vertical, horizontal]`.
    pub padding: [usize; 2],
    /// Size of the output, `[H, W]`.
    pub output: [usize; 2],
}

/// `dw[k, c, r, s] = Σ small[k, p, q] big[c, p·stride + r − padding, …]`.
///
/// `big [N, C, H, W], small [N, K, P, Q] → [K, C, kernel…]`
#[derive(Debug, Clone)]
pub struct Conv2dWeightGradient {
    /// Stride of the convolution, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Padding of the convolution, `[vertical, horizontal]`.
    pub padding: [usize; 2],
    /// Size of the kernel, `[R, S]`.
    pub kernel: [usize; 2],
}

/// Splits off an optional bias of `channels` elements and checks it.
fn with_bias(op: &'static str, given: &[Shape]) -> Result<([Shape; 2], Option<Shape>)> {
    match *given {
        [x, w] => Ok(([x, w], None)),
        [x, w, bias] => Ok(([x, w], Some(bias))),
        _ => Err(Error::shape(
            op,
            format!("takes 2 or 3 inputs, not {}", given.len()),
        )),
    }
}

fn check_bias(op: &'static str, bias: Option<Shape>, channels: usize) -> Result<()> {
    match bias {
        Some(bias) if bias != Shape::from([channels]) => Err(Error::shape(
            op,
            format!("a bias of [{bias}] does not fit {channels} channels"),
        )),
        _ => Ok(()),
    }
}

fn give_bias(at: &mut Gradient<'_>) -> Result<()> {
    match at.inputs() {
        3 => at.give(2, ChannelSum, &[at.upstream()]),
        _ => Ok(()),
    }
}

/// Gives an input the transpose of a convolution, whose input the input is.
fn give_transpose(at: &mut Gradient<'_>, input: usize, window: Window, of: [Var; 2]) -> Result<()> {
    let Window { stride, padding } = window;
    let shape = at.shape(at.input(input))?;
    let output = [shape[2], shape[3]];
    let op = ConvTranspose2d {
        stride,
        padding,
        output,
    };
    at.give(input, op, &of)
}

/// Gives the weights, the second input, their gradient from the big and the small image.
fn give_weights(at: &mut Gradient<'_>, window: Window, of: [Var; 2]) -> Result<()> {
    let Window { stride, padding } = window;
    let shape = at.shape(at.input(1))?;
    let kernel = [shape[2], shape[3]];
    let op = Conv2dWeightGradient {
        stride,
        padding,
        kernel,
    };
    at.give(1, op, &of)
}

/// What the three operations do alike, each its own job of a convolution.
macro_rules! computed {
    ($job:expr) => {
        fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
            Convolution::of($job, self.window(), &io.shapes).cpu(io);
        }

        fn gpu(&self, io: &Io<'_>) -> Kernels {
            Convolution::of($job, self.window(), io).kernels(io)
        }

        fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
            Convolution::of($job, self.window(), io).variants(io)
        }

        fn flops(&self, io: &Io<'_>) -> u64 {
            Convolution::of($job, self.window(), io).geometry.flops()
        }
    };
}

macro_rules! window {
    ($($op:ident),*) => {
        $(impl $op {
            fn window(&self) -> Window {
                Window {
                    stride: self.stride,
                    padding: self.padding,
                }
            }
        })*
    };
}

window!(Conv2d, ConvTranspose2d, Conv2dWeightGradient);

impl Op for Conv2d {
    const NAME: &'static str = "conv2d";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let ([x, w], bias) = with_bias(Self::NAME, given)?;
        let small = self.window().convolve(Self::NAME, x, w)?;
        check_bias(Self::NAME, bias, small[1])?;
        Ok(small)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (x, w, dy) = (at.input(0), at.input(1), at.upstream());
        give_transpose(at, 0, self.window(), [dy, w])?;
        give_weights(at, self.window(), [x, dy])?;
        give_bias(at)
    }

    computed!(Job::Forward);

    fn cases() -> Vec<Case> {
        cases::conv2d()
    }

    fn may_narrow(&self, _inputs: &[bool]) -> bool {
        true
    }
}

impl Op for ConvTranspose2d {
    const NAME: &'static str = "conv_transpose2d";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let ([x, w], bias) = with_bias(Self::NAME, given)?;
        let [h, wide] = self.output;
        let (x_dims, w_dims) = (image(Self::NAME, x)?, image(Self::NAME, w)?);
        let big = Shape::from([x_dims[0], w_dims[1], h, wide]);
        let window = self.window();
        match window.convolve(Self::NAME, big, w) {
            Ok(small) if small == x => {}
            _ => {
                let message = format!("[{x}] under weights [{w}] and {window:?} cannot become {h}×{wide}");
                return Err(Error::shape(Self::NAME, message));
            }
        }
        check_bias(Self::NAME, bias, big[1])?;
        Ok(big)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (x, w, dy) = (at.input(0), at.input(1), at.upstream());
        let (stride, padding) = (self.stride, self.padding);
        at.give(0, Conv2d { stride, padding }, &[dy, w])?;
        give_weights(at, self.window(), [dy, x])?;
        give_bias(at)
    }

    computed!(Job::Transpose);

    fn cases() -> Vec<Case> {
        cases::conv_transpose2d()
    }

    fn may_narrow(&self, _inputs: &[bool]) -> bool {
        true
    }
}

impl Op for Conv2dWeightGradient {
    const NAME: &'static str = "conv2d_weight_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [big, small] = inputs(Self::NAME, given)?;
        let (c, k) = (image(Self::NAME, big)?[1], image(Self::NAME, small)?[1]);
        let weight = Shape::from([k, c, self.kernel[0], self.kernel[1]]);
        same(
            Self::NAME,
            self.window().convolve(Self::NAME, big, weight)?,
            small,
        )?;
        Ok(weight)
    }

    /// Bilinear in both images.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (big, small, dw) = (at.input(0), at.input(1), at.upstream());
        let (stride, padding) = (self.stride, self.padding);
        give_transpose(at, 0, self.window(), [small, dw])?;
        at.give(1, Conv2d { stride, padding }, &[big, dw])
    }

    computed!(Job::WeightGradient);

    fn cases() -> Vec<Case> {
        cases::weight_gradient()
    }
}
