//! Identification: does the sub-space with the largest norm name the instrument that is heard alone?
//!
//! Clean stems go in, and all sub-spaces come out. Table 3 of Hashizume et al. 2025. Chance is one in five.

use super::{EvalError, Setup, Subject, draw};
use crate::{
    corpus::{Catalogue, Excerpt, Instrument},
    metrics::{ConfusionMatrix, Embeddings, Proportion, identify},
};

/// Which instrument was taken for which.
#[derive(Clone, Debug)]
pub struct Identified {
    /// By instrument; `None` if it does not sound.
    pub of: [Option<Proportion>; 5],
    /// Segments of an instrument (row) that were taken for another (column).
    pub confusion: Vec<Vec<u64>>,
}

/// Identifies clean stems.
///
/// # Errors
/// [`EvalError::TooFew`] if nothing sounds; what the subject gives.
pub fn identification(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    setup: &Setup,
) -> Result<Identified, EvalError> {
    let (mut mixes, mut truth) = (Vec::new(), Vec::new());
    for instrument in Instrument::ALL {
        for excerpt in excerpts(catalogue, instrument, setup) {
            mixes.push(draw::alone(excerpt));
            truth.push(instrument as usize);
        }
    }
    if mixes.is_empty() {
        return Err(nothing("identification", catalogue));
    }
    let vectors = subject.describe_all(&mixes)?;
    let embeddings = Embeddings::new(&vectors, vectors.len() / mixes.len())?;
    let found = identify(embeddings, Instrument::ALL.len())?;
    let matrix = ConfusionMatrix::new(Instrument::ALL.len(), &truth, &found)?;
    Ok(Identified {
        of: Instrument::ALL.map(|instrument| matrix.accuracy_of(instrument as usize)),
        confusion: matrix.rows().map(<[u64]>::to_vec).collect(),
    })
}

/// The consecutive segments in which an instrument sounds; if there are too many, some spread over the pieces.
pub(super) fn excerpts(catalogue: &Catalogue, instrument: Instrument, setup: &Setup) -> Vec<Excerpt> {
    let pieces = draw::some(catalogue.usable(instrument).to_vec(), setup.pieces, setup.seed);
    let all = pieces.into_iter().flat_map(|piece| {
        let starts = draw::grid(catalogue, piece, instrument).into_iter();
        starts.map(move |start| Excerpt {
            piece,
            instrument,
            start,
        })
    });
    let all: Vec<Excerpt> = all.collect();
    draw::spread(&all, setup.segments.unwrap_or(all.len()))
}

pub(super) fn nothing(what: &str, catalogue: &Catalogue) -> EvalError {
    EvalError::TooFew {
        what: what.into(),
        needs: "segments in which an instrument sounds".into(),
        has: format!(
            "the {} pieces of the {} split have none",
            catalogue.pieces().len(),
            catalogue.split()
        ),
        advice: "Ask for shorter segments with --seconds",
    }
}
