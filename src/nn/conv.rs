use rand_chacha::ChaCha8Rng;

use super::{init::fits, uniform_init};
use crate::{
    error::Result,
    ops::{Conv2d, ConvTranspose2d},
    shape::Shape,
    tape::{ParameterId, Parameters, Role, Tape, Var},
};

/// Square convolution with bias. Parameters `<name>.weight [out, in, kernel, kernel]`, `<name>.bias [out]`.
#[derive(Debug, Clone)]
pub struct Conv2dLayer {
    weight: ParameterId,
    bias: ParameterId,
    stride: usize,
    padding: usize,
}

/// Square transposed convolution with bias. Parameters `<name>.weight [in, out, kernel, kernel]`,
/// `<name>.bias [out]`.
#[derive(Debug, Clone)]
pub struct ConvTranspose2dLayer {
    weight: ParameterId,
    bias: ParameterId,
    stride: usize,
    padding: usize,
}

/// Kernel size, stride and padding of a square convolution.
#[derive(Debug, Clone, Copy)]
pub struct Square {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between outputs, in both directions.
    pub stride: usize,
    /// Zeros on each side, in both directions.
    pub padding: usize,
}

impl Square {
    /// Every convolution of the papers: 5×5, stride 2, padding 2.
    pub const HALVING: Square = Square {
        kernel: 5,
        stride: 2,
        padding: 2,
    };
}

/// Adds a weight and a bias. PyTorch counts a weight's fan-in from its second dimension, also where that
/// is the output, as in a transposed convolution.
fn add(
    parameters: &mut Parameters,
    name: &str,
    shape: [usize; 4],
    bias: usize,
    role: Role,
    rng: &mut ChaCha8Rng,
) -> Result<(ParameterId, ParameterId)> {
    let (place, whole) = (format!("{name}.weight"), Shape::from(shape));
    fits(&place, whole)?;
    let fan_in = shape[1] * shape[2] * shape[3];
    let weights = uniform_init(whole.len(), fan_in, rng);
    let weight = parameters.add(&place, whole, role, weights)?;
    let biases = uniform_init(bias, fan_in, rng);
    let bias = parameters.add(&format!("{name}.bias"), Shape::from([bias]), role, biases)?;
    Ok((weight, bias))
}

impl Conv2dLayer {
    /// Adds the layer's parameters.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        [input, output]: [usize; 2],
        square: Square,
        role: Role,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let Square {
            kernel,
            stride,
            padding,
        } = square;
        let shape = [output, input, kernel, kernel];
        let (weight, bias) = add(parameters, name, shape, output, role, rng)?;
        Ok(Conv2dLayer {
            weight,
            bias,
            stride,
            padding,
        })
    }

    /// `[N, in, H, W] → [N, out, ⌊(H + 2 padding − kernel) / stride⌋ + 1, …]`
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters, x: Var) -> Result<Var> {
        let (w, b) = (
            tape.parameter(parameters, self.weight)?,
            tape.parameter(parameters, self.bias)?,
        );
        tape.push(
            Conv2d {
                stride: [self.stride; 2],
                padding: [self.padding; 2],
            },
            &[x, w, b],
        )
    }
}

impl ConvTranspose2dLayer {
    /// Adds the layer's parameters.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        [input, output]: [usize; 2],
        square: Square,
        role: Role,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let Square {
            kernel,
            stride,
            padding,
        } = square;
        let shape = [input, output, kernel, kernel];
        let (weight, bias) = add(parameters, name, shape, output, role, rng)?;
        Ok(ConvTranspose2dLayer {
            weight,
            bias,
            stride,
            padding,
        })
    }

    /// `[N, in, P, Q] → [N, out, size…]`
    ///
    /// # Errors
    /// If `x` does not fit, or cannot become that size.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters, x: Var, size: [usize; 2]) -> Result<Var> {
        let (w, b) = (
            tape.parameter(parameters, self.weight)?,
            tape.parameter(parameters, self.bias)?,
        );
        let op = ConvTranspose2d {
            stride: [self.stride; 2],
            padding: [self.padding; 2],
            output: size,
        };
        tape.push(op, &[x, w, b])
    }
}
