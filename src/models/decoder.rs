//! The way up of a U-Net: transposed convolutions that see the skip of their size, and the logits of masks in the end.

use super::encoder::{Encoded, SLOPE};
use crate::{
    error::Result,
    nn::{BatchNorm2d, Build, ConvTranspose2dLayer, Mode, Record, Square},
    ops::{ConcatChannels, Dropout, LeakyRelu, Multiply, Sigmoid},
    tape::Var,
};

/// Layers with dropout, from the deepest up.
const DROPPING: usize = 3;

/// Transposed convolutions 5×5 with stride 2, each but the last followed by batch norm and leaky ReLU 0.2; whole
/// channels of the first three are dropped in training. All but the first see the layer before and the encoder's
/// layer of the same size.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// The last has no norm: it gives logits.
    layers: Vec<(ConvTranspose2dLayer, Option<BatchNorm2d>)>,
    dropout: f32,
    /// Random numbers of its dropout: of several decoders, each has its own.
    stream: u32,
}

/// What a network that separates gives for one instrument.
#[derive(Debug, Clone, Copy)]
pub struct Separated {
    /// In (0, 1). `[N, 1, F, T]`
    pub mask: Var,
    /// Mask × input. `[N, 1, F, T]`
    pub estimate: Var,
}

impl Decoder {
    /// Adds the parameters under `decoder.0.deconv.weight` and so on. `channels` are the encoder's, `outputs` those of
    /// the last layer; `index` tells the decoders of one network apart.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        channels: &[usize],
        outputs: usize,
        dropout: f32,
        index: u32,
        build: &mut Build<'_>,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(channels.len());
        // one up for each down
        for i in 0..channels.len() {
            let skip = channels.len() - 1 - i;
            let output = if skip == 0 { outputs } else { channels[skip - 1] };
            let input = if i == 0 {
                channels[skip]
            } else {
                2 * channels[skip]
            };
            let mut build = build.at(format_args!("decoder.{i}"));
            let deconv =
                ConvTranspose2dLayer::new(&mut build.at("deconv"), [input, output], Square::HALVING)?;
            let norm = (skip > 0).then(|| BatchNorm2d::new(&mut build.at("norm"), output));
            layers.push((deconv, norm.transpose()?));
        }
        Ok(Decoder {
            layers,
            dropout,
            stream: index * DROPPING as u32,
        })
    }

    /// Records it on a bottleneck, which need not be the encoder's own, and the encoder's other layers, up to what masks
    /// are made of. `scope` stands in front of the layers' names. `[N, outputs, F, T]`
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for an encoder of another size.
    pub fn record(
        &self,
        at: &mut Record<'_>,
        bottleneck: Var,
        encoded: &Encoded,
        scope: &str,
    ) -> Result<Var> {
        let mut x = bottleneck;
        let skips = encoded.layers.iter().rev().skip(1).map(Some);
        let skips = std::iter::once(None).chain(skips);
        let layers = self.layers.iter().zip(skips).zip(encoded.sizes.iter().rev());
        for (i, (((deconv, norm), skip), &size)) in layers.enumerate() {
            at.tape.set_scope(&format!("{scope}decoder.{i}"));
            if let Some(&skip) = skip {
                x = at.push(ConcatChannels, &[x, skip])?;
            }
            x = deconv.record(at, x, size)?;
            let Some(norm) = norm else { continue };
            x = norm.record(at, x)?;
            x = at.push(LeakyRelu { slope: SLOPE }, &[x])?;
            if i < DROPPING && at.mode == Mode::Train && self.dropout > 0.0 {
                let dropout = Dropout {
                    rate: self.dropout,
                    stream: self.stream + i as u32,
                    whole_channels: true,
                };
                x = at.push(dropout, &[x])?;
            }
        }
        Ok(x)
    }
}

impl Separated {
    /// Records the mask of logits `[N, 1, F, T]`, each in itself, and lays it on a magnitude. `scope` is as
    /// [`Decoder::record`] was given it.
    pub(super) fn record(at: &mut Record<'_>, logits: Var, magnitude: Var, scope: &str) -> Result<Self> {
        at.tape.set_scope(&format!("{scope}mask"));
        let mask = at.push(Sigmoid, &[logits])?;
        let estimate = at.push(Multiply, &[mask, magnitude])?;
        Ok(Separated { mask, estimate })
    }
}
