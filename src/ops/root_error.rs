//! Errors of rows, and what a loss makes of them: the root of each row's mean square.

use super::{Mean, SquareRoot, inputs, parallel, reduce::Reduction, same};
use crate::{
    error::{Error, Result},
    kernel::{Kernels, at_once},
    shader,
    shape::{Channels, Shape},
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Tape, Trusted, Values, Var},
};

/// `mean (a − b)²` of each row. `a [R, …], b [R, …] → [R]`
#[derive(Debug, Clone)]
pub struct SquaredErrors;

/// The gradient of [`SquaredErrors`] in `a`: `2 dyᵣ (a − b) / len` with a row's length.
/// `a [R, …], b [R, …], dy [R] → [R, …]`
#[derive(Debug, Clone)]
pub struct SquaredErrorsGradient;

/// Records the mean over rows of `√(mean (a − b)² + ε)`: unlike the mean of squares, a row that is twice as loud counts
/// twice, not four times; unlike that of magnitudes, where nothing is known the mean is best, not the median.
/// `a [R, …], b [R, …] → scalar`
///
/// # Errors
/// [`Error::Shape`] unless the shapes are the same and have rows.
pub fn root_error(tape: &mut Tape, a: Var, b: Var, epsilon: f32) -> Result<Var> {
    let squares = tape.push(SquaredErrors, &[a, b])?;
    let roots = tape.push(SquareRoot { epsilon }, &[squares])?;
    tape.push(Mean, &[roots])
}

/// How many rows there are.
fn rows(x: Shape) -> Result<usize> {
    match x.dims() {
        [rows, _, ..] => Ok(*rows),
        _ => Err(Error::shape(
            SquaredErrors::NAME,
            format!("needs rows, [R, …], but was given [{x}]"),
        )),
    }
}

/// What [`SquaredErrors::shape`] has accepted.
fn inner(x: Shape) -> usize {
    x.len() / x[0]
}

fn shapes() -> [Shape; 4] {
    [
        Shape::from([3, 5, 7, 11]),
        Shape::from([1, 3]),
        Shape::from([2, 1, 129, 65]),
        Shape::from([6, 5, 8]),
    ]
}

impl Op for SquaredErrors {
    const NAME: &'static str = "squared_errors";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b] = inputs(Self::NAME, given)?;
        same(Self::NAME, a, b)?;
        Ok(Shape::from([rows(a)?]))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        for (input, other) in [(0, 1), (1, 0)] {
            let pair = [at.input(input), at.input(other), at.upstream()];
            at.give(input, SquaredErrorsGradient, &pair)?;
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let len = inner(io.shape(0));
        let [a, b, ..] = io.inputs;
        for (row, out) in io.output.iter_mut().enumerate() {
            let [a, b] = [a, b].map(|x| &x[row * len..][..len]);
            let sum = parallel::sum(len, |range| {
                parallel::sum_pairs(&a[range.clone()], &b[range], |a, b| (a - b) * (a - b))
            });
            *out = sum / T::of(len as f64);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let (rows, len) = (io.output.len(), inner(io.inputs[0]));
        let channels = Channels {
            batch: 1,
            channels: rows,
            inner: len,
        };
        let sum = Reduction::of("SQUARED_ERROR", &[0, 1]);
        let scale = 1.0 / len as f32;
        Reduction { scale, ..sum }.kernels(io, Some(channels))
    }

    fn cases() -> Vec<Case> {
        let case = |shape| Case::new(Class::Reduction, SquaredErrors, [shape; 2]);
        shapes().map(case).to_vec()
    }
}

impl Op for SquaredErrorsGradient {
    const NAME: &'static str = "squared_errors_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b, dy] = inputs(Self::NAME, given)?;
        same(Self::NAME, a, b)?;
        same(Self::NAME, dy, Shape::from([rows(a)?]))?;
        Ok(a)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let len = inner(io.shape(0));
        let [a, b, dy, ..] = io.inputs;
        for (row, out) in io.output.chunks_mut(len).enumerate() {
            let factor = T::of(2.0 / len as f64) * dy[row];
            let [a, b] = [a, b].map(|x| &x[row * len..][..len]);
            parallel::map2(out, a, b, |a, b| factor * (a - b));
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let len = inner(io.inputs[0]);
        let each = at_once(&[len]);
        io.flat_by(shader!("loss/squared_errors_gradient"), each)
            .params([len / each])
            .param_f32(2.0 / len as f32)
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape| {
            let rows = Shape::from([shape[0]]);
            Case::new(Class::Elementwise, SquaredErrorsGradient, [shape, shape, rows])
                .fill(2, Values::Uniform(-1.0, 1.0))
                .differentiable(&[])
        };
        shapes().map(case).to_vec()
    }
}
