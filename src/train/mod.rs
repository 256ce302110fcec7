//! Training: recipes, run folders, checkpoints, and the loop.
//!
//! ```no_run
//! use std::{path::Path, sync::atomic::AtomicBool};
//! use stemwise::{corpus::Instrument, gpu::Device, train};
//!
//! let choices = train::recipe::Choices { instrument: Some(Instrument::Drums), ..Default::default() };
//! let recipe = train::recipe::resolve("separator", &choices)?;
//! let config = train::RunConfig { corpus: "slakh".into(), from: Vec::new(), recipe };
//! let device = Device::open(None)?;
//! let summary = train::start(Path::new("runs/drums"), &config, &device, &AtomicBool::new(false), &|event| {
//!     if let train::Event::Validated { step, scores, .. } = event {
//!         println!("step {step}: validation loss {}", scores.loss);
//!     }
//! })?;
//! println!("{} steps done", summary.step);
//! # Ok::<(), train::TrainError>(())
//! ```

pub mod checkpoint;
mod config;
mod data;
mod draw;
mod engine;
mod error;
mod example;
pub mod exchange;
mod judged;
pub mod loader;
mod log;
mod memory;
mod network;
mod objective;
mod parents;
pub mod pipeline;
mod progress;
pub mod recipe;
mod replay;
mod run;
mod schedule;
pub mod tensorboard;
mod trainer;
mod validate;
mod weights;

pub use checkpoint::Checkpoint;
pub use config::RunConfig;
pub use error::TrainError;
pub(crate) use judged::{clip_files, judgements_hash};
pub use memory::{Footprint, examples_at_a_time};
pub use network::Network;
pub use objective::{LossPart, LossStep};
pub use parents::Parent;
pub use progress::{Event, Observer, StartUp, Summary};
pub use recipe::Recipe;
pub use run::{Run, RunRecord, Start};
pub use schedule::{Schedule, Scores};
pub use trainer::{resume, start};
