//! Evaluation: the protocols of the papers, on trained runs.
//!
//! Every protocol is a file: what is drawn, what is described, what is counted. What is drawn is a function of the
//! catalogue and the seed; sound is read a few segments at a time; and the protocols do not know models, only a
//! [`Subject`] that describes what it is asked to. [`evaluate`] runs them on runs and a corpus. The room knows training,
//! separation and description, and nothing of pages or the command line. Start reading at [`mes_normal`], the simplest
//! protocol, then at `protocols.rs`, where they become scores.
//!
//! Every score stands beside what vectors that know nothing would give ([`Score::chance`]), and, if asked for, what
//! the same network gives before it is trained.

mod agreement;
mod correlation;
mod error;
mod evaluate;
mod export;
mod figures;
mod identification;
mod leak;
mod listener;
mod markdown;
mod measure;
mod mes_normal;
mod mes_pseudo;
mod neighbours;
mod presence;
mod protocols;
mod record;
mod separation;
mod setup;
mod stems;
mod what;

use crate::corpus::draw;

pub use agreement::Agreed;
pub use correlation::{Correlations, Distances, Triangle, correlation};
pub use error::EvalError;
pub use evaluate::{EvaluateOptions, Progress, check, evaluate, is_of};
pub use figures::{Figures, Stack, figures};
pub use identification::{Identified, identification};
pub use leak::{Leak, Point, leak};
pub use listener::Subject;
pub use markdown::markdown;
pub use measure::{Asked, Average, Heldout, Measure, Ratio};
pub use mes_normal::mes_normal;
pub use mes_pseudo::{Preset, mes_pseudo};
pub use neighbours::{K, Scored};
pub use presence::{Told, presence};
pub use record::{EvaluatedRun, EvaluatedStems, Evaluation, LeftOut, Score, Unit};
pub use setup::Setup;
pub use stems::{PseudoPieces, write_pseudo_pieces};
pub use what::What;
