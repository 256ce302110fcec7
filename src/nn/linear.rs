use rand_chacha::ChaCha8Rng;

use super::{init::fits, uniform_init};
use crate::{
    error::Result,
    ops::Linear,
    shape::Shape,
    tape::{ParameterId, Parameters, Role, Tape, Var},
};

/// A linear layer with bias. Parameters `<name>.weight [out, in]`, `<name>.bias [out]`.
#[derive(Debug, Clone)]
pub struct LinearLayer {
    weight: ParameterId,
    bias: ParameterId,
}

impl LinearLayer {
    /// Adds the layer's parameters.
    ///
    /// # Errors
    /// If the name is taken, or no tensor can be so large.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        [input, output]: [usize; 2],
        role: Role,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let (shape, place) = (Shape::from([output, input]), format!("{name}.weight"));
        fits(&place, shape)?;
        let weights = uniform_init(shape.len(), input, rng);
        let weight = parameters.add(&place, shape, role, weights)?;
        let biases = uniform_init(output, input, rng);
        let bias = parameters.add(&format!("{name}.bias"), Shape::from([output]), role, biases)?;
        Ok(LinearLayer { weight, bias })
    }

    /// `[N, in] → [N, out]`
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters, x: Var) -> Result<Var> {
        let operands = [
            x,
            tape.parameter(parameters, self.weight)?,
            tape.parameter(parameters, self.bias)?,
        ];
        tape.push(Linear, &operands)
    }
}
