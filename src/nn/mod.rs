//! Layers: made with a [`Build`], which names and fills their tensors as PyTorch does, recorded on a [`Record`].

mod build;
mod conv;
mod front_end;
mod linear;
mod norm;
mod record;

pub use build::Build;
pub use conv::{Conv2dLayer, ConvTranspose2dLayer, Square};
pub use front_end::{HOP, LogMel, LogMelConfig, WINDOW, magnitude};
pub use linear::LinearLayer;
pub use norm::BatchNorm2d;
pub use record::Record;

/// What a tape is for: dropout and batch norm differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Statistics of the batch, which update the running ones; dropout on.
    Train,
    /// Running statistics; dropout off.
    Evaluate,
}
