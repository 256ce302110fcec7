//! A compute engine for audio, and music similarity, one instrument at a time.
//!
//! The engine records a computation once, differentiates it, and replays it on any GPU through `wgpu` or on the processor:
//!
//! ```
//! use stemwise::prelude::*;
//!
//! let (mut parameters, mut tape, adam) = (Parameters::default(), Tape::new(), Adam::default());
//! let layer = LinearLayer::new(&mut Build::new(&mut parameters, 0), [1, 1])?;
//! let (x, y) = (tape.input("x", [4, 1]), tape.input("y", [4, 1]));
//! let fitted = layer.record(&mut Record::new(&mut tape, &parameters, Mode::Train), x)?;
//! let loss = tape.push(ops::MseLoss, &[fitted, y])?;
//! tape.backward(loss)?;
//! adam.record(&mut tape, &parameters)?;
//!
//! let mut session = Session::new(&Device::open(Some("cpu"))?, &parameters)?;
//! let mut step = session.compile(&tape, &[loss])?;
//! let (xs, ys) = ([-1.0, 0.0, 1.0, 2.0], [-2.0, 1.0, 4.0, 7.0]);
//! for i in 0..500 {
//!     session.run(&mut step, &[&xs, &ys], &StepValues::new(0, i, 0.05, adam.betas()))?;
//! }
//! assert!(session.read(&mut step, loss)?[0] < 1e-3);
//! # Ok::<(), Error>(())
//! ```
//!
//! [`Device::open`](gpu::Device::open) takes the name of a GPU, too, or, without one, the first that there is. On it
//! stands, under the feature `train`, all that it takes to train the models of the papers, to judge them, and to search
//! music by them. The rooms, ground floor first; each knows only those above it in this list:
//!
//! - [`shape`], [`error`], [`folders`]: what everything stands on
//! - [`kernel`]: what a dispatch is; [`gpu`]: the device that runs it
//! - [`signal`]: windows, Fourier transforms, mel filters
//! - [`tape`]: recording, differentiating, planning and replaying a computation; [`ops`]: its operations
//! - [`nn`], [`optim`]: layers and their initialisation; Adam
//! - [`prelude`]: the names that a program of the engine begins with
//! - `guard`, `printable`, [`files`], `arrays`, [`variants`]: of the program alone, as are all that follow: panics of
//!   decoders; text in one line; files that appear whole; arrays for NumPy; kernels that were chosen by measurement
//! - [`audio`], [`corpus`]: sound in and out; corpora in the Slakh2100 layout
//! - [`generate`], [`listening`]: corpora composed and rendered; listening tests, read and simulated
//! - [`models`]: the networks of the papers; [`metrics`]: the numbers by which they are judged
//! - [`train`]: runs, checkpoints, the loop; [`separate`], [`describe`]: models at work; [`library`]: a person's own music
//! - [`eval`]: the protocols of the papers; [`report`]: what they and the runs found, as a page
//! - [`serve`]: a library in a browser
//! - [`measure`]: how fast the kernels are on a device
//! - `cli`: the command line

#![warn(missing_docs)]

#[cfg(feature = "train")]
mod arrays;
#[cfg(feature = "train")]
pub mod audio;
#[cfg(feature = "train")]
#[doc(hidden)]
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
pub mod folders;
#[cfg(feature = "train")]
pub mod generate;
pub mod gpu;
#[cfg(feature = "train")]
mod guard;
pub mod kernel;
#[cfg(feature = "train")]
pub mod library;
#[cfg(feature = "train")]
pub mod listening;
#[cfg(feature = "train")]
pub mod measure;
#[cfg(feature = "train")]
pub mod metrics;
#[cfg(feature = "train")]
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod prelude;
#[cfg(feature = "train")]
mod printable;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "train")]
pub mod separate;
#[cfg(feature = "serve")]
pub mod serve;
pub mod shape;
pub mod signal;
pub mod tape;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod variants;

pub use error::{Error, Result};
