//! The named tensors of a model and their places in the flat buffers.

use std::{collections::HashMap, sync::Arc};

use super::Serial;
use crate::{
    error::{Error, Result},
    shape::Shape,
};

/// What becomes of a named tensor in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Updated by the optimizer.
    Trainable,
    /// Never changed.
    Frozen,
    /// Changed by the forward pass: running statistics.
    Statistic,
}

/// The buffers that outlive a replay, each one allocation: one dispatch updates all parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flat {
    /// Trainable tensors.
    Parameters,
    /// The loss's gradients, laid out like the parameters.
    Gradients,
    /// Gradients added up over several replays, laid out like the parameters.
    Accumulated,
    /// Adam's m, laid out like the parameters.
    FirstMoment,
    /// Adam's v, laid out like the parameters.
    SecondMoment,
    /// Tensors that never change.
    Frozen,
    /// Running statistics of the forward pass.
    Statistics,
    /// Rings of recorded scalars: [`HISTORY_SLOTS`] of [`HISTORY_STEPS`] each.
    History,
    /// What keeps the gradients of 16-bit floats in range: see [`UpdateLossScale`](crate::ops::UpdateLossScale).
    Scaler,
}

impl Flat {
    /// All flat buffers, in the order in which a plan numbers them.
    pub const ALL: [Flat; 9] = [
        Flat::Parameters,
        Flat::Gradients,
        Flat::Accumulated,
        Flat::FirstMoment,
        Flat::SecondMoment,
        Flat::Frozen,
        Flat::Statistics,
        Flat::History,
        Flat::Scaler,
    ];

    /// Those that hold something before anything was run.
    pub(super) const INITIAL: [Flat; 4] = [Flat::Parameters, Flat::Frozen, Flat::Statistics, Flat::Scaler];

    /// Name for tables and messages.
    pub fn name(self) -> &'static str {
        match self {
            Flat::Parameters => "parameters",
            Flat::Gradients => "gradients",
            Flat::Accumulated => "accumulated gradients",
            Flat::FirstMoment => "first moment",
            Flat::SecondMoment => "second moment",
            Flat::Frozen => "frozen parameters",
            Flat::Statistics => "running statistics",
            Flat::History => "history",
            Flat::Scaler => "loss scale",
        }
    }
}

/// Scalars that a tape can record.
pub const HISTORY_SLOTS: usize = 8;
/// Steps for which each recorded scalar is kept.
pub const HISTORY_STEPS: usize = 64;

/// Numbers of [`Flat::Scaler`].
pub const SCALER_LEN: usize = 4;
/// What the loss is first multiplied by.
const FIRST_SCALE: f32 = 65_536.0;

/// Tensors start at multiples of 256 bytes, the coarsest alignment that WebGPU allows an adapter to ask.
const ALIGNMENT: usize = 64;

/// Names one tensor of [`Parameters`], and of clones of them that were made after it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParameterId {
    index: usize,
    serial: Serial,
}

/// One named tensor.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Unique in the model, as in checkpoints: `encoder.0.weight`.
    pub name: String,
    /// Shape of the tensor.
    pub shape: Shape,
    /// Decides its flat buffer.
    pub role: Role,
    /// The value that a new run starts from; clones share it.
    pub initial: Arc<[f32]>,
    /// First element in its flat buffer.
    pub offset: usize,
    serial: Serial,
}

impl Parameter {
    /// The flat buffer that holds it.
    pub fn flat(&self) -> Flat {
        match self.role {
            Role::Trainable => Flat::Parameters,
            Role::Frozen => Flat::Frozen,
            Role::Statistic => Flat::Statistics,
        }
    }
}

/// All named tensors of a model, in the order they were added.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    all: Vec<Parameter>,
    by_name: HashMap<String, usize>,
    lengths: [usize; 3],
}

