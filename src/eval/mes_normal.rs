//! MES-Normal: do the segments of one piece of music lie together?
//!
//! The pieces of the test split are cut into consecutive segments, of which those count in which the target
//! instrument sounds. Each is a query: its five nearest neighbours in the target's sub-space, itself left out, vote
//! for a piece, and the score is how often that is the right one. Models of clean stems hear the target's stem, the
//! others the mix. Segments of 10 s: Table 2 of Imamura et al. 2025; of 3, 5 and 10 s: Hashizume et al. 2025.
//!
//! A high score does not tell whether the *instrument* was recognised: all instruments of the piece are heard in all of
//! its segments. [`mes_pseudo`](super::mes_pseudo) tells.

use super::{EvalError, Scored, Setup, Subject, draw, neighbours::Questions};
use crate::corpus::{Catalogue, Instrument, Mix};

/// The score of one instrument. Pieces with a single segment do not take
/// part: nothing else could vote for them.
///
/// # Errors
/// [`EvalError::TooFew`] without two pieces; what the subject gives.
pub fn mes_normal(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    setup: &Setup,
) -> Result<Scored, EvalError> {
    Ok(questions(catalogue, target, setup)?
        .ask(subject, target, setup)?
        .scored)
}

/// The segments of its pieces.
pub(super) fn questions(
    catalogue: &Catalogue,
    target: Instrument,
    setup: &Setup,
) -> Result<Questions, EvalError> {
    let twice = |piece: &u32| draw::grid(catalogue, *piece, target).len() >= 2;
    let usable: Vec<u32> = catalogue.usable(target).iter().copied().filter(twice).collect();
    let pieces = draw::some(usable, setup.pieces, setup.seed);
    if pieces.len() < 2 {
        return Err(EvalError::TooFew {
            what: format!("MES-Normal of {target}"),
            needs: "two pieces with two segments in which it sounds".into(),
            has: format!(
                "of the {} pieces of the {} split {} are such",
                catalogue.pieces().len(),
                catalogue.split(),
                pieces.len()
            ),
            advice: "Give more or longer pieces, or shorter segments with --seconds",
        });
    }
    let mut questions = Questions::default();
    for piece in pieces {
        for start in draw::grid(catalogue, piece, target) {
            questions.mixes.push(Mix::of_piece(piece, start));
            questions.labels.push(piece);
        }
    }
    Ok(questions)
}
