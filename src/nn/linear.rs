use super::{Build, Record};
use crate::{
    error::Result,
    ops::Linear,
    tape::{ParameterId, Var},
};

/// A linear layer with bias. Parameters `weight [out, in]` and `bias [out]`.
#[derive(Debug, Clone)]
pub struct LinearLayer {
    weight: ParameterId,
    bias: ParameterId,
}

impl LinearLayer {
    /// Adds the layer's parameters.
    ///
    /// # Errors
    /// If the names are taken, or no tensor can be so large.
    pub fn new(build: &mut Build<'_>, [input, output]: [usize; 2]) -> Result<Self> {
        Ok(LinearLayer {
            weight: build.uniform("weight", [output, input], input)?,
            bias: build.uniform("bias", [output], input)?,
        })
    }

    /// `[N, in] → [N, out]`
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn record(&self, at: &mut Record<'_>, x: Var) -> Result<Var> {
        let operands = [x, at.parameter(self.weight)?, at.parameter(self.bias)?];
        at.push(Linear, &operands)
    }
}
