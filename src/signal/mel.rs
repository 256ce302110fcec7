use super::BandedMatrix;
use crate::error::{Error, Result};

/// What is equally far apart to the ear: how hertz become mels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MelScale {
    /// Linear to 1 kHz, logarithmic above (Slaney, Auditory Toolbox, 1998).
    Slaney,
    /// `2595 log₁₀(1 + hertz / 700)` (O'Shaughnessy; used by HTK).
    Htk,
}

/// Slaney's scale: hertz per mel below the break, where it is, and what each mel above it multiplies.
const LINEAR: f64 = 200.0 / 3.0;
const BREAK: f64 = 1000.0;

fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

impl MelScale {
    /// Mels of a frequency in hertz.
    pub fn mels(self, hertz: f64) -> f64 {
        match self {
            MelScale::Slaney if hertz < BREAK => hertz / LINEAR,
            MelScale::Slaney => BREAK / LINEAR + (hertz / BREAK).ln() / log_step(),
            MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
        }
    }

    /// Frequency in hertz of so many mels.
    pub fn hertz(self, mels: f64) -> f64 {
        match self {
            MelScale::Slaney if mels < BREAK / LINEAR => mels * LINEAR,
            MelScale::Slaney => BREAK * (log_step() * (mels - BREAK / LINEAR)).exp(),
            MelScale::Htk => 700.0 * (10f64.powf(mels / 2595.0) - 1.0),
        }
    }
}

/// Triangular filters over the bins of a Fourier transform, equally wide in mels, each rising from its lower
/// neighbour's peak and falling to its upper neighbour's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MelFilters {
    /// Sample rate in hertz.
    pub rate: u32,
    /// Samples of the transform, hence `size / 2 + 1` bins.
    pub size: usize,
    /// Number of filters.
    pub mels: usize,
    /// Where the first filter begins, in hertz.
    pub low: f64,
    /// Where the last filter ends, in hertz; at most half the rate.
    pub high: f64,
    /// What "equally wide" means.
    pub scale: MelScale,
    /// Whether each triangle has area 1 (over hertz) instead of height 1.
    pub unit_area: bool,
}

impl Default for MelFilters {
    /// 259 filters of unit area on Slaney's scale over 0 to 22,050 Hz, for 2048 samples at 44.1 kHz. All
    /// have weights; the 43 narrowest reach one bin.
    fn default() -> Self {
        MelFilters {
            rate: 44_100,
            size: 2048,
            mels: 259,
            low: 0.0,
            high: 22_050.0,
            scale: MelScale::Slaney,
            unit_area: true,
        }
    }
}

impl MelFilters {
    /// The weights, `[mels, size / 2 + 1]`. A filter that falls between two bins has none.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no filter or no bin, or the band is not within 0 and half the rate.
    pub fn matrix(&self) -> Result<BandedMatrix> {
        let MelFilters { low, high, .. } = *self;
        let nyquist = f64::from(self.rate) / 2.0;
        if self.mels == 0 || self.size < 2 || !(0.0 <= low && low < high && high <= nyquist) {
            let message = format!(
                "{} filters from {low} to {high} Hz for {} samples at {} Hz: use one at least, and a band between 0 and {nyquist} Hz",
                self.mels, self.size, self.rate
            );
            return Err(Error::shape("mel filters", message));
        }
        let (first, last) = (self.scale.mels(low), self.scale.mels(high));
        let step = (last - first) / (self.mels + 1) as f64;
        // the corners: each filter's start, peak and end are three in a row
        let corner = |i: usize| self.scale.hertz(first + step * i as f64);
        let spacing = f64::from(self.rate) / self.size as f64;
        let bins = self.size / 2 + 1;
        let rows = (0..self.mels).map(|mel| {
            let [start, peak, end] = [mel, mel + 1, mel + 2].map(corner);
            let height = if self.unit_area { 2.0 / (end - start) } else { 1.0 };
            let weight = |bin: usize| {
                let hertz = bin as f64 * spacing;
                height * ((hertz - start) / (peak - start)).min((end - hertz) / (end - peak))
            };
            let from = ((start / spacing) as usize..bins).find(|&bin| weight(bin) > 0.0);
            let from = from.unwrap_or(bins);
            let weights = (from..bins).map(weight).take_while(|&weight| weight > 0.0);
            (from, weights.map(|weight| weight as f32).collect())
        });
        BandedMatrix::new(bins, rows)
    }
}
