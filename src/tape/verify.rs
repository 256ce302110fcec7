//! What an operation says of itself, held against what a plan makes of it: an operation may be anybody's.

use std::collections::BTreeSet;

use super::{MAX_ELEMENTS, Node, Parameters, Tape, Var, plan::Step};
use crate::{
    error::{Error, Result},
    kernel::{Binding, MAX_GROUPS, Slot},
};

impl Tape {
    /// An error for outputs of another tape, tensors that are empty or too large, and lasting tensors that are not those
    /// of these parameters.
    pub(super) fn verify(&self, parameters: &Parameters, outputs: &[Var]) -> Result<()> {
        outputs.iter().try_for_each(|&var| self.own(var))?;
        for (index, entry) in self.entries.iter().enumerate() {
            let describe = || self.describe(self.var(index));
            if !(1..=MAX_ELEMENTS).contains(&entry.shape.len()) {
                return Err(Error::Tape(format!("{} is empty or too large", describe())));
            }
            let Node::Flat {
                flat,
                offset,
                name,
                whole,
            } = &entry.node
            else {
                continue;
            };
            let there = match whole {
                true => entry.shape.len() <= parameters.flat_len(*flat),
                false => parameters.holds(name, entry.shape, *flat, *offset),
            };
            if !there {
                let message =
                    "is not among the parameters: those of a tape and of its session are to be the same";
                return Err(Error::Tape(format!("{} {message}", describe())));
            }
        }
        Ok(())
    }
}

impl Step {
    /// An error if it would read and write one buffer, which WebGPU and the CPU's borrows forbid alike.
    pub(super) fn verify_buffers(&self) -> Result<()> {
        let mutates = self.op.mutates();
        let (changed, read): (Vec<_>, Vec<_>) = (0..self.inputs.len()).partition(|i| mutates.contains(i));
        let mut written: Vec<usize> = changed.iter().map(|&i| self.inputs[i].buffer).collect();
        if mutates.is_empty() {
            written.push(self.output.buffer);
        }
        let distinct: BTreeSet<_> = written.iter().collect();
        match distinct.len() < written.len() || read.iter().any(|&i| written.contains(&self.inputs[i].buffer))
        {
            true => Err(Error::Tape(format!(
                "{} would read and write one buffer",
                self.label
            ))),
            false => Ok(()),
        }
    }

    /// An error if no dispatch writes its result, or one binds what is not there, writes what it may only read, or has no
    /// grid.
    pub(super) fn verify(&self) -> Result<()> {
        let failed = |what: String| Err(Error::Tape(format!("{}: {what}", self.label)));
        let scratch = &self.kernels.scratch;
        if let Some(len) = scratch.iter().find(|len| !(1..=MAX_ELEMENTS).contains(*len)) {
            return failed(format!("a scratch buffer of {len} elements"));
        }
        let mutates = self.op.mutates();
        let result = Binding::Write(mutates.first().map_or(Slot::Output, |&i| Slot::Input(i)));
        let mut dispatches = self.kernels.dispatches.iter();
        if !dispatches.any(|dispatch| dispatch.bindings.contains(&result)) {
            return failed("none of its kernels writes its result".into());
        }
        for dispatch in &self.kernels.dispatches {
            for binding in &dispatch.bindings {
                let there = match *binding {
                    Binding::Step => true,
                    Binding::Read(slot) | Binding::Write(slot) => match slot {
                        Slot::Input(i) => i < self.inputs.len(),
                        Slot::Output => true,
                        Slot::Scratch(i) => i < scratch.len(),
                    },
                };
                let may = match *binding {
                    Binding::Write(Slot::Input(i)) => mutates.contains(&i),
                    _ => true,
                };
                if !there || !may {
                    return failed(format!(
                        "its kernel {} cannot have {binding:?}",
                        dispatch.shader.name
                    ));
                }
            }
            let mut groups = dispatch.groups.iter();
            if groups.any(|&n| !(1..=MAX_GROUPS).contains(&(n as usize))) {
                let (name, groups) = (dispatch.shader.name, dispatch.groups);
                return failed(format!("its kernel {name} has a grid of {groups:?}"));
            }
        }
        Ok(())
    }
}
