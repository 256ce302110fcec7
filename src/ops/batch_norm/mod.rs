//! Batch normalisation, as its parts: statistics, the normalisation itself, the two sums and the input
//! gradient of the backward pass, and the running statistics.

mod cpu;
mod fused;
mod gpu;

pub use fused::BatchNormActivation;

use super::{Reshape, SliceChannels, channels, inputs, same};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shape::{Channels, Shape},
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Tape, Trusted, Values, Var},
};

/// Each channel's mean and biased variance over batch and pixels. `[N, C, …] → [2, C]`
///
/// Its gradient is not its own: [`BatchNorm`] with `batch` accounts for it.
#[derive(Debug, Clone)]
pub struct BatchStatistics;

/// `γ (x − mean) / √(variance + ε) + β`. `x [N, C, …], statistics [2, C], γ [C], β [C] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// ε, added to the variance.
    pub epsilon: f32,
    /// Whether the statistics are those of `x` itself, through which the gradient flows too.
    pub batch: bool,
}

/// `Σ dy` and `Σ dy · x̂` of each channel: the gradients of β and γ.
/// `x [N, C, …], dy [N, C, …], statistics [2, C] → [2, C]`
#[derive(Debug, Clone)]
pub struct BatchNormSums {
    /// ε of the [`BatchNorm`].
    pub epsilon: f32,
}

/// `γ / √(variance + ε) · (dy − (Σ dy + x̂ Σ dy x̂) / count)`, or without `batch` its first term.
/// `x [N, C, …], dy [N, C, …], statistics [2, C], γ [C], sums [2, C] → [N, C, …]`
#[derive(Debug, Clone)]
pub struct BatchNormInputGradient {
    /// ε of the [`BatchNorm`].
    pub epsilon: f32,
    /// As in [`BatchNorm`].
    pub batch: bool,
}

/// `running ← (1 − momentum) running + momentum · factor · statistics[row]`, where row 0 is the mean, row
/// 1 the variance, and the factor makes it unbiased. `running [C] (changed), statistics [2, C]`
#[derive(Debug, Clone)]
pub struct UpdateRunningStatistic {
    /// Row of the statistics: 0 is the mean, 1 the variance.
    pub row: usize,
    /// Weight of the new value, 0 to 1.
    pub momentum: f32,
    /// 1 for the mean, `n / (n − 1)` for a variance over n elements.
    pub factor: f32,
}

/// Checks `[N, C, …]` against `[2, C]` statistics and `[C]` vectors.
fn fits(op: &'static str, x: Shape, statistics: Shape, vectors: &[Shape]) -> Result<Channels> {
    let shape = channels(op, x)?;
    same(op, statistics, Shape::from([2, shape.channels]))?;
    vectors
        .iter()
        .try_for_each(|&v| same(op, v, Shape::from([shape.channels])))?;
    Ok(shape)
}

impl Op for BatchStatistics {
    const NAME: &'static str = "batch_statistics";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x] = inputs(Self::NAME, given)?;
        let shape = channels(Self::NAME, x)?;
        if shape.batch * shape.inner < 2 {
            let message = format!("[{x}] has one value a channel, and so no variance: use a larger batch");
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(Shape::from([2, shape.channels]))
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        cpu::statistics(io.shape(0).channels(), io.inputs[0], io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::statistics(io)
    }

    fn cases() -> Vec<Case> {
        shapes()
            .into_iter()
            .map(|shape| Case::new(Class::Reduction, BatchStatistics, [shape]).differentiable(&[]))
            // far from zero, where E[x²] − E[x]² would lose everything
            .chain([Case::new(Class::Reduction, BatchStatistics, [[3, 3, 65, 37]])
                .fill(0, Values::Uniform(999.0, 1001.0))
                .differentiable(&[])])
            .collect()
    }
}

fn shapes() -> [Shape; 6] {
    [
        Shape::from([3, 5, 7, 4]),
        Shape::from([3, 3, 129, 64]),
        Shape::from([3, 5, 7, 11]),
        Shape::from([2, 3, 129, 65]),
        Shape::from([7, 17]),
        Shape::from([3, 33, 1, 1]),
    ]
}

impl BatchNorm {
    fn cases_of(batch: bool) -> Vec<Case> {
        let case = |shape: Shape| {
            let c = shape[1];
            let shapes = [shape, Shape::from([2, c]), Shape::from([c]), Shape::from([c])];
            Case::new(Class::Reduction, BatchNorm { epsilon: 1e-5, batch }, shapes)
                .fill(1, Values::Uniform(0.1, 1.5))
                .differentiable(&[0, 2, 3])
        };
        shapes().into_iter().map(case).collect()
    }
}

/// Batch norm over the batch's own statistics, for a case: statistics and normalisation are one function.
fn of_the_batch(tape: &mut Tape, given: &[Var]) -> Result<Var> {
    let statistics = tape.push(BatchStatistics, &given[..1])?;
    let (epsilon, batch) = (1e-5, true);
    tape.push(
        BatchNorm { epsilon, batch },
        &[given[0], statistics, given[1], given[2]],
    )
}

impl Op for BatchNorm {
    const NAME: &'static str = "batch_norm";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, statistics, gamma, beta] = inputs(Self::NAME, given)?;
        fits(Self::NAME, x, statistics, &[gamma, beta])?;
        Ok(x)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let BatchNorm { epsilon, batch } = *self;
        let (x, statistics, gamma, dy) = (at.input(0), at.input(1), at.input(2), at.upstream());
        let sums = at.push(BatchNormSums { epsilon }, &[x, dy, statistics])?;
        let op = BatchNormInputGradient { epsilon, batch };
        at.give(0, op, &[x, dy, statistics, gamma, sums])?;
        let count = at.shape(gamma)?[0];
        for (input, row) in [(2, 1), (3, 0)] {
            if at.wants(input) {
                let (rows, start) = (at.push(Reshape::to([1, 2 * count]), &[sums])?, row * count);
                let row = at.push(SliceChannels { start, count }, &[rows])?;
                at.give(input, Reshape::to([count]), &[row])?;
            }
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let shape = io.shape(0).channels();
        let [x, statistics, gamma, beta, ..] = io.inputs;
        let epsilon = T::of(f64::from(self.epsilon));
        cpu::normalise(shape, x, statistics, [gamma, beta], epsilon, io.output, |y| y);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::normalise(io, self.epsilon, None)
    }

