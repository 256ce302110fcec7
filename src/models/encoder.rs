//! The way down that all networks of Imamura et al. share: halving convolutions, norm, leaky ReLU.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    nn::{BatchNorm2d, Build, Conv2dLayer, Record, Square},
    ops::LeakyRelu,
    tape::{Tape, Var},
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
    /// Adds the parameters of one layer for each entry of `channels`, under `encoder.0.conv.weight` and so on, of which the
    /// first hears `inputs` channels.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(inputs: usize, channels: &[usize], last: Last, build: &mut Build<'_>) -> Result<Self> {
        let mut layers = Vec::with_capacity(channels.len());
        let mut input = inputs;
        for (i, &output) in channels.iter().enumerate() {
            let mut build = build.at(format_args!("encoder.{i}"));
            let conv = Conv2dLayer::new(&mut build.at("conv"), [input, output], Square::HALVING)?;
            let bare = i + 1 == channels.len() && last == Last::Bare;
            let norm = (!bare).then(|| BatchNorm2d::new(&mut build.at("norm"), output));
            layers.push((conv, norm.transpose()?));
            input = output;
        }
        Ok(Encoder { layers })
    }

    /// Records it on `x [N, inputs, F, T]`: layer i gives `[N, channels[i], ⌈F / 2ⁱ⁺¹⌉, ⌈T / 2ⁱ⁺¹⌉]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another shape; in training also where a layer with a norm has one value a
    /// channel.
    pub fn record(&self, at: &mut Record<'_>, x: Var) -> Result<Encoded> {
        let (mut x, mut layers, mut sizes) = (x, Vec::new(), Vec::new());
        for (i, (conv, norm)) in self.layers.iter().enumerate() {
            at.tape.set_scope(&format!("encoder.{i}"));
            sizes.push(image_size(at.tape, x)?);
            x = conv.record(at, x)?;
            if let Some(norm) = norm {
                x = norm.record(at, x)?;
                x = at.push(LeakyRelu { slope: SLOPE }, &[x])?;
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
            format!("needs [N, C, F, T], but was given [{shape}]"),
        )),
    }
}
