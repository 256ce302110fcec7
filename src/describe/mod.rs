//! Description: trained models that say what the instruments of a piece are like, in vectors.
//!
//! A [`Describer`] holds one run of all instruments, or several runs of one instrument each. What it gives for an item
//! depends on that item alone, to the bit: batches have one size, and what is missing of the last is silence.
//!
//! It may know corpora's instruments and trained runs, and is where evaluation and libraries get their vectors. Start
//! reading at `describer.rs`.

mod describer;
mod error;
mod identity;
mod model;

pub use describer::{Describer, Description, Heard};
pub use error::DescribeError;
