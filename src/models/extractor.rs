//! The feature extractor of Clean and Cascade: one instrument in, 128 numbers out (Figure 2 of Imamura et al. 2025).

use super::{
    encoder::{Encoder, Last},
    head::{Head, halved},
};
use crate::{
    error::Result,
    nn::{Build, LogMel, LogMelConfig, Record},
    tape::Var,
};

/// The extractor's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtractorConfig {
    /// Output channels of the encoder's layers; the paper's are 16, 32, 64, 128, 256, 512.
    pub channels: [usize; 6],
    /// Numbers that an instrument is described by; the paper's 128.
    pub dimensions: usize,
    /// What stands in front: the paper's 259 mel bins by default.
    pub log_mel: LogMelConfig,
}

impl Default for ExtractorConfig {
    /// The paper's: 4,695,008 parameters.
    fn default() -> Self {
        ExtractorConfig {
            channels: [16, 32, 64, 128, 256, 512],
            dimensions: 128,
            log_mel: LogMelConfig::default(),
        }
    }
}

/// Log-mel spectrogram, six halving convolutions of which the last is bare, mean over time, linear.
#[derive(Debug, Clone)]
pub struct Extractor {
    log_mel: LogMel,
    encoder: Encoder,
    head: Head,
}

impl Extractor {
    /// Adds the network's parameters under `encoder.0.conv.weight` and so on, and `linear.weight`.
    ///
    /// # Errors
    /// If the names are taken, or the mel filters cannot be made.
    pub fn new(config: &ExtractorConfig, build: &mut Build<'_>) -> Result<Self> {
        let ExtractorConfig {
            channels,
            dimensions,
            log_mel,
        } = config;
        let flat = [channels[5], halved(log_mel.filters.mels, channels.len())];
        Ok(Extractor {
            log_mel: LogMel::new(log_mel)?,
            encoder: Encoder::new(1, channels, Last::Bare, build)?,
            head: Head::new(flat, *dimensions, build)?,
        })
    }

    /// Records the network on the magnitude spectrogram `[N, 1, F, T]` of one instrument, clean or separated:
    /// `[N, dimensions]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `magnitude` is of another shape than the mel filters are for.
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Var> {
        at.tape.set_scope("log-mel");
        let log_mel = self.log_mel.record(at.tape, magnitude)?;
        let encoded = self.encoder.record(at, log_mel)?;
        self.head.record(at, encoded.bottleneck()?)
    }
}
