//! The mathematics of signals, without files or devices: Fourier transforms, mel filters, frequency bands, banded matrices.

mod banded;
mod bands;
mod fft;
mod mel;

pub use banded::BandedMatrix;
pub use bands::Bands;
pub(crate) use fft::{Fft, LEAST_WEIGHT, hann};
#[cfg(feature = "train")]
pub(crate) use fft::{RealFft, Scratch};
pub use mel::{MelFilters, MelScale};
