//! MES-Pseudo: is the target instrument recognised whatever is played around it?
//!
//! For every target instrument, some pieces give it, and each of them is heard with the rest of several other pieces:
//! pseudo musical pieces. A query's five nearest neighbours in the target's sub-space vote for the piece that gives the
//! target, and every segment of the query's own pseudo piece is left out: only segments with *another* rest can vote
//! right. So a model that only hears the rest scores at chance or below, and one that only hears the target is always
//! right. Table 3 of Imamura et al. 2025, and the earlier protocols ([`Preset`]).

use super::{EvalError, Scored, Setup, Subject, neighbours::Questions};
pub use crate::corpus::cast::Preset;
use crate::corpus::{
    Catalogue, Instrument,
    cast::{Cast, PseudoSegments, TooFew},
};

/// The score of one instrument.
///
/// # Errors
/// [`EvalError::TooFew`], naming what is missing; what the subject gives.
pub fn mes_pseudo(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    preset: Preset,
    setup: &Setup,
) -> Result<Scored, EvalError> {
    Ok(questions(catalogue, target, preset, setup)?
        .ask(subject, target, setup)?
        .scored)
}

/// The segments of its pseudo pieces, one of these behind the other.
pub(super) fn questions(
    catalogue: &Catalogue,
    target: Instrument,
    preset: Preset,
    setup: &Setup,
) -> Result<Questions, EvalError> {
    let wanted = preset.targets();
    let wanted = setup.pieces.map_or(wanted, |most| most.min(wanted));
    let cast = Cast::draw(catalogue, target, preset, [wanted, preset.others()], setup.seed)
        .map_err(|there| too_few(catalogue, target, preset, wanted, &there))?;
    let PseudoSegments {
        mixes,
        labels,
        groups,
    } = cast.segments(catalogue, target, preset, usize::MAX);
    Ok(Questions {
        mixes,
        labels,
        groups: Some(groups),
    })
}

fn too_few(
    catalogue: &Catalogue,
    target: Instrument,
    preset: Preset,
    wanted: usize,
    there: &TooFew,
) -> EvalError {
    EvalError::TooFew {
        what: format!("MES-Pseudo {preset} of {target}"),
        needs: format!(
            "{} pieces in which it sounds for a segment, and {} others in which something else does",
            wanted.max(2),
            preset.others()
        ),
        has: format!(
            "of the {} pieces of the {} split it sounds in {}, and something else in {}",
            catalogue.pieces().len(),
            catalogue.split(),
            there.giving,
            there.around
        ),
        advice: "Give more pieces, fewer target pieces with --pieces, or shorter segments with --seconds",
    }
}