    fn cases() -> Vec<Case> {
        let whole = |shape: Shape| {
            let c = Shape::from([shape[1]]);
            Case::function(
                Class::Reduction,
                "batch_norm of the batch",
                of_the_batch,
                [shape, c, c],
            )
        };
        BatchNorm::cases_of(false)
            .into_iter()
            .chain(shapes().map(whole))
            .collect()
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }
}

impl Op for BatchNormSums {
    const NAME: &'static str = "batch_norm_sums";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy, statistics] = inputs(Self::NAME, given)?;
        same(Self::NAME, x, dy)?;
        fits(Self::NAME, x, statistics, &[])?;
        Ok(statistics)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let shape = io.shape(0).channels();
        let [x, dy, statistics, ..] = io.inputs;
        let epsilon = T::of(f64::from(self.epsilon));
        cpu::sums(shape, x, dy, statistics, epsilon, io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::sums(io, self.epsilon)
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape| {
            let op = BatchNormSums { epsilon: 1e-5 };
            Case::new(Class::Reduction, op, [shape, shape, Shape::from([2, shape[1]])])
                .fill(2, Values::Uniform(0.1, 1.5))
                .differentiable(&[])
        };
        shapes().into_iter().map(case).collect()
    }
}

impl Op for BatchNormInputGradient {
    const NAME: &'static str = "batch_norm_input_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, dy, statistics, gamma, sums] = inputs(Self::NAME, given)?;
        same(Self::NAME, x, dy)?;
        same(Self::NAME, statistics, sums)?;
        fits(Self::NAME, x, statistics, &[gamma])?;
        Ok(x)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let shape = io.shape(0).channels();
        let [x, dy, statistics, gamma, sums, ..] = io.inputs;
        let epsilon = T::of(f64::from(self.epsilon));
        let sums = self.batch.then_some(sums);
        cpu::input_gradient(shape, [x, dy], statistics, gamma, sums, epsilon, io.output);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::input_gradient(io, self.epsilon, self.batch)
    }

    fn cases() -> Vec<Case> {
        let case = |shape: Shape, batch| {
            let op = BatchNormInputGradient { epsilon: 1e-5, batch };
            let pair = Shape::from([2, shape[1]]);
            Case::new(
                Class::Reduction,
                op,
                [shape, shape, pair, Shape::from([shape[1]]), pair],
            )
            .fill(2, Values::Uniform(0.1, 1.5))
            .differentiable(&[])
        };
        shapes()
            .into_iter()
            .flat_map(|shape| [case(shape, true), case(shape, false)])
            .collect()
    }

    fn may_narrow(&self, inputs: &[bool]) -> bool {
        inputs.contains(&true)
    }
}

impl Op for UpdateRunningStatistic {
    const NAME: &'static str = "update_running_statistic";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [running, statistics] = inputs(Self::NAME, given)?;
        same(Self::NAME, statistics, Shape::from([2, running.len()]))?;
        if self.row > 1 {
            let message = format!(
                "statistics have two rows, the means and the variances; {} is neither",
                self.row
            );
            return Err(Error::shape(Self::NAME, message));
        }
        Ok(running)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let [running, ..] = io.mutated;
        let (momentum, factor) = (T::of(f64::from(self.momentum)), T::of(f64::from(self.factor)));
        let new = &io.inputs[1][self.row * running.len()..];
        for (running, &new) in running.iter_mut().zip(new) {
            *running = (T::one() - momentum) * *running + momentum * factor * new;
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        gpu::update(io, self)
    }

    fn cases() -> Vec<Case> {
        let case = |row, channels: usize| {
            let op = UpdateRunningStatistic {
                row,
                momentum: 0.1,
                factor: 1.25,
            };
            Case::new(
                Class::Elementwise,
                op,
                [Shape::from([channels]), Shape::from([2, channels])],
            )
            .differentiable(&[])
        };
        vec![case(0, 17), case(1, 17), case(1, 301)]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}
