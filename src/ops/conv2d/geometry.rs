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

/// Stride and padding, vertical (frequency) first.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Geometry {
    /// From the big image's shape and the weights'.
    pub fn of_convolution(op: &'static str, window: Window, big: Shape, weight: Shape) -> Result<Self> {
        let [batch, big_channels, h, w] = image(op, big)?;
        let [small_channels, c, r, s] = image(op, weight)?;
        let mut small = [h, w];
        for (axis, kernel) in [r, s].into_iter().enumerate() {
            let (stride, padding) = (window.stride[axis], window.padding[axis]);
            let padded = small[axis] + 2 * padding.min(MAX_ELEMENTS);
            let counts = (1..=MAX_ELEMENTS).contains(&stride) && padding <= MAX_ELEMENTS;
            if !counts || kernel == 0 || padded < kernel || c != big_channels {
                return Err(Error::shape(
                    op,
                    format!("weights [{weight}] do not fit [{big}] under {window:?}"),
                ));
            }
            small[axis] = (padded - kernel) / stride + 1;
        }
        let Window { stride, padding } = window;
        Ok(Geometry {
            batch,
            big_channels,
            small_channels,
            big: [h, w],
            small,
            kernel: [r, s],
            stride,
            padding,
        })
    }

    /// From the small image's shape, the weights' and the size that the big image is to have.
    pub fn of_transpose(
        op: &'static str,
        window: Window,
        small: Shape,
        weight: Shape,
        size: [usize; 2],
    ) -> Result<Self> {
        let [batch, k, p, q] = image(op, small)?;
        let [k_weight, c, _, _] = image(op, weight)?;
        let fail = |_| {
            let [h, w] = size;
            Error::shape(
                op,
                format!("[{small}] under weights [{weight}] and {window:?} cannot become {h}×{w}"),
            )
        };
        let big = Shape::from([batch, c, size[0], size[1]]);
        let geometry = Self::of_convolution(op, window, big, weight).map_err(fail)?;
        match geometry.small == [p, q] && k == k_weight {
            true => Ok(geometry),
            false => Err(fail(Error::shape(op, ""))),
        }
    }

    pub fn big_shape(&self) -> Shape {
        Shape::from([self.batch, self.big_channels, self.big[0], self.big[1]])
    }

    pub fn small_shape(&self) -> Shape {
        Shape::from([self.batch, self.small_channels, self.small[0], self.small[1]])
    }

    pub fn weight_shape(&self) -> Shape {
        Shape::from([
            self.small_channels,
            self.big_channels,
            self.kernel[0],
            self.kernel[1],
        ])
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
