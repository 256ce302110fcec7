//! The U-Net that separates one instrument (Jansson et al. 2017; Figure 2 of Imamura et al. 2025).

use rand_chacha::ChaCha8Rng;

use crate::{
    error::{Error, Result},
    nn::{BatchNorm2d, Conv2dLayer, ConvTranspose2dLayer, Mode, Square},
    ops::{ConcatChannels, Dropout, LeakyRelu, Multiply, Sigmoid},
    tape::{Parameters, Role, Tape, Var},
};

/// Layers on the way down, and up again.
const LAYERS: usize = 6;
const SLOPE: f32 = 0.2;
/// Decoder layers with dropout.
const DROPPING: usize = 3;

/// The separator's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeparatorConfig {
    /// Output channels of the encoder's layers; the paper's are 16, 32, 64, 128, 256, 512. The decoder
    /// mirrors them.
    pub channels: [usize; LAYERS],
    /// Whole-channel dropout on the first three decoder layers; the paper's is 0.5.
    pub dropout: f32,
}

impl Default for SeparatorConfig {
    /// The paper's.
    fn default() -> Self {
        SeparatorConfig {
            channels: [16, 32, 64, 128, 256, 512],
            dropout: 0.5,
        }
    }
}

impl SeparatorConfig {
    /// The paper's network with its channels times `width`, at least one each.
    pub fn of_width(width: f64) -> Self {
        let paper = Self::default();
        SeparatorConfig {
            channels: paper
                .channels
                .map(|c| ((c as f64 * width).round() as usize).max(1)),
            ..paper
        }
    }
}

/// The U-Net: six convolutions down, six transposed convolutions up, each up layer seeing the skip of its
/// size; every one 5×5 with stride 2.
#[derive(Debug, Clone)]
pub struct Separator {
    encoder: Vec<(Conv2dLayer, BatchNorm2d)>,
    /// The last has no norm: it ends in a sigmoid.
    decoder: Vec<(ConvTranspose2dLayer, Option<BatchNorm2d>)>,
    dropout: f32,
}

/// What the separator gives.
#[derive(Debug, Clone, Copy)]
pub struct Separated {
    /// In (0, 1). `[N, 1, F, T]`
    pub mask: Var,
    /// Mask × input. `[N, 1, F, T]`
    pub estimate: Var,
}

impl Separator {
    /// Adds the network's parameters under `<prefix>encoder.0.conv.weight` and so on.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(
        config: &SeparatorConfig,
        parameters: &mut Parameters,
        role: Role,
        prefix: &str,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let down = &config.channels;
        let mut encoder = Vec::with_capacity(LAYERS);
        for i in 0..LAYERS {
            let input = if i == 0 { 1 } else { down[i - 1] };
            let name = format!("{prefix}encoder.{i}");
            let pair = [input, down[i]];
            encoder.push((
                Conv2dLayer::new(
                    parameters,
                    &format!("{name}.conv"),
                    pair,
                    Square::HALVING,
                    role,
                    rng,
                )?,
                BatchNorm2d::new(parameters, &format!("{name}.norm"), down[i], role)?,
            ));
        }
        let mut decoder = Vec::with_capacity(LAYERS);
        for i in 0..LAYERS {
            let skip = LAYERS - 1 - i;
            // the first sees the bottleneck, the others the layer before and a skip of as many channels
            let input = if i == 0 { down[skip] } else { 2 * down[skip] };
            let output = if skip == 0 { 1 } else { down[skip - 1] };
            let name = format!("{prefix}decoder.{i}");
            let deconv = format!("{name}.deconv");
            let pair = [input, output];
            let layer = ConvTranspose2dLayer::new(parameters, &deconv, pair, Square::HALVING, role, rng)?;
            let norm = match skip {
                0 => None,
                _ => Some(BatchNorm2d::new(
                    parameters,
                    &format!("{name}.norm"),
                    output,
                    role,
                )?),
            };
            decoder.push((layer, norm));
        }
        Ok(Separator {
            encoder,
            decoder,
            dropout: config.dropout,
        })
    }

    /// Records the network on a magnitude spectrogram `[N, 1, F, T]` of any size.
    ///
    /// # Errors
    /// [`Error::Shape`] if `magnitude` is of another shape; in training also where the bottleneck has one
    /// value a channel.
    pub fn record(
        &self,
        tape: &mut Tape,
        parameters: &Parameters,
        magnitude: Var,
        mode: Mode,
    ) -> Result<Separated> {
        let size = |tape: &Tape, var| {
            let shape = tape.shape(var);
            match shape.dims() {
                [_, _, f, t] => Ok([*f, *t]),
                _ => Err(Error::shape(
                    "separator",
                    format!("needs [N, 1, F, T], but was given [{shape}]"),
                )),
            }
        };
        let leaky = LeakyRelu { slope: SLOPE };
        let mut x = magnitude;
        let mut sizes = vec![size(tape, x)?];
        let mut skips = Vec::with_capacity(LAYERS);
        for (i, (conv, norm)) in self.encoder.iter().enumerate() {
            tape.set_scope(&format!("encoder.{i}"));
            x = conv.record(tape, parameters, x)?;
            x = norm.record(tape, parameters, x, mode)?;
            x = tape.push(leaky.clone(), &[x])?;
            sizes.push(size(tape, x)?);
            skips.push(x);
        }
        skips.pop(); // the bottleneck is no skip
        for (i, (deconv, norm)) in self.decoder.iter().enumerate() {
            tape.set_scope(&format!("decoder.{i}"));
            if i > 0
                && let Some(skip) = skips.pop()
            {
                x = tape.push(ConcatChannels, &[x, skip])?;
            }
            x = deconv.record(tape, parameters, x, sizes[LAYERS - 1 - i])?;
            let Some(norm) = norm else { continue };
            x = norm.record(tape, parameters, x, mode)?;
            x = tape.push(leaky.clone(), &[x])?;
            if i < DROPPING && mode == Mode::Train && self.dropout > 0.0 {
                let dropout = Dropout {
                    rate: self.dropout,
                    stream: i as u32,
                    whole_channels: true,
                };
                x = tape.push(dropout, &[x])?;
            }
        }
        tape.set_scope("mask");
        let mask = tape.push(Sigmoid, &[x])?;
        let estimate = tape.push(Multiply, &[mask, magnitude])?;
        Ok(Separated { mask, estimate })
    }
}
