//! The mean over the last axis, which is time, and its gradient.

use super::{inputs, parallel};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted},
};

/// The average over the last axis. `[…, T] → […]`
#[derive(Debug, Clone)]
pub struct MeanTime;

/// `x / frames` at each of `frames` steps of a new last axis: the gradient of [`MeanTime`].
/// `[…] → […, frames]`
#[derive(Debug, Clone)]
pub struct SpreadTime {
    /// Size of the new axis.
    pub frames: usize,
}

impl Op for MeanTime {
    const NAME: &'static str = "mean_time";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        match x.dims().split_last() {
            Some((_, rest)) if !rest.is_empty() => {
                Shape::try_from(rest).map_err(|message| Error::shape(Self::NAME, message))
            }
            _ => Err(Error::shape(
                Self::NAME,
                format!("needs an axis before time, but was given [{x}]"),
            )),
        }
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let shape = at.shape(at.input(0))?;
        at.give(
            0,
            SpreadTime {
                frames: shape[shape.rank() - 1],
            },
            &[at.upstream()],
        )
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let frames = io.inputs[0].len() / io.output.len();
        for (out, row) in io.output.iter_mut().zip(io.inputs[0].chunks_exact(frames)) {
            *out = parallel::sum_slice(row, |v| v) / T::of(frames as f64);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("time/mean"))
            .params([io.inputs[0].len() / io.output.len()])
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape| Case::new(Class::Reduction, MeanTime, [shape]);
        vec![
            case(Shape::from([2, 3, 5, 7])),
            case(Shape::from([3, 17, 1, 5])),
            case(Shape::from([5, 259])),
        ]
    }
}

impl Op for SpreadTime {
    const NAME: &'static str = "spread_time";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        let dims: Vec<usize> = x.dims().iter().copied().chain([self.frames]).collect();
        Shape::try_from(dims.as_slice()).map_err(|message| Error::shape(Self::NAME, message))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, MeanTime, &[at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let frames = T::of(self.frames as f64);
        for (row, &x) in io.output.chunks_exact_mut(self.frames).zip(io.inputs[0]) {
            row.fill(x / frames);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("time/spread")).params([self.frames]).into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape, frames| Case::new(Class::Elementwise, SpreadTime { frames }, [shape]);
        vec![
            case(Shape::from([2, 3, 5]), 7),
            case(Shape::from([3, 1]), 1),
            case(Shape::from([1, 5, 9]), 65),
        ]
    }

    fn may_narrow(&self, _inputs: &[bool]) -> bool {
        true
    }
}
