//! The U-Net that separates all instruments at once: our own, the papers' have one network for each.

use std::sync::Arc;

use super::{
    decoder::Decoder,
    direct::SUBSPACES,
    encoder::{Encoder, Last},
    separator::SeparatorConfig,
};
use crate::{
    error::Result,
    nn::{BatchNorm2d, Build, Record},
    ops::{ChannelSoftmax, ConcatChannels, Decibel, MultiplyChannels, Reshape, filterbank},
    signal::{BandedMatrix, Bands},
    tape::Var,
};

/// The least magnitude that is told apart from silence: 60 dB below that of a sine of full scale.
const FLOOR: f32 = 0.5;

/// The network's size, and what it hears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointConfig {
    /// The U-Net's.
    pub separator: SeparatorConfig,
    /// Bins of the magnitude.
    pub bins: usize,
    /// Frequency bands; `None`: the network hears and masks bins, as they are.
    pub bands: Option<usize>,
}

/// The [`Separator`](super::Separator)'s layers, of which the last gives a channel for each instrument. A softmax makes
/// masks of them: what one instrument is given, the others are not.
#[derive(Debug, Clone)]
pub struct JointSeparator {
    hearing: Option<Hearing>,
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

/// Bands in decibels, each with mean 0 and deviation 1 over what training hears, and beside them how high each is.
#[derive(Debug, Clone)]
struct Hearing {
    means: Arc<BandedMatrix>,
    interpolation: Arc<BandedMatrix>,
    norm: BatchNorm2d,
}

impl JointSeparator {
    /// Adds the network's parameters, under the names that the separator's have; with bands, also `bands.weight` and what
    /// else a batch norm has.
    ///
    /// # Errors
    /// If the names are taken, or there are more bands than bins.
    pub fn new(config: &JointConfig, build: &mut Build<'_>) -> Result<Self> {
        let SeparatorConfig { channels, dropout } = config.separator;
        let hearing = match config.bands {
            Some(bands) => Some(Hearing::new(config.bins, bands, build)?),
            None => None,
        };
        let inputs = if hearing.is_some() { 2 } else { 1 };
        Ok(JointSeparator {
            hearing,
            encoder: Encoder::new(inputs, &channels, Last::Activated, build)?,
            decoder: Decoder::new(&channels, SUBSPACES, dropout, 0, build)?,
        })
    }

    /// Records the network on a magnitude spectrogram `[N, 1, F, T]`, of any size where it hears bins.
    ///
    /// # Errors
    /// As [`Separator::record`](super::Separator::record); [`Error::Shape`](crate::Error::Shape) also for another number of
    /// bins than the bands are for.
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Shares> {
        let heard = match &self.hearing {
            Some(hearing) => hearing.record(at, magnitude)?,
            None => magnitude,
        };
        let encoded = self.encoder.record(at, heard)?;
        let mut logits = self.decoder.record(at, encoded.bottleneck()?, &encoded, "")?;
        at.tape.set_scope("mask");
        if let Some(hearing) = &self.hearing {
            logits = filterbank(at.tape, logits, &hearing.interpolation)?;
        }
        let masks = at.push(ChannelSoftmax, &[logits])?;
        let estimates = at.push(MultiplyChannels, &[masks, magnitude])?;
        Ok(Shares { masks, estimates })
    }
}

impl Hearing {
    fn new(bins: usize, bands: usize, build: &mut Build<'_>) -> Result<Self> {
        let scale = Bands::new(bins, bands)?;
        Ok(Hearing {
            means: Arc::new(scale.means()?),
            interpolation: Arc::new(scale.interpolation()?),
            norm: BatchNorm2d::new(&mut build.at("bands"), bands)?,
        })
    }

    /// `[N, 1, bins, T] → [N, 2, bands, T]`
    fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Var> {
        at.tape.set_scope("bands");
        let bands = filterbank(at.tape, magnitude, &self.means)?;
        let decibels = at.push(Decibel { floor: FLOOR }, &[bands])?;
        // a norm is of channels: bands take their place
        let shape = at.tape.shape(decibels)?;
        let (items, bands, frames) = (shape[0], shape[2], shape[3]);
        let channels = at.push(Reshape::to([items, bands, 1, frames]), &[decibels])?;
        let normalised = self.norm.record(at, channels)?;
        let image = at.push(Reshape { shape }, &[normalised])?;
        let height = |band: usize| 2.0 * band as f32 / (bands - 1) as f32 - 1.0;
        let heights: Vec<f32> = (0..items * bands * frames)
            .map(|i| height(i / frames % bands))
            .collect();
        let heights = at.tape.constant(shape, &heights)?;
        at.push(ConcatChannels, &[image, heights])
    }
}
