//! The way up of a U-Net: transposed convolutions that see the skip of their size, and a mask in the end.

use rand_chacha::ChaCha8Rng;

use super::encoder::{Encoded, SLOPE};
use crate::{
    error::Result,
    nn::{BatchNorm2d, ConvTranspose2dLayer, Mode, Square},
    ops::{ConcatChannels, Dropout, LeakyRelu, Multiply, Sigmoid},
    tape::{Parameters, Role, Tape, Var},
};

/// Layers with dropout, from the deepest up.
const DROPPING: usize = 3;

/// Transposed convolutions 5×5 with stride 2, each but the last followed by batch norm and leaky ReLU 0.2; whole
/// channels of the first three are dropped in training. All but the first see the layer before and the encoder's
/// layer of the same size.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// The last has no norm: it ends in a sigmoid.
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
    /// Adds the parameters under `<prefix>decoder.0.deconv.weight` and so on. `channels` are the encoder's; `index`
    /// tells the decoders of one network apart.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        channels: &[usize],
        dropout: f32,
        index: u32,
        parameters: &mut Parameters,
        role: Role,
        prefix: &str,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(channels.len());
        // one up for each down; the last gives the mask's one channel
        for i in 0..channels.len() {
            let skip = channels.len() - 1 - i;
            let output = if skip == 0 { 1 } else { channels[skip - 1] };
            let input = if i == 0 {
                channels[skip]
            } else {
                2 * channels[skip]
            };
            let name = format!("{prefix}decoder.{i}");
            let (deconv, square) = (format!("{name}.deconv"), Square::HALVING);
            let deconv = ConvTranspose2dLayer::new(parameters, &deconv, [input, output], square, role, rng)?;
            let norm = match skip {
                0 => None,
                _ => Some(BatchNorm2d::new(
                    parameters,
                    &format!("{name}.norm"),
                    output,
                    role,
                )?),
            };
            layers.push((deconv, norm));
        }
        Ok(Decoder {
            layers,
            dropout,
            stream: index * DROPPING as u32,
        })
    }

    /// Records it on a bottleneck, which need not be the encoder's own, and the encoder's other layers. `magnitude`
    /// is what the mask is laid on. `scope` stands in front of the layers' names.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for an encoder of another size.
    #[expect(clippy::too_many_arguments, reason = "a figure with that many arrows")]
    pub fn record(
        &self,
        tape: &mut Tape,
        parameters: &Parameters,
        bottleneck: Var,
        encoded: &Encoded,
        magnitude: Var,
        mode: Mode,
        scope: &str,
    ) -> Result<Separated> {
        let mut x = bottleneck;
        let skips = encoded.layers.iter().rev().skip(1).map(Some);
        let skips = std::iter::once(None).chain(skips);
        let layers = self.layers.iter().zip(skips).zip(encoded.sizes.iter().rev());
        for (i, (((deconv, norm), skip), &size)) in layers.enumerate() {
            tape.set_scope(&format!("{scope}decoder.{i}"));
            if let Some(&skip) = skip {
                x = tape.push(ConcatChannels, &[x, skip])?;
            }
            x = deconv.record(tape, parameters, x, size)?;
            let Some(norm) = norm else { continue };
            x = norm.record(tape, parameters, x, mode)?;
            x = tape.push(LeakyRelu { slope: SLOPE }, &[x])?;
            if i < DROPPING && mode == Mode::Train && self.dropout > 0.0 {
                let dropout = Dropout {
                    rate: self.dropout,
                    stream: self.stream + i as u32,
                    whole_channels: true,
                };
                x = tape.push(dropout, &[x])?;
            }
        }
        tape.set_scope(&format!("{scope}mask"));
        let mask = tape.push(Sigmoid, &[x])?;
        let estimate = tape.push(Multiply, &[mask, magnitude])?;
        Ok(Separated { mask, estimate })
    }
}
