//! Music similarity, one instrument at a time.
//!
//! stemwise trains instrument-wise source separation and similarity models on any GPU through `wgpu`, or on
//! the CPU, with a compute engine of its own. The rooms, ground floor first:
//!
//! - [`shape`], [`error`], [`files`], [`signal`]: what everything stands on
//! - [`kernel`]: what a dispatch is; [`gpu`]: the device that runs it
//! - [`tape`]: recording, differentiating, planning and replaying a computation; [`ops`]: its operations
//! - [`nn`], [`optim`]: layers and their initialisation; Adam
//! - [`audio`], [`corpus`]: sound in and out; corpora in the Slakh2100 layout
//! - [`generate`], [`listening`]: corpora composed and rendered; listening tests, read and simulated
//! - [`models`]: the networks of the papers; [`metrics`]: the numbers by which they are judged
//! - [`train`]: runs, checkpoints, the loop; [`separate`], [`describe`]: models at work; [`library`]: a person's own music
//! - [`eval`]: the protocols of the papers; [`report`]: what they and the runs found, as a page
//! - [`measure`]: how fast the kernels are on a device
//! - [`cli`]: the command line

#![warn(missing_docs)]

pub mod audio;
pub mod cli;
pub mod corpus;
pub mod describe;
pub mod error;
pub mod eval;
pub mod files;
pub mod generate;
pub mod gpu;
mod guard;
pub mod kernel;
pub mod library;
pub mod listening;
pub mod measure;
pub mod metrics;
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod report;
pub mod separate;
pub mod shape;
pub mod signal;
pub mod tape;
pub mod train;

pub use error::{Error, Result};
