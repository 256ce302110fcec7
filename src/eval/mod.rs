//! How good models are.

pub mod sdr;

pub use sdr::{SdrError, median, signal_to_distortion};
