//! Euclidean norms of rows: what normalises an embedding, and what says which sub-spaces of it sound.
//!
//! A norm below 1e-12 counts as 1e-12, as in PyTorch's `normalize`: a row of zeros has a logarithm, too.

use super::{BceWithLogitsLoss, ChannelSum, Reshape, inputs, parallel, same};
use crate::{
    error::{Error, Result},
    kernel::{Dispatch, Kernels, Shader, Slot, fold},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Tape, Trusted, Values, Var},
};

/// `x / max(‖x‖, 1e-12)` of each row. `[N, D] → [N, D]`
#[derive(Debug, Clone)]
pub struct L2Normalise;

/// The gradient of [`L2Normalise`]: of `dy`, what is orthogonal to the row, over the row's norm.
/// `x [N, D], dy [N, D] → [N, D]`
#[derive(Debug, Clone)]
pub struct L2NormaliseGradient;

/// `ln max(‖fₖ‖, 1e-12) + bₖ` of each sub-space k, whose sigmoid is the probability that its instrument
/// sounds. The sub-spaces lie one behind the other. `f [N, K·S], b [K] → [N, K]`
#[derive(Debug, Clone)]
pub struct NormLogits;

/// The gradient of [`NormLogits`] in `f`: `dyₖ / ‖fₖ‖² · fₖ`, and 0 where the norm is 1e-12 or less.
/// `f [N, K·S], dy [N, K] → [N, K·S]`
#[derive(Debug, Clone)]
pub struct NormLogitsGradient;

/// Records the norm loss: the binary cross entropy of `σ(ln‖fₖ‖ + bₖ)` and `sounds`, averaged over all items
/// and sub-spaces. `f [N, K·S], bias [K], sounds [N, K] in 0 to 1 → scalar`
///
/// # Errors
/// [`Error::Shape`] unless the shapes fit.
pub fn norm_loss(tape: &mut Tape, f: Var, bias: Var, sounds: Var) -> Result<Var> {
    let logits = tape.push(NormLogits, &[f, bias])?;
    tape.push(BceWithLogitsLoss, &[logits, sounds])
}

/// Records `fₖ / max(‖fₖ‖, 1e-12)` of each of `count` sub-spaces, which lie one behind the other.
/// `f [N, count·S] → [N, count·S]`
///
/// # Errors
/// [`Error::Shape`] unless `f` falls into that many sub-spaces.
pub fn normalise_subspaces(tape: &mut Tape, f: Var, count: usize) -> Result<Var> {
    let shape = tape.shape(f)?;
    let [items, dimensions] = matrix(L2Normalise::NAME, shape)?;
    subspaces(L2Normalise::NAME, shape, [items, count])?;
    let rows = tape.push(Reshape::to([items * count, dimensions / count]), &[f])?;
    let unit = tape.push(L2Normalise, &[rows])?;
    tape.push(Reshape { shape }, &[unit])
}

/// The least square of a norm.
const FLOOR: f64 = 1e-24;

/// `Σ x²`.
fn square<T: Real>(row: &[T]) -> T {
    parallel::sum_slice(row, |x| x * x)
}

/// One workgroup per row of `len` elements: binds the inputs, then the output.
fn by_rows(io: &Io<'_>, shader: Shader, rows: usize) -> Dispatch {
    Dispatch::new(shader, io.bindings(Slot::Output), fold(rows)).params([rows, io.inputs[0].len() / rows])
}

/// An error unless the shape is a matrix.
fn matrix(op: &'static str, x: Shape) -> Result<[usize; 2]> {
    x.dims()
        .try_into()
        .map_err(|_| Error::shape(op, format!("needs rows, [N, D], but was given [{x}]")))
}