impl Parameters {
    /// Adds a tensor.
    ///
    /// # Errors
    /// [`Error::Tape`] if the name is taken, [`Error::Length`] if `initial` does not fill the shape.
    pub fn add(&mut self, name: &str, shape: Shape, role: Role, initial: Vec<f32>) -> Result<ParameterId> {
        Error::check_len(initial.len(), shape.len(), || {
            format!("parameter '{name}' [{shape}]")
        })?;
        self.declare(name, shape, role, initial)
    }

    /// Adds a tensor, with no values if `initial` is empty: they count as 0.
    pub(crate) fn declare(
        &mut self,
        name: &str,
        shape: Shape,
        role: Role,
        initial: Vec<f32>,
    ) -> Result<ParameterId> {
        if self.by_name.contains_key(name) {
            return Err(Error::Tape(format!("there are two parameters '{name}'")));
        }
        self.by_name.insert(name.to_string(), self.all.len());
        let end = &mut self.lengths[role as usize];
        let offset = *end;
        *end += shape.len().next_multiple_of(ALIGNMENT);
        let serial = Serial::next();
        self.all.push(Parameter {
            name: name.to_string(),
            shape,
            role,
            initial: initial.into(),
            offset,
            serial,
        });
        let index = self.all.len() - 1;
        Ok(ParameterId { index, serial })
    }

    /// Replaces the value that a new run starts from.
    ///
    /// # Errors
    /// [`Error::Tape`] if there is no such tensor, [`Error::Length`] if the values do not fill its shape.
    pub fn set_initial(&mut self, name: &str, initial: Vec<f32>) -> Result<()> {
        let Some(&index) = self.by_name.get(name) else {
            return Err(Error::Tape(format!("there is no parameter '{name}'")));
        };
        let parameter = &mut self.all[index];
        let shape = parameter.shape;
        Error::check_len(initial.len(), shape.len(), || {
            format!("parameter '{name}' [{shape}]")
        })?;
        parameter.initial = initial.into();
        Ok(())
    }

    /// The tensor of an id that [`add`](Self::add) gave.
    ///
    /// # Errors
    /// [`Error::Tape`] if it was another's `add`.
    pub fn get(&self, id: ParameterId) -> Result<&Parameter> {
        let there = self.all.get(id.index);
        let own = there.filter(|parameter| parameter.serial == id.serial);
        own.ok_or_else(|| {
            let message =
                "a parameter's id goes with the parameters that it was given by, and with no others";
            Error::Tape(message.to_string())
        })
    }

    /// Whether there is a tensor of that name, shape and place.
    pub(super) fn holds(&self, name: &str, shape: Shape, flat: Flat, offset: usize) -> bool {
        let found = self.find(name);
        found.is_some_and(|p| (p.shape, p.flat(), p.offset) == (shape, flat, offset))
    }

    /// All tensors, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.all.iter()
    }

    /// The tensor of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Parameter> {
        self.by_name.get(name).map(|&index| &self.all[index])
    }

    /// Number of values with this role.
    pub fn count(&self, role: Role) -> usize {
        self.all
            .iter()
            .filter(|p| p.role == role)
            .map(|p| p.shape.len())
            .sum()
    }

    /// Length of a flat buffer, padding included; at least 1.
    pub fn flat_len(&self, flat: Flat) -> usize {
        let role = match flat {
            Flat::Parameters
            | Flat::Gradients
            | Flat::Accumulated
            | Flat::FirstMoment
            | Flat::SecondMoment => Role::Trainable,
            Flat::Frozen => Role::Frozen,
            Flat::Statistics => Role::Statistic,
            Flat::History => return HISTORY_SLOTS * HISTORY_STEPS,
            Flat::Scaler => return SCALER_LEN,
        };
        self.lengths[role as usize].max(ALIGNMENT)
    }

    /// The initial content of a flat buffer.
    pub fn initial(&self, flat: Flat) -> Vec<f32> {
        let mut values = vec![0.0; self.flat_len(flat)];
        if flat == Flat::Scaler {
            values[0] = FIRST_SCALE;
        }
        for parameter in self.all.iter().filter(|p| p.flat() == flat) {
            values[parameter.offset..][..parameter.initial.len()].copy_from_slice(&parameter.initial);
        }
        values
    }
}
