//! The mathematics of signals, without files or devices: Fourier transforms, mel filters, banded matrices.

mod banded;
mod fft;
mod mel;

pub use banded::BandedMatrix;
pub(crate) use fft::{Fft, LEAST_WEIGHT, RealFft, Scratch, hann};
pub use mel::{MelFilters, MelScale};