/// An error unless `[N, D]` is cut into the sub-spaces of `[N, K]`.
fn subspaces(op: &'static str, f: Shape, per_item: [usize; 2]) -> Result<()> {
    let [items, dimensions] = matrix(op, f)?;
    match items == per_item[0] && dimensions.is_multiple_of(per_item[1]) {
        true => Ok(()),
        false => {
            let [n, k] = per_item;
            let message = format!("[{f}] does not fall into {k} sub-spaces of one size for {n} items");
            Err(Error::shape(op, message))
        }
    }
}

/// Rows of many lengths: one element, fewer and more than a workgroup has lanes.
const SHAPES: [[usize; 2]; 4] = [[1, 1], [3, 7], [1, 129], [5, 261]];

/// Rows of zeros among others.
fn silent_rows([rows, len]: [usize; 2]) -> Values {
    let value = |i: usize| match (i / len) % 2 {
        0 => 0.0,
        _ => 0.25 + (i % 7) as f32,
    };
    Values::Exactly((0..rows * len).map(value).collect())
}

impl Op for L2Normalise {
    const NAME: &'static str = "l2_normalise";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        matrix(Self::NAME, x)?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.give(0, L2NormaliseGradient, &[at.input(0), at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let len = io.shape(0)[1];
        let rows = io
            .output
            .chunks_exact_mut(len)
            .zip(io.inputs[0].chunks_exact(len));
        for (out, x) in rows {
            let norm = square(x).max(T::of(FLOOR)).sqrt();
            parallel::map(out, x, |x| x / norm);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_rows(io, shader!("norm/normalise"), io.output[0]).into()
    }

    fn cases() -> Vec<Case> {
        // one element becomes its sign: no derivative to speak of, only rounding
        let case = |shape: [usize; 2]| {
            let case = Case::new(Class::Reduction, L2Normalise, [shape]);
            if shape[1] == 1 {
                case.differentiable(&[])
            } else {
                case
            }
        };
        let mut cases = SHAPES.map(case).to_vec();
        let silent = [5, 9];
        cases.push(case(silent).fill(0, silent_rows(silent)).differentiable(&[]));
        // squares that lie far apart
        for scale in [1e-9, 1e15] {
            cases.push(
                case([3, 33])
                    .fill(0, Values::Uniform(-scale, scale))
                    .differentiable(&[]),
            );
        }
        cases
    }
}

