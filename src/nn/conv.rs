use super::{Build, Record};
use crate::{
    error::Result,
    ops::{Conv2d, ConvTranspose2d},
    tape::{ParameterId, Var},
};

/// Square convolution with bias. Parameters `weight [out, in, kernel, kernel]` and `bias [out]`.
#[derive(Debug, Clone)]
pub struct Conv2dLayer(Layer);

/// Square transposed convolution with bias. Parameters `weight [in, out, kernel, kernel]` and `bias [out]`.
#[derive(Debug, Clone)]
pub struct ConvTranspose2dLayer(Layer);

#[derive(Debug, Clone)]
struct Layer {
    weight: ParameterId,
    bias: ParameterId,
    square: Square,
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

impl Layer {
    /// PyTorch counts a weight's fan-in from its second dimension, also where that is the output, as in a transposed
    /// convolution.
    fn new(build: &mut Build<'_>, weight: [usize; 2], bias: usize, square: Square) -> Result<Self> {
        let [first, second] = weight;
        let Square { kernel, .. } = square;
        let fan_in = second * kernel * kernel;
        Ok(Layer {
            weight: build.uniform("weight", [first, second, kernel, kernel], fan_in)?,
            bias: build.uniform("bias", [bias], fan_in)?,
            square,
        })
    }

    fn operands(&self, at: &mut Record<'_>, x: Var) -> Result<[Var; 3]> {
        Ok([x, at.parameter(self.weight)?, at.parameter(self.bias)?])
    }
}

impl Conv2dLayer {
    /// Adds the layer's parameters.
    ///
    /// # Errors
    /// If the names are taken, or no tensor can be so large.
    pub fn new(build: &mut Build<'_>, [input, output]: [usize; 2], square: Square) -> Result<Self> {
        Layer::new(build, [output, input], output, square).map(Self)
    }

    /// `[N, in, H, W] → [N, out, ⌊(H + 2 padding − kernel) / stride⌋ + 1, …]`
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn record(&self, at: &mut Record<'_>, x: Var) -> Result<Var> {
        let operands = self.0.operands(at, x)?;
        let Square { stride, padding, .. } = self.0.square;
        let op = Conv2d {
            stride: [stride; 2],
            padding: [padding; 2],
        };
        at.push(op, &operands)
    }
}

impl ConvTranspose2dLayer {
    /// Adds the layer's parameters.
    ///
    /// # Errors
    /// As [`Conv2dLayer::new`].
    pub fn new(build: &mut Build<'_>, [input, output]: [usize; 2], square: Square) -> Result<Self> {
        Layer::new(build, [input, output], output, square).map(Self)
    }

    /// `[N, in, P, Q] → [N, out, size…]`
    ///
    /// # Errors
    /// If `x` does not fit, or cannot become that size.
    pub fn record(&self, at: &mut Record<'_>, x: Var, size: [usize; 2]) -> Result<Var> {
        let operands = self.0.operands(at, x)?;
        let Square { stride, padding, .. } = self.0.square;
        let op = ConvTranspose2d {
            stride: [stride; 2],
            padding: [padding; 2],
            output: size,
        };
        at.push(op, &operands)
    }
}
