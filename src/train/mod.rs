//! Training: recipes, run folders, checkpoints, and the loop.
//!
//! ```no_run
//! use std::{path::Path, sync::atomic::AtomicBool};
//! use stemwise::{corpus::Instrument, train, variants};
//!
//! let overrides = train::recipe::Overrides { instrument: Some(Instrument::Drums), ..Default::default() };
//! let recipe = train::recipe::resolve("separator", &overrides)?;
//! let config = train::RunConfig { corpus: "slakh".into(), from: Vec::new(), recipe };
//! let device = variants::open_device(None)?;
//! let summary = train::start(Path::new("runs/drums"), &config, &device, &AtomicBool::new(false), &|event| {
//!     if let train::Event::Validated { step, scores, .. } = event {
//!         println!("step {step}: validation loss {}", scores.loss);
//!     }
//! })?;
//! println!("{} steps done", summary.step);
//! # Ok::<(), train::TrainError>(())
//! ```

mod data;
mod error;
mod network;
pub mod pipeline;
pub mod recipe;
mod run;
mod trainer;

pub use data::loader;
pub(crate) use data::{clip_files, judgements_hash};
pub use error::TrainError;
pub use network::{EmbeddingStep, LossPart, LossStep, Network, Parent};
pub use recipe::Recipe;
pub(crate) use run::Trained;
pub use run::{Checkpoint, Run, RunConfig, RunRecord, Start, checkpoint, exchange, tensorboard};
pub use trainer::{
    Event, Footprint, Observer, Outcome, Schedule, Scores, StartUp, examples_at_a_time, resume, start,
};
