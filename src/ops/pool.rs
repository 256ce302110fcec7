//! Max pooling.

use rayon::prelude::*;

use super::{image, inputs};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, MAX_ELEMENTS, Op, Real, Trusted, Values},
};

/// The maximum of each window; padding never wins. `[N, C, H, W] → [N, C, (H + 2p − k) / s + 1, …]`
#[derive(Debug, Clone)]
pub struct MaxPool2d {
    /// Size of the window, `[H, W]`.
    pub kernel: [usize; 2],
    /// Steps between windows, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Margin on each side, `[vertical, horizontal]`.
    pub padding: [usize; 2],
}

/// Gives each window's gradient to the first of its largest elements.
/// `x [N, C, H, W], dy [N, C, H', W'] → [N, C, H, W]`
#[derive(Debug, Clone)]
pub struct MaxPool2dGradient {
    /// The pooling whose gradient it is.
    pub pool: MaxPool2d,
}

impl MaxPool2d {
    /// The window of output position `o` along an axis, inside the image.
    fn window(&self, axis: usize, o: usize, len: usize) -> std::ops::Range<usize> {
        let start = o * self.stride[axis];
        let end = (start + self.kernel[axis])
            .saturating_sub(self.padding[axis])
            .min(len);
        start.saturating_sub(self.padding[axis])..end
    }

    /// The first largest element of a window of a plane of width `w`.
    fn argmax<T: Real>(&self, plane: &[T], [h, w]: [usize; 2], [oy, ox]: [usize; 2]) -> usize {
        let mut best = None;
        for y in self.window(0, oy, h) {
            for x in self.window(1, ox, w) {
                let i = y * w + x;
                if best.is_none_or(|b: usize| plane[i] > plane[b]) {
                    best = Some(i);
                }
            }
        }
        best.unwrap_or(0) // never: the shape rule sees to it that every window meets the image
    }

    fn params(&self) -> [usize; 6] {
        let MaxPool2d {
            kernel,
            stride,
            padding,
        } = self;
        [kernel[0], kernel[1], stride[0], stride[1], padding[0], padding[1]]
    }
}

fn pool(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> MaxPool2d {
    MaxPool2d {
        kernel,
        stride,
        padding,
    }
}

impl Op for MaxPool2d {
    const NAME: &'static str = "max_pool2d";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        let [n, c, h, w] = image(Self::NAME, x)?;
        let mut out = [n, c, h, w];
        for axis in 0..2 {
            let (k, s, p) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            let padded = out[2 + axis] + 2 * p.min(MAX_ELEMENTS);
            if k == 0 || !(1..=MAX_ELEMENTS).contains(&s) || p > MAX_ELEMENTS || 2 * p > k || padded < k {
                return Err(Error::shape(Self::NAME, format!("{self:?} does not fit [{x}]")));
            }
            out[2 + axis] = (padded - k) / s + 1;
        }
        Ok(Shape::from(out))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let pool = self.clone();
        at.give(0, MaxPool2dGradient { pool }, &[at.input(0), at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (x, out) = (io.shape(0), io.shapes.output);
        let (plane, out_plane) = ([x[2], x[3]], [out[2], out[3]]);
        let planes = io.output.par_chunks_exact_mut(out_plane[0] * out_plane[1]);
        planes
            .zip(io.inputs[0].par_chunks_exact(plane[0] * plane[1]))
            .for_each(|(out, x)| {
                for (o, out) in out.iter_mut().enumerate() {
                    *out = x[self.argmax(x, plane, [o / out_plane[1], o % out_plane[1]])];
                }
            });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let (x, out) = (io.inputs[0], io.output);
        io.flat(shader!("pool/max"))
            .params([x[2], x[3], out[2], out[3]])
            .params(self.params())
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |kernel, stride, padding, shape: [usize; 4]| {
            let op = pool(kernel, stride, padding);
            Case::new(Class::Elementwise, op, [shape]).fill(0, Values::Distinct)
        };
        vec![
            case([2, 2], [2, 2], [0, 0], [2, 3, 7, 9]),
            case([3, 3], [2, 2], [1, 1], [3, 5, 7, 10]),
            case([3, 2], [1, 3], [1, 0], [1, 3, 5, 11]),
        ]
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}

impl Op for MaxPool2dGradient {
    const NAME: &'static str = "max_pool2d_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy] = inputs(Self::NAME, given)?;
        super::same(Self::NAME, Op::shape(&self.pool, &[x])?, dy)?;
        Ok(x)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (x, dy) = (io.shape(0), io.shape(1));
        let (plane, out_plane) = ([x[2], x[3]], [dy[2], dy[3]]);
        let len = plane[0] * plane[1];
        let upstream = io.inputs[1].par_chunks_exact(out_plane[0] * out_plane[1]);
        let planes = io
            .output
            .par_chunks_exact_mut(len)
            .zip(io.inputs[0].par_chunks_exact(len));
        planes.zip(upstream).for_each(|((dx, x), dy)| {
            dx.fill(T::zero());
            for (o, &dy) in dy.iter().enumerate() {
                dx[self.pool.argmax(x, plane, [o / out_plane[1], o % out_plane[1]])] += dy;
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let (x, dy) = (io.inputs[0], io.inputs[1]);
        io.flat(shader!("pool/max_gradient"))
            .params([x[2], x[3], dy[2], dy[3]])
            .params(self.pool.params())
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |kernel, stride, padding, shape: [usize; 4], dy: [usize; 4]| {
            let pool = pool(kernel, stride, padding);
            Case::new(Class::Elementwise, MaxPool2dGradient { pool }, [shape, dy])
                .fill(0, Values::Distinct)
                .differentiable(&[])
        };
        vec![
            case([2, 2], [2, 2], [0, 0], [2, 3, 7, 9], [2, 3, 3, 4]),
            case([3, 3], [2, 2], [1, 1], [3, 5, 7, 10], [3, 5, 4, 5]),
        ]
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs.contains(&true)
    }
}
