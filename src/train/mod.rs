//! Training: recipes, run folders, checkpoints, and the loop.
//!
//! A run passes through five folders: [`recipe`] says what is trained, `data` what it hears, `network` what is computed
//! and minimised, `trainer` is the loop, and `run` the folder on the disk; [`pipeline`] puts several runs in a row. The
//! room knows the engine, corpora, models and metrics, and nothing of what trained models are used for. Start reading
//! at [`start`] in `trainer/mod.rs`, and at `network/objective.rs` for what a recipe's loss is.
//!
//! ```no_run
//! use std::{path::Path, sync::atomic::AtomicBool};
//! use stemwise::{corpus::Instrument, train, variants};
//!
//! let overrides = train::recipe::Overrides { instrument: Some(Instrument::Drums), ..Default::default() };
//! let recipe = train::recipe::resolve("separator", &overrides)?;
//! let config = train::RunConfig { corpus: "slakh".into(), renderings: Vec::new(), from: Vec::new(), recipe };
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
mod embedding;
mod error;
mod network;
pub mod pipeline;
pub mod recipe;
mod run;
mod trainer;

pub(crate) use data::JudgementTable;
#[doc(hidden)]
pub use data::loader;
pub use data::{JudgedCount, LessonCounts, dump_draws};
pub(crate) use embedding::{Described, Embedding};
pub use error::TrainError;
pub use network::{EmbeddingStep, LossPart, LossStep, Network, Parent};
pub use recipe::Recipe;
pub use run::{BuiltIn, Checkpoint, Run, RunConfig, RunRecord, Start, checkpoint, exchange, tensorboard};
pub(crate) use run::{Saved, Trained, real};
pub use trainer::{
    Event, Footprint, Observer, Outcome, Schedule, Scores, StartUp, examples_at_a_time, resume, start,
};
