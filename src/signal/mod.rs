//! The mathematics of signals, without files or devices: Fourier transforms, mel filters, banded matrices.

mod banded;
mod fft;
mod mel;

pub use banded::BandedMatrix;
pub(crate) use fft::{Fft, LEAST_WEIGHT, hann};
#[cfg(feature = "train")]
pub(crate) use fft::{RealFft, Scratch};
pub use mel::{MelFilters, MelScale};
