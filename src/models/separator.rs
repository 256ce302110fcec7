//! The U-Net that separates one instrument (Jansson et al. 2017; Figure 2 of Imamura et al. 2025).

use rand_chacha::ChaCha8Rng;

use super::{
    decoder::{Decoder, Separated},
    encoder::{Encoder, Last},
};
use crate::{
    error::Result,
    nn::Mode,
    tape::{Parameters, Role, Tape, Var},
};

/// Layers on the way down, and up again.
const LAYERS: usize = 6;

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
    encoder: Encoder,
    decoder: Decoder,
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
        let SeparatorConfig { channels, dropout } = config;
        Ok(Separator {
            encoder: Encoder::new(channels, Last::Activated, parameters, role, prefix, rng)?,
            decoder: Decoder::new(channels, *dropout, 0, parameters, role, prefix, rng)?,
        })
    }

    /// Records the network on a magnitude spectrogram `[N, 1, F, T]` of any size.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `magnitude` is of another shape; in training also where the
    /// bottleneck has one value a channel.
    pub fn record(
        &self,
        tape: &mut Tape,
        parameters: &Parameters,
        magnitude: Var,
        mode: Mode,
    ) -> Result<Separated> {
        let encoded = self.encoder.record(tape, parameters, magnitude, mode)?;
        let bottleneck = encoded.bottleneck()?;
        self.decoder
            .record(tape, parameters, bottleneck, &encoded, magnitude, mode, "")
    }
}
