use std::sync::Arc;

use crate::{
    error::Result,
    ops::{Decibel, StftOutput, filterbank, standardise, stft},
    signal::{BandedMatrix, MelFilters},
    tape::{Tape, Var},
};

/// Window of the papers' spectrograms, in samples at 44.1 kHz; hence 1025 bins.
pub const WINDOW: usize = 2048;
/// Step of the papers' spectrograms, in samples at 44.1 kHz: 3 s have 259 frames, 5 s 431, 10 s 862.
pub const HOP: usize = 512;

/// The magnitude spectrogram that every network starts from, with the papers' [`WINDOW`] and [`HOP`]: periodic Hann
/// window, centred, both ends reflected. `[B, 1, samples] → [B, 1, 1025, 1 + samples / 512]`. Has no gradient.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `samples` has another shape, or 1024 samples or fewer.
pub fn magnitude(tape: &mut Tape, samples: Var) -> Result<Var> {
    stft(tape, samples, WINDOW, HOP, StftOutput::Magnitude)
}

/// What becomes of a magnitude spectrogram before a feature extractor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogMelConfig {
    /// The filters; the papers' are the default.
    pub filters: MelFilters,
    /// The least magnitude that is told apart from silence.
    pub floor: f32,
    /// What is added to the standard deviation.
    pub epsilon: f32,
}

impl Default for LogMelConfig {
    /// 259 mel filters of unit area on Slaney's scale from 0 to 22,050 Hz, floor 1e-5, epsilon 1e-5.
    fn default() -> Self {
        LogMelConfig {
            filters: MelFilters::default(),
            floor: 1e-5,
            epsilon: 1e-5,
        }
    }
}

/// Mel filters on the magnitude, decibels, and each item standardised: differentiable, because it stands behind a
/// separator that learns through it.
#[derive(Debug, Clone)]
pub struct LogMel {
    filters: Arc<BandedMatrix>,
    floor: f32,
    epsilon: f32,
}

impl LogMel {
    /// Computes the filters.
    ///
    /// # Errors
    /// As [`MelFilters::matrix`].
    pub fn new(config: &LogMelConfig) -> Result<Self> {
        Ok(LogMel {
            filters: Arc::new(config.filters.matrix()?),
            floor: config.floor,
            epsilon: config.epsilon,
        })
    }

    /// Magnitudes `[N, 1, bins, T] → [N, 1, mels, T]`, with mean 0 and deviation 1 in each of the N; silence is zeros.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the filters are for another number of bins, or the floor is not
    /// above 0.
    pub fn record(&self, tape: &mut Tape, magnitude: Var) -> Result<Var> {
        let mels = filterbank(tape, magnitude, &self.filters)?;
        let decibels = tape.push(Decibel { floor: self.floor }, &[mels])?;
        standardise(tape, decibels, self.epsilon)
    }
}
