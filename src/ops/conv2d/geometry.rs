//! What convolution, its transpose and its weight gradient have in common.

use crate::{
    error::{Error, Result},
    ops::image,
    shape::Shape,
    tape::MAX_ELEMENTS,
};

/// The three tensors of a convolution: a big image `[N, C, H, W]`, a small image `[N, K, P, Q]` and
/// weights `[K, C, R, S]`, where `small[p, q]` sees `big[p·stride + r − padding, …]`. Convolution makes
/// the small from the big, its transpose the big from the small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub batch: usize,
    /// C and K.
    pub big_channels: usize,
    pub small_channels: usize,
    pub big: [usize; 2],
    pub small: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

/// Numbers of all slices of the weight gradient's sum.
pub const MOST_PARTIALS: usize = 1 << 23;

/// Stride and padding, vertical (frequency) first.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Window {
    /// The shape of the small image that a convolution of the big one by these weights has.
    pub fn convolve(&self, op: &'static str, big: Shape, weight: Shape) -> Result<Shape> {
        let [batch, channels, h, w] = image(op, big)?;
        let [k, c, r, s] = image(op, weight)?;
        let along = |axis: usize, size: usize, kernel: usize| {
            let (stride, padding) = (self.stride[axis], self.padding[axis]);
            let padded = size + 2 * padding.min(MAX_ELEMENTS);
            let counts = (1..=MAX_ELEMENTS).contains(&stride) && padding <= MAX_ELEMENTS;
            (counts && kernel > 0 && padded >= kernel && c == channels)
                .then(|| (padded - kernel) / stride + 1)
        };
        match (along(0, h, r), along(1, w, s)) {
            (Some(p), Some(q)) => Ok(Shape::from([batch, k, p, q])),
            _ => Err(Error::shape(
                op,
                format!("weights [{weight}] do not fit [{big}] under {self:?}"),
            )),
        }
    }
}

impl Geometry {
    /// Of three tensors that fit: the shape rules see to that.
    pub fn of(window: Window, big: Shape, small: Shape, weight: Shape) -> Self {
        Geometry {
            batch: big[0],
            big_channels: big[1],
            small_channels: small[1],
            big: [big[2], big[3]],
            small: [small[2], small[3]],
            kernel: [weight[2], weight[3]],
            stride: window.stride,
            padding: window.padding,
        }
    }

    /// Elements of one channel of the big and the small image.
    pub fn big_plane(&self) -> usize {
        self.big[0] * self.big[1]
    }

    pub fn small_plane(&self) -> usize {
        self.small[0] * self.small[1]
    }

    /// Elements of one channel's kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The sizes as the parameters of kernels: batch, channels, then the big and the small image.
    pub fn sizes(&self) -> [usize; 7] {
        let ([h, w], [p, q]) = (self.big, self.small);
        [self.batch, self.big_channels, self.small_channels, h, w, p, q]
    }

    /// What kernels are compiled for: kernel size, stride and padding.
    pub fn window(&self) -> [(&'static str, usize); 6] {
        let ([kh, kw], [sh, sw], [ph, pw]) = (self.kernel, self.stride, self.padding);
        [
            ("KERNEL_H", kh),
            ("KERNEL_W", kw),
            ("STRIDE_H", sh),
            ("STRIDE_W", sw),
            ("PADDING_H", ph),
            ("PADDING_W", pw),
        ]
    }

    /// Of each of the three operations: two per multiply-add, taps on padding included.
    pub fn flops(&self) -> u64 {
        let per_pixel = self.small_channels * self.big_channels * self.taps();
        2 * (self.batch * self.small_plane()) as u64 * per_pixel as u64
    }

    /// The output columns `q` for which tap `s` of axis 1 lies inside a big row.
    pub fn inside(&self, tap: usize) -> std::ops::Range<usize> {
        let (stride, padding) = (self.stride[1], self.padding[1]);
        let first = padding.saturating_sub(tap).div_ceil(stride);
        let end = (self.big[1] + padding)
            .saturating_sub(tap)
            .div_ceil(stride)
            .min(self.small[1]);
        first.min(end)..end
    }
}
