//! Listening tests: judgements of similarity by ear, in the public format of Inst-Sim-ABX, and simulated ones.
//!
//! A subject hears a reference X and two samples, and says which of the two is more like X: in timbre, rhythm and
//! melody, and on the whole. What X and two samples were is an [`Item`]; who judged it, and when, does not matter
//! here. The answers are a CSV file ([`Judgements`]), and where in which track a sample lies is in one or several
//! JSON files ([`Clips`]).
//!
//! There are two kinds of item ([`Condition`]). In **All-Diff**, X and both samples are of three pieces; in
//! **One-Shared**, one sample is another part of X's own piece. Which one an item is shows in the pieces' numbers,
//! which stand in the names of the samples (`X_1913-28.wav` is segment 28 of piece 1913) and in the JSON; where a
//! name has no number, its letter decides: in One-Shared X comes with Y, of its own piece, and C, in All-Diff with
//! A and B. The JSON's `test1` and `test2` decide nothing, as they have not always been used alike.
//!
//! The papers use the items about which listeners agree ([`Criterion`]): those where one side has strictly more than 75 %
//! of the answers on the whole, or at least 80 % of the answers in one respect.
//!
//! It may know files, audio and the corpus; training and evaluation know it. Start reading at `item.rs` and
//! `judgements.rs`; `clips.rs` leads from an item to its sound, and `simulate` makes up both for trials.

use std::{io::Read, path::Path};

mod clips;
mod criterion;
mod error;
mod item;
mod items;
mod judgements;
mod oracle;
mod sample;
mod simulate;
mod summary;

pub use clips::{Clip, ClipTriplet, Clips};
pub use criterion::{Criterion, Share};
pub use error::AbxError;
pub use item::{Answers, Aspect, Condition, Item, Side};
pub use items::{Items, Judged, SplitBy};
pub use judgements::{Judgements, SIMULATED};
pub use oracle::{Likeness, Traits};
pub use sample::{Part, Sample};
pub use simulate::{CSV_FILE, JSON_FILE, SimulateOptions, Simulation, simulate};
pub use summary::{Row, Summary};

use crate::files::{self, IoError};

/// Largest file that is read, in bytes: a hundred times the public ones. A larger one is something else.
const MAX_BYTES: u64 = 400 << 20;

/// The bytes of a file; `None` if it is too large.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>, AbxError> {
    let mut bytes = Vec::new();
    let length = files::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(IoError::of("read", path))?;
    Ok((length as u64 <= MAX_BYTES).then_some(bytes))
}