impl Op for L2NormaliseGradient {
    const NAME: &'static str = "l2_normalise_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy] = inputs(Self::NAME, given)?;
        same(Self::NAME, x, dy)?;
        matrix(Self::NAME, x)?;
        Ok(x)
    }

    /// Linear in `dy`, and of itself the transpose. In `x` it is not: no second derivative.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(0) {
            return at.none();
        }
        at.give(1, L2NormaliseGradient, &[at.input(0), at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [x, dy, ..] = io.inputs;
        let len = io.shape(0)[1];
        let rows = io.output.chunks_exact_mut(len).zip(x.chunks_exact(len));
        for ((out, x), dy) in rows.zip(dy.chunks_exact(len)) {
            let square = square(x);
            let norm = square.max(T::of(FLOOR)).sqrt();
            let along = match square > T::of(FLOOR) {
                true => parallel::sum_pairs(x, dy, |x, dy| x * dy) / norm,
                false => T::zero(), // over a constant, not over a norm
            };
            parallel::map2(out, x, dy, |x, dy| (dy - along * (x / norm)) / norm);
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_rows(io, shader!("norm/normalise_gradient"), io.output[0]).into()
    }

    fn cases() -> Vec<Case> {
        let case = |shape: [usize; 2]| {
            Case::new(Class::Reduction, L2NormaliseGradient, [shape; 2]).differentiable(&[1])
        };
        let mut cases: Vec<Case> = SHAPES[1..].iter().copied().map(case).collect();
        let silent = [3, 9];
        let small = Values::Uniform(-1e-12, 1e-12);
        cases.push(
            case(silent)
                .fill(0, silent_rows(silent))
                .fill(1, small)
                .differentiable(&[]),
        );
        cases
    }
}

impl Op for NormLogits {
    const NAME: &'static str = "norm_logits";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [f, bias] = inputs(Self::NAME, given)?;
        let [items, _] = matrix(Self::NAME, f)?;
        let &[count] = bias.dims() else {
            let message = format!("needs one bias per sub-space, [K], but was given [{bias}]");
            return Err(Error::shape(Self::NAME, message));
        };
        subspaces(Self::NAME, f, [items, count])?;
        Ok(Shape::from([items, count]))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let upstream = at.upstream();
        at.give(0, NormLogitsGradient, &[at.input(0), upstream])?;
        at.give(1, ChannelSum, &[upstream])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [f, bias, ..] = io.inputs;
        let len = f.len() / io.output.len();
        let half = T::of(0.5);
        let rows = io.output.iter_mut().zip(f.chunks_exact(len));
        for ((out, f), &bias) in rows.zip(bias.iter().cycle()) {
            *out = half * square(f).max(T::of(FLOOR)).ln() + bias;
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_rows(io, shader!("norm/logits"), io.output.len())
            .params([io.output[1]])
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |items: usize, count: usize, len: usize| {
            let shapes = [Shape::from([items, count * len]), Shape::from([count])];
            Case::new(Class::Reduction, NormLogits, shapes)
        };
        let one = case(1, 1, 1).fill(0, Values::AwayFromZero);
        let mut cases = vec![case(3, 5, 7), case(1, 3, 129), case(7, 2, 33), one];
        // zeros, and what is small and large
        cases.push(case(3, 3, 3).fill(0, silent_rows([9, 3])).differentiable(&[1]));
        for scale in [1e-9, 1e15] {
            cases.push(
                case(2, 3, 5)
                    .fill(0, Values::Uniform(-scale, scale))
                    .differentiable(&[1]),
            );
        }
        // all of the norm loss
        let loss = |n: usize, k: usize, s: usize| {
            let shapes = [Shape::from([n, k * s]), Shape::from([k]), Shape::from([n, k])];
            let whole = |tape: &mut Tape, given: &[Var]| norm_loss(tape, given[0], given[1], given[2]);
            let sounds = (0..n * k).map(|i| f32::from(u8::from(i % 3 != 1)));
            Case::function(Class::Reduction, "norm loss", whole, shapes)
                .fill(2, Values::Exactly(sounds.collect()))
                .differentiable(&[0, 1])
        };
        cases.extend([loss(6, 5, 13), loss(1, 1, 3)]);
        let silent = loss(3, 3, 3).fill(0, silent_rows([9, 3]));
        cases.push(silent.differentiable(&[1]));
        cases
    }
}

impl Op for NormLogitsGradient {
    const NAME: &'static str = "norm_logits_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [f, dy] = inputs(Self::NAME, given)?;
        subspaces(Self::NAME, f, matrix(Self::NAME, dy)?)?;
        Ok(f)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [f, dy, ..] = io.inputs;
        let len = f.len() / dy.len();
        let rows = io.output.chunks_exact_mut(len).zip(f.chunks_exact(len));
        for ((out, f), &dy) in rows.zip(dy) {
            let square = square(f);
            let norm = square.sqrt();
            match square > T::of(FLOOR) {
                true => parallel::map(out, f, |f| f / norm * (dy / norm)),
                false => out.fill(T::zero()),
            }
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        by_rows(io, shader!("norm/logits_gradient"), io.inputs[1].len()).into()
    }

    fn cases() -> Vec<Case> {
        let case = |items: usize, count: usize, len: usize| {
            let shapes = [[items, count * len], [items, count]];
            Case::new(Class::Reduction, NormLogitsGradient, shapes).differentiable(&[])
        };
        let mut cases = vec![case(3, 5, 7), case(1, 3, 129)];
        cases.push(case(3, 3, 3).fill(0, silent_rows([9, 3])));
        for scale in [1e-9, 1e15] {
            cases.push(case(2, 3, 5).fill(0, Values::Uniform(-scale, scale)));
        }
        cases
    }
}
