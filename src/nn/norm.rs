use super::{Build, Mode, Record};
use crate::{
    error::Result,
    ops::{BatchNorm, BatchStatistics, ConcatChannels, Reshape, UpdateRunningStatistic},
    tape::{ParameterId, Role, Var},
};

/// PyTorch's defaults.
const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.1;

/// Batch norm with affine parameters: `weight`, `bias`, `running_mean` and `running_var`, all `[channels]`.
#[derive(Debug, Clone)]
pub struct BatchNorm2d {
    channels: usize,
    weight: ParameterId,
    bias: ParameterId,
    running_mean: ParameterId,
    running_var: ParameterId,
}

impl BatchNorm2d {
    /// Adds the layer's parameters and running statistics.
    ///
    /// # Errors
    /// If the names are taken, or no tensor can be so large.
    pub fn new(build: &mut Build<'_>, channels: usize) -> Result<Self> {
        let weight = build.fill("weight", [channels], 1.0)?;
        let bias = build.fill("bias", [channels], 0.0)?;
        let mut running = build.with(Role::Statistic);
        Ok(BatchNorm2d {
            channels,
            weight,
            bias,
            running_mean: running.fill("running_mean", [channels], 0.0)?,
            running_var: running.fill("running_var", [channels], 1.0)?,
        })
    }

    /// `[N, channels, …] → [N, channels, …]`. In training the running statistics follow the batch's, the
    /// variance unbiased.
    ///
    /// # Errors
    /// If `x` does not fit; in training also if it has one value a channel.
    pub fn record(&self, at: &mut Record<'_>, x: Var) -> Result<Var> {
        let running = [at.parameter(self.running_mean)?, at.parameter(self.running_var)?];
        let statistics = match at.mode {
            Mode::Train => self.of_the_batch(at, x, running)?,
            Mode::Evaluate => self.as_rows(at, running)?,
        };
        let op = BatchNorm {
            epsilon: EPSILON,
            batch: at.mode == Mode::Train,
        };
        let operands = [
            x,
            statistics,
            at.parameter(self.weight)?,
            at.parameter(self.bias)?,
        ];
        at.push(op, &operands)
    }

    /// The statistics of the batch, which the running ones follow.
    fn of_the_batch(&self, at: &mut Record<'_>, x: Var, [mean, variance]: [Var; 2]) -> Result<Var> {
        let statistics = at.push(BatchStatistics, &[x])?;
        let count = (at.tape.shape(x)?.len() / self.channels) as f32;
        for (row, running, factor) in [(0, mean, 1.0), (1, variance, count / (count - 1.0))] {
            let update = UpdateRunningStatistic {
                row,
                momentum: MOMENTUM,
                factor,
            };
            at.push(update, &[running, statistics])?;
        }
        Ok(statistics)
    }

    /// The running statistics as [`BatchNorm`] takes them.
    fn as_rows(&self, at: &mut Record<'_>, running: [Var; 2]) -> Result<Var> {
        let row = Reshape::to([1, self.channels]);
        let rows = [at.push(row.clone(), &running[..1])?, at.push(row, &running[1..])?];
        let both = at.push(ConcatChannels, &rows)?;
        at.push(Reshape::to([2, self.channels]), &[both])
    }
}
