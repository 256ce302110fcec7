//! 2D convolution, its transpose, and the gradient of its weights.
//!
//! Three operations do all six jobs: the transpose is the convolution's input gradient, the convolution
//! the transpose's, and one weight gradient serves both, with the roles of the images swapped.

mod cases;
mod channel_lanes;
mod cpu;
mod geometry;
mod gpu;
mod registers;
mod tiles;

use geometry::{Geometry, Window};
use gpu::Job;

use super::ChannelSum;
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

fn bias_gradient(at: &mut Gradient<'_>) -> Result<()> {
    if at.inputs() > 2 && at.wants(2) {
        let gradient = at.push(ChannelSum, &[at.upstream()])?;
        at.set(2, gradient);
    }
    Ok(())
}

impl Conv2d {
    fn geometry(&self, x: Shape, w: Shape) -> Result<Geometry> {
        Geometry::of_convolution(
            Self::NAME,
            Window {
                stride: self.stride,
                padding: self.padding,
            },
            x,
            w,
        )
    }
}

impl ConvTranspose2d {
    fn geometry(&self, x: Shape, w: Shape) -> Result<Geometry> {
        let window = Window {
            stride: self.stride,
            padding: self.padding,
        };
        Geometry::of_transpose(Self::NAME, window, x, w, self.output)
    }
}

impl Conv2dWeightGradient {
    fn geometry(&self, big: Shape, small: Shape) -> Result<Geometry> {
        let [_, c, h, w] = super::image(Self::NAME, big)?;
        let [n, k, _, _] = super::image(Self::NAME, small)?;
        let window = Window {
            stride: self.stride,
            padding: self.padding,
        };
        let weight = Shape::from([k, c, self.kernel[0], self.kernel[1]]);
        let geometry = Geometry::of_convolution(Self::NAME, window, Shape::from([n, c, h, w]), weight)?;
        super::same(Self::NAME, geometry.small_shape(), small)?;
        super::same(Self::NAME, geometry.big_shape(), big)?;
        Ok(geometry)
    }

    fn record(at: &mut Gradient<'_>, big: Var, small: Var, window: Window, weight: Shape) -> Result<Var> {
        let Window { stride, padding } = window;
        let op = Conv2dWeightGradient {
            stride,
            padding,
            kernel: [weight[2], weight[3]],
        };
        at.push(op, &[big, small])
    }
}

impl Op for Conv2d {
    const NAME: &'static str = "conv2d";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let ([x, w], bias) = with_bias(Self::NAME, given)?;
        let geometry = self.geometry(x, w)?;
        check_bias(Self::NAME, bias, geometry.small_channels)?;
        Ok(geometry.small_shape())
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (x, w, dy) = (at.input(0), at.input(1), at.upstream());
        let (stride, padding) = (self.stride, self.padding);
        if at.wants(0) {
            let shape = at.shape(x)?;
            let output = [shape[2], shape[3]];
            let dx = at.push(
                ConvTranspose2d {
                    stride,
                    padding,
                    output,
                },
                &[dy, w],
            )?;
            at.set(0, dx);
        }
        if at.wants(1) {
            let shape = at.shape(w)?;
            let dw = Conv2dWeightGradient::record(at, x, dy, Window { stride, padding }, shape)?;
            at.set(1, dw);
        }
        bias_gradient(at)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Ok(geometry) = self.geometry(io.shape(0), io.shape(1)) else {
            return;
        };
        let [x, w, bias, ..] = io.inputs;
        cpu::forward(&geometry, x, w, bias, io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        self.geometry(io.inputs[0], io.inputs[1])
            .map_or_else(|_| Kernels::default(), |g| Job::Forward.kernels(&g, io))
    }

    fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
        self.geometry(io.inputs[0], io.inputs[1])
            .map_or_else(|_| Vec::new(), |g| Job::Forward.variants(&g, io))
    }

    fn cases() -> Vec<Case> {
        cases::conv2d()
    }

    fn flops(&self, io: &Io<'_>) -> u64 {
        self.geometry(io.inputs[0], io.inputs[1]).map_or(0, |g| g.flops())
    }

    fn halves(&self, _inputs: &[bool]) -> bool {
        true
    }
}

impl Op for ConvTranspose2d {
    const NAME: &'static str = "conv_transpose2d";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let ([x, w], bias) = with_bias(Self::NAME, given)?;
        let geometry = self.geometry(x, w)?;
        check_bias(Self::NAME, bias, geometry.big_channels)?;
        Ok(geometry.big_shape())
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (x, w, dy) = (at.input(0), at.input(1), at.upstream());
        let (stride, padding) = (self.stride, self.padding);
        if at.wants(0) {
            let dx = at.push(Conv2d { stride, padding }, &[dy, w])?;
            at.set(0, dx);
        }
        if at.wants(1) {
            let shape = at.shape(w)?;
            let dw = Conv2dWeightGradient::record(at, dy, x, Window { stride, padding }, shape)?;
            at.set(1, dw);
        }
        bias_gradient(at)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Ok(geometry) = self.geometry(io.shape(0), io.shape(1)) else {
            return;
        };
        let [x, w, bias, ..] = io.inputs;
        cpu::transpose(&geometry, x, w, bias, io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        self.geometry(io.inputs[0], io.inputs[1])
            .map_or_else(|_| Kernels::default(), |g| Job::Transpose.kernels(&g, io))
    }

    fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
        self.geometry(io.inputs[0], io.inputs[1])
            .map_or_else(|_| Vec::new(), |g| Job::Transpose.variants(&g, io))
    }

    fn cases() -> Vec<Case> {
        cases::conv_transpose2d()
    }

    fn flops(&self, io: &Io<'_>) -> u64 {
        self.geometry(io.inputs[0], io.inputs[1]).map_or(0, |g| g.flops())
    }

    fn halves(&self, _inputs: &[bool]) -> bool {
        true
    }
}

impl Op for Conv2dWeightGradient {
    const NAME: &'static str = "conv2d_weight_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [big, small] = super::inputs(Self::NAME, given)?;
        Ok(self.geometry(big, small)?.weight_shape())
    }

    /// Bilinear in both images.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (big, small, dw) = (at.input(0), at.input(1), at.upstream());
        let (stride, padding) = (self.stride, self.padding);
        if at.wants(0) {
            let shape = at.shape(big)?;
            let output = [shape[2], shape[3]];
            let gradient = at.push(
                ConvTranspose2d {
                    stride,
                    padding,
                    output,
                },
                &[small, dw],
            )?;
            at.set(0, gradient);
        }
        if at.wants(1) {
            let gradient = at.push(Conv2d { stride, padding }, &[big, dw])?;
            at.set(1, gradient);
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Ok(geometry) = self.geometry(io.shape(0), io.shape(1)) else {
            return;
        };
        cpu::weight_gradient(&geometry, io.inputs[0], io.inputs[1], io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        self.geometry(io.inputs[0], io.inputs[1])
            .map_or_else(|_| Kernels::default(), |g| Job::WeightGradient.kernels(&g, io))
    }

    fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
        self.geometry(io.inputs[0], io.inputs[1])
            .map_or_else(|_| Vec::new(), |g| Job::WeightGradient.variants(&g, io))
    }

    fn cases() -> Vec<Case> {
        cases::weight_gradient()
    }

    fn flops(&self, io: &Io<'_>) -> u64 {
        self.geometry(io.inputs[0], io.inputs[1]).map_or(0, |g| g.flops())
    }
}
