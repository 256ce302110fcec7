//! The U-Net that separates all instruments at once: our own, the papers' have one network for each.

use super::{
    decoder::Decoder,
    direct::SUBSPACES,
    encoder::{Encoder, Last},
    separator::SeparatorConfig,
};
use crate::{
    error::Result,
    nn::{Build, Record},
    ops::{ChannelSoftmax, MultiplyChannels},
    tape::Var,
};

/// The [`Separator`](super::Separator)'s layers, of which the last gives a channel for each instrument. A softmax makes
/// masks of them: what one instrument is given, the others are not.
#[derive(Debug, Clone)]
pub struct JointSeparator {
    encoder: Encoder,
    decoder: Decoder,
}

/// What a [`JointSeparator`] makes of a mix.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// For each instrument its share of the mix: they add up to one. `[N, 5, F, T]`
    pub masks: Var,
    /// Masks × input. `[N, 5, F, T]`
    pub estimates: Var,
}

impl JointSeparator {
    /// Adds the network's parameters, under the names that the separator's have.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(config: &SeparatorConfig, build: &mut Build<'_>) -> Result<Self> {
        let SeparatorConfig { channels, dropout } = config;
        Ok(JointSeparator {
            encoder: Encoder::new(channels, Last::Activated, build)?,
            decoder: Decoder::new(channels, SUBSPACES, *dropout, 0, build)?,
        })
    }

    /// Records the network on a magnitude spectrogram `[N, 1, F, T]` of any size.
    ///
    /// # Errors
    /// As [`Separator::record`](super::Separator::record).
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Shares> {
        let encoded = self.encoder.record(at, magnitude)?;
        let logits = self.decoder.record(at, encoded.bottleneck()?, &encoded, "")?;
        at.tape.set_scope("mask");
        let masks = at.push(ChannelSoftmax, &[logits])?;
        let estimates = at.push(MultiplyChannels, &[masks, magnitude])?;
        Ok(Shares { masks, estimates })
    }
}
