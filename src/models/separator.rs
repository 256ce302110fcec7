//! The U-Net that separates one instrument (Jansson et al. 2017; Figure 2 of Imamura et al. 2025).

use super::{
    decoder::{Decoder, Separated},
    encoder::{Encoder, Last},
};
use crate::{
    error::Result,
    nn::{Build, Record},
    tape::Var,
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
    /// Adds the network's parameters under `encoder.0.conv.weight` and so on.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(config: &SeparatorConfig, build: &mut Build<'_>) -> Result<Self> {
        let SeparatorConfig { channels, dropout } = config;
        Ok(Separator {
            encoder: Encoder::new(1, channels, Last::Activated, build)?,
            decoder: Decoder::new(channels, 1, *dropout, 0, build)?,
        })
    }

    /// Records the network on a magnitude spectrogram `[N, 1, F, T]` of any size.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `magnitude` is of another shape; in training also where the
    /// bottleneck has one value a channel.
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Separated> {
        let encoded = self.encoder.record(at, magnitude)?;
        let bottleneck = encoded.bottleneck()?;
        let logits = self.decoder.record(at, bottleneck, &encoded, "")?;
        Separated::record(at, logits, magnitude, "")
    }
}
