use super::Mode;
use crate::{
    error::Result,
    ops::{BatchNorm, BatchStatistics, ConcatChannels, Reshape, UpdateRunningStatistic},
    shape::Shape,
    tape::{ParameterId, Parameters, Role, Tape, Var},
};

/// PyTorch's defaults.
const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.1;

/// Batch norm with affine parameters. `<name>.weight`, `.bias`, `.running_mean`, `.running_var`, all
/// `[channels]`.
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
    /// If the name is taken.
    pub fn new(parameters: &mut Parameters, name: &str, channels: usize, role: Role) -> Result<Self> {
        let mut add = |what: &str, role, value: f32| {
            parameters.add(
                &format!("{name}.{what}"),
                Shape::from([channels]),
                role,
                vec![value; channels],
            )
        };
        Ok(BatchNorm2d {
            channels,
            weight: add("weight", role, 1.0)?,
            bias: add("bias", role, 0.0)?,
            running_mean: add("running_mean", Role::Statistic, 0.0)?,
            running_var: add("running_var", Role::Statistic, 1.0)?,
        })
    }

    /// `[N, channels, …] → [N, channels, …]`. In training the running statistics follow the batch's, the
    /// variance unbiased.
    ///
    /// # Errors
    /// If `x` does not fit; in training also if it has one value a channel.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters, x: Var, mode: Mode) -> Result<Var> {
        let mean = tape.parameter(parameters, self.running_mean)?;
        let variance = tape.parameter(parameters, self.running_var)?;
        let statistics = match mode {
            Mode::Train => {
                let statistics = tape.push(BatchStatistics, &[x])?;
                let count = (tape.shape(x)?.len() / self.channels) as f32;
                for (row, running, factor) in [(0, mean, 1.0), (1, variance, count / (count - 1.0))] {
                    let update = UpdateRunningStatistic {
                        row,
                        momentum: MOMENTUM,
                        factor,
                    };
                    tape.push(update, &[running, statistics])?;
                }
                statistics
            }
            Mode::Evaluate => {
                let row = Reshape {
                    shape: Shape::from([1, self.channels]),
                };
                let rows = [tape.push(row.clone(), &[mean])?, tape.push(row, &[variance])?];
                let both = tape.push(ConcatChannels, &rows)?;
                tape.push(
                    Reshape {
                        shape: Shape::from([2, self.channels]),
                    },
                    &[both],
                )?
            }
        };
        let (weight, bias) = (
            tape.parameter(parameters, self.weight)?,
            tape.parameter(parameters, self.bias)?,
        );
        let op = BatchNorm {
            epsilon: EPSILON,
            batch: mode == Mode::Train,
        };
        tape.push(op, &[x, statistics, weight, bias])
    }
}
