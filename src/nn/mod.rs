//! Layers: named parameters, PyTorch's default initialisation, and how they record themselves.

mod conv;
mod front_end;
mod init;
mod linear;
mod norm;

pub use conv::{Conv2dLayer, ConvTranspose2dLayer, Square};
pub use front_end::{HOP, LogMel, LogMelConfig, WINDOW, magnitude};
pub use init::uniform_init;
pub use linear::LinearLayer;
pub use norm::BatchNorm2d;

/// What a tape is for: dropout and batch norm differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Statistics of the batch, which update the running ones; dropout on.
    Train,
    /// Running statistics; dropout off.
    Evaluate,
}
