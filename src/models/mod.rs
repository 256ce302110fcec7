//! The networks of the papers, each written as its figure reads.

mod separator;

pub use separator::{Separated, Separator, SeparatorConfig};
