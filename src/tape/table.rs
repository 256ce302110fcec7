//! A plan as a table: its operations in order, then its buffers.

use std::fmt;

use super::{
    Flat, Plan,
    plan::{Content, Step},
};
use crate::{
    kernel::{Dispatch, Slot},
    shape::Shape,
};

/// One operation of a plan, to be read.
#[derive(Clone, Copy)]
pub struct Planned<'a>(&'a Step);

impl<'a> Planned<'a> {
    /// The operation's name.
    pub fn name(self) -> &'static str {
        self.0.op.name()
    }

    /// Where on the tape it was recorded, what it is, and the shape of its result.
    pub fn label(self) -> &'a str {
        &self.0.label
    }

    /// Shapes of its inputs.
    pub fn inputs(self) -> &'a [Shape] {
        &self.0.shapes
    }

    /// Shape of its result.
    pub fn output(self) -> Shape {
        self.0.output_shape
    }

    /// The way in which it is computed, where there are several.
    pub fn variant(self) -> Option<&'static str> {
        self.0.op.variants(&self.0.io()).first().copied()
    }

    /// Floating-point operations of a convolution or matrix product, two per multiply-add.
    pub fn flops(self) -> u64 {
        self.0.op.flops(&self.0.io())
    }

    /// In the order in which they run.
    pub fn dispatches(self) -> &'a [Dispatch] {
        &self.0.kernels.dispatches
    }

    /// Number of elements of one of its tensors; 0 for one that it does not have.
    pub fn elements(self, slot: Slot) -> usize {
        let place = match slot {
            Slot::Input(i) => self.0.inputs.get(i),
            Slot::Output => Some(&self.0.output),
            Slot::Scratch(i) => self.0.scratch.get(i),
        };
        place.map_or(0, |place| place.len)
    }
}

impl Plan {
    /// Its operations, in the order in which they run.
    pub fn planned(&self) -> impl Iterator<Item = Planned<'_>> {
        self.steps.iter().map(Planned)
    }

    pub(super) fn input_name(&self, buffer: usize) -> String {
        let input = self.inputs.iter().position(|place| place.buffer == buffer);
        let name = input.and_then(|i| self.expected.get(i)).map(|e| e.name.as_str());
        format!("input '{}'", name.unwrap_or_default())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            let kernels = step
                .kernels
                .dispatches
                .iter()
                .map(|d| d.shader.name)
                .collect::<Vec<_>>()
                .join(" + ");
            let mflop = step.op.flops(&step.io()) as f64 / 1e6;
            write!(
                f,
                "{index:4}  {:<56} buffer {:<4} {}",
                step.label,
                step.output.buffer,
                if step.output.half { "f16" } else { "   " }
            )?;
            if mflop > 0.0 {
                write!(f, " {mflop:>10.1} Mflop")?;
            } else if !kernels.is_empty() {
                write!(f, " {:>16}", "")?;
            }
            writeln!(f, "  {kernels}")?;
        }
        writeln!(f)?;
        for (index, &len) in self.lengths.iter().enumerate().filter(|(_, len)| **len > 0) {
            let name = match (
                Flat::ALL.get(index),
                self.contents.get(index.wrapping_sub(Flat::ALL.len())),
            ) {
                (Some(flat), _) => flat.name().to_string(),
                (_, Some(Content::Input)) => self.input_name(index),
                (_, Some(Content::Constant(_))) => "constant".to_string(),
                _ => "activations".to_string(),
            };
            writeln!(
                f,
                "buffer {index:<4} {name:<24} {:>12.3} MiB",
                4.0 * len as f64 / f64::from(1 << 20)
            )?;
        }
        writeln!(
            f,
            "\n{} operations, {} dispatches, {} buffers, {:.1} MiB, {:.2} Gflop a replay",
            self.operations(),
            self.dispatches(),
            self.buffers(),
            self.bytes() as f64 / f64::from(1 << 20),
            self.flops() as f64 / 1e9
        )?;
        if self.fused > 0 {
            writeln!(f, "{} passes saved by fusing operations", self.fused)?;
        }
        if self.narrowed() > 0 {
            writeln!(f, "{} results kept in 16-bit floats", self.narrowed())?;
        }
        Ok(())
    }
}
