//! Music similarity, one instrument at a time.
//!
//! stemwise trains instrument-wise source separation and similarity models on any GPU through `wgpu`, or on
//! the CPU, with a compute engine of its own. The rooms, ground floor first:
//!
//! - [`shape`], [`error`]: what everything stands on
//! - [`kernel`]: what a dispatch is; [`gpu`]: the device that runs it
//! - [`signal`]: windows, Fourier transforms, mel filters
//! - [`tape`]: recording, differentiating, planning and replaying a computation; [`ops`]: its operations
//! - [`nn`], [`optim`]: layers and their initialisation; Adam
//! - [`audio`], [`corpus`]: sound in and out; corpora in the Slakh2100 layout
//! - [`models`]: the networks of the papers; [`metrics`]: the numbers by which they are judged
//! - [`train`]: runs, checkpoints, the loop; [`separate`], [`describe`]: models at work; [`library`]: a person's own music
//! - [`eval`]: the protocols of the papers; [`report`]: what they and the runs found, as a page
//! - [`measure`]: how fast the kernels are on a device
//! - [`cli`]: the command line

#![warn(missing_docs)]

#[cfg(feature = "train")]
pub mod audio;
#[cfg(feature = "train")]
pub mod cli;
#[cfg(feature = "train")]
pub mod corpus;
#[cfg(feature = "train")]
pub mod describe;
pub mod error;
#[cfg(feature = "train")]
pub mod eval;
#[cfg(feature = "train")]
pub mod files;
pub mod gpu;
#[cfg(feature = "train")]
mod guard;
pub mod kernel;
#[cfg(feature = "train")]
pub mod library;
#[cfg(feature = "train")]
pub mod measure;
#[cfg(feature = "train")]
pub mod metrics;
#[cfg(feature = "train")]
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "train")]
pub mod separate;
pub mod shape;
pub mod signal;
pub mod tape;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod variants;

pub use error::{Error, Result};
