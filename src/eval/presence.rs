//! Does the model tell which instruments sound?
//!
//! The pieces are cut into consecutive segments, as for [`mes_normal`](super::mes_normal()), and heard as a whole: all
//! segments in which anything sounds. For each instrument, the score is how likely a segment in which it sounds, by the
//! rule of the corpus, is given a higher probability than one in which it does not.

use super::{EvalError, Setup, Subject, draw};
use crate::{
    corpus::{Catalogue, Instrument, Mix},
    metrics::roc_auc,
};

/// How well the presence of one instrument is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The instrument.
    pub instrument: Instrument,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Segments, with the instrument and without.
    pub segments: usize,
    /// Pieces that they are of.
    pub pieces: usize,
}

/// An instrument that sounds in all segments, or in none, is left out.
///
/// # Errors
/// [`EvalError::TooFew`] if all are; what the subject gives.
pub fn presence(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    setup: &Setup,
) -> Result<Vec<Told>, EvalError> {
    let all = (0..catalogue.pieces().len() as u32).collect();
    let pieces = draw::some(all, setup.pieces, setup.seed);
    let starts = |&piece: &u32| {
        let starts = draw::grid_of_anything(catalogue, piece).into_iter();
        starts.map(move |start| (piece, start))
    };
    let segments: Vec<(u32, u64)> = pieces.iter().flat_map(starts).collect();
    let mixes: Vec<Mix> = segments
        .iter()
        .map(|&(piece, start)| Mix::of_piece(piece, start))
        .collect();
    let told = subject.presence(&mixes)?;
    let of = |instrument: Instrument| {
        let scores = told
            .iter()
            .skip(instrument as usize)
            .step_by(Instrument::ALL.len());
        let scores: Vec<f32> = scores.copied().collect();
        let sounds = segments
            .iter()
            .map(|&(piece, start)| catalogue.sounds(piece, instrument, start));
        Some(Told {
            instrument,
            auc: roc_auc(&scores, &sounds.collect::<Vec<_>>())?,
            segments: segments.len(),
            pieces: pieces.len(),
        })
    };
    let told: Vec<Told> = Instrument::ALL.into_iter().filter_map(of).collect();
    match told.is_empty() {
        false => Ok(told),
        true => Err(EvalError::TooFew {
            what: "presence".into(),
            needs: "an instrument that sounds in some segments and not in others".into(),
            has: format!(
                "there is none in the {} segments of {} pieces of the {} split",
                segments.len(),
                pieces.len(),
                catalogue.split()
            ),
            advice: "Give more pieces, or shorter segments with --seconds",
        }),
    }
}
