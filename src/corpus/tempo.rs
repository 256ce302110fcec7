//! Tempo classes: only stems of like tempo are mixed with each other.

use super::CorpusError;

/// Classes of Slakh2100 in Hashizume et al. 2025, and the most that [`TempoClasses::default_count`] gives.
const MOST: usize = 36;
/// Pieces to a class in corpora too small for that many: splits as uneven as Slakh's still hold a few of each.
const LEAST: usize = 24;

/// Classes of pieces by tempo, each of about as many pieces (Hashizume et al. 2025). They are made once, from the
/// pieces of all splits, so that a class means the same everywhere.
///
/// Pieces of one tempo are never parted: a class ends at the first change of tempo after it has its share of
/// what is left. Where many pieces have one tempo, their class is larger and the others are smaller, and if there
/// are too few tempos there are fewer classes.
#[derive(Clone, Debug, PartialEq)]
pub struct TempoClasses {
    /// The lowest tempo of every class but the first, ascending.
    bounds: Vec<f64>,
}

impl TempoClasses {
    /// How many classes a corpus of so many pieces has unless told otherwise: 36 from 864 pieces on, one for
    /// every 24 below that.
    pub fn default_count(pieces: usize) -> usize {
        (pieces / LEAST).clamp(1, MOST)
    }

    /// At most `count` classes of the pieces that have these tempos, in beats per minute and any order.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] for no class, or a tempo that is not a positive number.
    pub fn new(tempos: &[f64], count: usize) -> Result<Self, CorpusError> {
        if count == 0 {
            return Err(CorpusError::invalid("pieces need at least one tempo class"));
        }
        tempos.iter().try_for_each(|&tempo| check(tempo))?;
        let mut sorted = tempos.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (mut bounds, mut rest) = (Vec::new(), &sorted[..]);
        for left in (2..=count).rev() {
            let share = rest.len().div_ceil(left);
            let last = rest[..share].last();
            let after = &rest[last.map_or(0, |&last| rest.partition_point(|&tempo| tempo <= last))..];
            // What is left must fill half a class at least; else it belongs to this one.
            if after.len() < share.div_ceil(2).max(1) {
                break;
            }
            bounds.push(after[0]);
            rest = after;
        }
        Ok(Self { bounds })
    }

    /// Number of classes.
    pub fn count(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The class of a tempo in beats per minute, below [`TempoClasses::count`]; classes ascend with the tempo. A
    /// tempo that no piece had falls into the class of the next lower one that some piece had.
    pub fn of(&self, tempo: f64) -> usize {
        self.bounds.partition_point(|&bound| bound <= tempo)
    }
}

/// Refuses what is not a tempo.
pub(super) fn check(tempo: f64) -> Result<(), CorpusError> {
    if tempo.is_finite() && tempo > 0.0 {
        return Ok(());
    }
    Err(CorpusError::invalid(format!(
        "a tempo of {tempo} beats per minute: it must be a positive number"
    )))
}
