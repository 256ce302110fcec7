//! A plan as a table: its operations in order, then its buffers.

use std::fmt;

use super::{Flat, Plan, plan::Content};

impl Plan {
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
        if self.halves() > 0 {
            writeln!(f, "{} results kept in 16-bit floats", self.halves())?;
        }
        Ok(())
    }
}
