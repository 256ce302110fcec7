//! The way down that all networks of Imamura et al. share: halving convolutions, norm, leaky ReLU.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    nn::{BatchNorm2d, Conv2dLayer, Mode, Square},
    ops::LeakyRelu,
    tape::{Parameters, Role, Tape, Var},
};

/// Slope of every leaky ReLU below 0.
pub(super) const SLOPE: f32 = 0.2;

/// Convolutions 5×5 with stride 2, each followed by batch norm and leaky ReLU 0.2.
#[derive(Debug, Clone)]
pub struct Encoder {
    layers: Vec<(Conv2dLayer, Option<BatchNorm2d>)>,
}

/// What an [`Encoder`] gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Every layer's output, the deepest last.
    pub layers: Vec<Var>,
    /// Height and width of every layer's input.
    pub sizes: Vec<[usize; 2]>,
}

/// What follows the last convolution of an [`Encoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Last {
    /// Norm and activation, as after the others: the separator's.
    Activated,
    /// Nothing: the feature extractors'.
    Bare,
}

impl Encoder {
    /// Adds the parameters of one layer for each entry of `channels`, under `<prefix>encoder.0.conv.weight` and so on.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        channels: &[usize],
        last: Last,
        parameters: &mut Parameters,
        role: Role,
        prefix: &str,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(channels.len());
        let mut input = 1;
        for (i, &output) in channels.iter().enumerate() {
            let name = format!("{prefix}encoder.{i}");
            let (conv, square) = (format!("{name}.conv"), Square::HALVING);
            let conv = Conv2dLayer::new(parameters, &conv, [input, output], square, role, rng)?;
            let norm = match i + 1 == channels.len() && last == Last::Bare {
                true => None,
                false => Some(BatchNorm2d::new(
                    parameters,
                    &format!("{name}.norm"),
                    output,
                    role,
                )?),
            };
            layers.push((conv, norm));
            input = output;
        }
        Ok(Encoder { layers })
    }

    /// Records it on `x [N, 1, F, T]`: layer i gives `[N, channels[i], ⌈F / 2ⁱ⁺¹⌉, ⌈T / 2ⁱ⁺¹⌉]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another shape; in training also where a layer with a norm has one value a
    /// channel.
    pub fn record(&self, tape: &mut Tape, parameters: &Parameters, x: Var, mode: Mode) -> Result<Encoded> {
        let (mut x, mut layers, mut sizes) = (x, Vec::new(), Vec::new());
        for (i, (conv, norm)) in self.layers.iter().enumerate() {
            tape.set_scope(&format!("encoder.{i}"));
            sizes.push(image_size(tape, x)?);
            x = conv.record(tape, parameters, x)?;
            if let Some(norm) = norm {
                x = norm.record(tape, parameters, x, mode)?;
                x = tape.push(LeakyRelu { slope: SLOPE }, &[x])?;
            }
            layers.push(x);
        }
        Ok(Encoded { layers, sizes })
    }
}

impl Encoded {
    /// The deepest layer's output.
    ///
    /// # Errors
    /// [`Error::Tape`] for an encoder without layers.
    pub fn bottleneck(&self) -> Result<Var> {
        let last = self.layers.last().copied();
        last.ok_or_else(|| Error::Tape("an encoder needs at least one layer".to_string()))
    }
}

fn image_size(tape: &Tape, x: Var) -> Result<[usize; 2]> {
    let shape = tape.shape(x)?;
    match shape.dims() {
        [_, _, f, t] => Ok([*f, *t]),
        _ => Err(Error::shape(
            "encoder",
            format!("needs [N, 1, F, T], but was given [{shape}]"),
        )),
    }
}
