//! Our own network for all instruments: what Direct does behind a mel spectrogram, in vectors of length one, and
//! beside them whether each instrument sounds, which such a vector cannot say.

use super::{
    direct::SUBSPACES,
    encoder::{Encoder, Last},
    head::{Head, halved},
};
use crate::{
    error::{Error, Result},
    nn::{BatchNorm2d, Build, LinearLayer, LogMel, LogMelConfig, Record},
    ops::normalise_subspaces,
    tape::Var,
};

/// The network's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContrastConfig {
    /// Output channels of the encoder's layers. The last is a multiple of 5, and the number of dimensions of the
    /// embedding as well.
    pub channels: [usize; 6],
    /// Whether a batch norm stands between the embedding and its normalisation, so that what all mixes have in common
    /// does not count.
    pub centred: bool,
    /// What stands in front.
    pub log_mel: LogMelConfig,
}

/// Log-mel spectrogram, six halving convolutions of which the last is bare, mean over time; from that, by a linear layer
/// each, the embedding, whose sub-spaces are then brought to length one, and the logits of presence.
#[derive(Debug, Clone)]
pub struct ContrastNetwork {
    log_mel: LogMel,
    encoder: Encoder,
    head: Head,
    centre: Option<BatchNorm2d>,
    presence: LinearLayer,
}

/// What a [`ContrastNetwork`] makes of a mix.
#[derive(Debug, Clone, Copy)]
pub struct Contrasted {
    /// A vector of length one for each instrument, one after another. `[N, dimensions]`
    pub embedding: Var,
    /// The logit of the probability that each instrument sounds. `[N, 5]`
    pub presence: Var,
}

impl ContrastNetwork {
    /// Adds the network's parameters under `encoder.0.conv.weight` and so on, `linear.weight` and `presence.weight`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the last channels cannot be divided among the instruments; if the names are taken, or the
    /// mel filters cannot be made.
    pub fn new(config: &ContrastConfig, build: &mut Build<'_>) -> Result<Self> {
        let ContrastConfig {
            channels,
            centred,
            log_mel,
        } = config;
        let dimensions = channels[5];
        if !dimensions.is_multiple_of(SUBSPACES) {
            let message = format!(
                "{dimensions} channels in the last layer cannot be divided among {SUBSPACES} instruments"
            );
            return Err(Error::shape("contrast", message));
        }
        let flat = [dimensions, halved(log_mel.filters.mels, channels.len())];
        Ok(ContrastNetwork {
            log_mel: LogMel::new(log_mel)?,
            encoder: Encoder::new(1, channels, Last::Bare, build)?,
            head: Head::new(flat, dimensions, build)?,
            centre: match centred {
                true => Some(BatchNorm2d::new(&mut build.at("centre"), dimensions)?),
                false => None,
            },
            presence: LinearLayer::new(&mut build.at("presence"), [flat[0] * flat[1], SUBSPACES])?,
        })
    }

    /// Records the network on the magnitude spectrogram of a mix, `[N, 1, F, T]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `magnitude` is of another shape than the mel filters are for.
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Contrasted> {
        at.tape.set_scope("log-mel");
        let mels = self.log_mel.record(at.tape, magnitude)?;
        let encoded = self.encoder.record(at, mels)?;
        let features = Head::features(at, encoded.bottleneck()?)?;
        let mut embedding = self.head.of_features(at, features)?;
        if let Some(centre) = &self.centre {
            embedding = centre.record(at, embedding)?;
        }
        let embedding = normalise_subspaces(at.tape, embedding, SUBSPACES)?;
        at.tape.set_scope("presence");
        let presence = self.presence.record(at, features)?;
        Ok(Contrasted { embedding, presence })
    }
}
