//! The convolutions of the separator: what a training step spends its time in.

use serde::Serialize;

use crate::{
    error::Result,
    kernel::uniform,
    models::SeparatorConfig,
    ops::{Conv2d, Conv2dWeightGradient, ConvTranspose2d},
    shape::Shape,
    tape::{Parameters, Role, Tape, Var},
};

const STRIDE: [usize; 2] = [2, 2];
const PADDING: [usize; 2] = [2, 2];
const KERNEL: [usize; 2] = [5, 5];

/// What the network sees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// Spectrograms.
    pub batch: usize,
    /// Of a spectrogram.
    pub bins: usize,
    /// Of a spectrogram.
    pub frames: usize,
    /// Channels of every layer, as a multiple of the paper's.
    pub width: f64,
}

/// A convolution between a big image and a small one. The encoder runs it down, the decoder up.
#[derive(Debug, Clone)]
pub struct Layer {
    /// `encoder.0` and so on.
    pub name: String,
    /// `[N, C, H, W]`
    pub big: [usize; 4],
    /// `[N, K, P, Q]`
    pub small: [usize; 4],
    /// Whether it makes the big image from the small one.
    pub up: bool,
}

/// What a layer computes in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The output.
    Forward,
    /// The gradient of the input.
    Input,
    /// The gradient of the weights.
    Weight,
}

impl Direction {
    /// All, in the order in which a step runs them.
    pub const ALL: [Direction; 3] = [Direction::Forward, Direction::Input, Direction::Weight];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Forward => "forward",
            Direction::Input => "input gradient",
            Direction::Weight => "weight gradient",
        }
    }
}

/// One operation on tensors that are on the device: no replay uploads them.
pub struct Recorded {
    /// The operands.
    pub parameters: Parameters,
    /// The operation.
    pub tape: Tape,
    /// Its result.
    pub output: Var,
    /// The least that has to be read and written, in bytes.
    pub bytes: usize,
}

/// The layers of the separator: encoder and decoder.
pub fn layers(size: &Size) -> Vec<Layer> {
    let channels = SeparatorConfig::of_width(size.width).channels;
    let halved = |n: usize, times: usize| (0..times).fold(n, |n, _| n.div_ceil(2));
    let image = |channels, times| {
        let [bins, frames] = [size.bins, size.frames].map(|n| halved(n, times));
        [size.batch, channels, bins, frames]
    };
    let down = |i: usize| Layer {
        name: format!("encoder.{i}"),
        big: image(if i == 0 { 1 } else { channels[i - 1] }, i),
        small: image(channels[i], i + 1),
        up: false,
    };
    // mirrored; all but the first see a skip of as many channels, too
    let up = |i: usize| {
        let Layer { big, mut small, .. } = down(channels.len() - 1 - i);
        small[1] *= if i == 0 { 1 } else { 2 };
        Layer {
            name: format!("decoder.{i}"),
            big,
            small,
            up: true,
        }
    };
    let count = channels.len();
    (0..count).map(down).chain((0..count).map(up)).collect()
}

impl Layer {
    /// Whether a training step runs this direction: nothing asks for the gradient of the first layer's input.
    pub fn has(&self, direction: Direction) -> bool {
        direction != Direction::Input || self.big[1] > 1 || self.up
    }

    /// Elements of its largest tensor.
    pub fn largest(&self) -> usize {
        let weight = [self.small[1], self.big[1], KERNEL[0], KERNEL[1]];
        let sizes = [self.big, self.small, weight].map(|shape| shape.iter().product());
        sizes.into_iter().max().unwrap_or(0)
    }

    /// Records one direction.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn record(&self, direction: Direction) -> Result<Recorded> {
        let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
        let (big, small) = (Shape::from(self.big), Shape::from(self.small));
        let weight = Shape::from([self.small[1], self.big[1], KERNEL[0], KERNEL[1]]);
        let mut bytes = 0;
        let mut tensors = |tape: &mut Tape, shapes: &[Shape]| -> Result<Vec<Var>> {
            let mut vars = Vec::with_capacity(shapes.len());
            for (i, &shape) in shapes.iter().enumerate() {
                let noise = (0..shape.len()).map(|j| 2.0 * uniform([1, 2], 0, i as u32, j as u32) - 1.0);
                let name = format!("operand {i}");
                let id = parameters.add(&name, shape, Role::Frozen, noise.collect())?;
                vars.push(tape.parameter(&parameters, id)?);
                bytes += 4 * shape.len();
            }
            Ok(vars)
        };
        let (stride, padding) = (STRIDE, PADDING);
        let bias = |channels: usize| (direction == Direction::Forward).then(|| Shape::from([channels]));
        let output = match (direction, self.up) {
            (Direction::Weight, _) => {
                let operands = tensors(&mut tape, &[big, small])?;
                let op = Conv2dWeightGradient {
                    stride,
                    padding,
                    kernel: KERNEL,
                };
                tape.push(op, &operands)?
            }
            (Direction::Forward, false) | (Direction::Input, true) => {
                let shapes: Vec<Shape> = [big, weight].into_iter().chain(bias(self.small[1])).collect();
                let operands = tensors(&mut tape, &shapes)?;
                tape.push(Conv2d { stride, padding }, &operands)?
            }
            (Direction::Forward, true) | (Direction::Input, false) => {
                let shapes: Vec<Shape> = [small, weight].into_iter().chain(bias(self.big[1])).collect();
                let operands = tensors(&mut tape, &shapes)?;
                let op = ConvTranspose2d {
                    stride,
                    padding,
                    output: [self.big[2], self.big[3]],
                };
                tape.push(op, &operands)?
            }
        };
        bytes += 4 * tape.shape(output)?.len();
        Ok(Recorded {
            parameters,
            tape,
            output,
            bytes,
        })
    }
}
