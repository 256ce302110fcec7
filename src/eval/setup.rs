//! What the protocols share.

use crate::metrics::Ties;

/// How much the protocols take, by which seed and which rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Pieces at most; where some give an instrument and others the rest, those that give it.
    pub pieces: Option<usize>,
    /// Segments of an instrument at most, evenly spread, where all segments of a split are described.
    pub segments: Option<usize>,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Which label the neighbours' vote is for, where it is tied.
    pub ties: Ties,
}
