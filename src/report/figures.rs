//! The figures of Hashizume et al. 2025: pictures of whole and of pseudo pieces, and stacks of clean stems' embeddings.

use serde::Serialize;

use super::{
    SoundError,
    colour::image,
    gather::Found,
    pictures::{Coloured, Picture, kept, picture},
    provenance::is_simulated,
};
use crate::{
    corpus::Instrument,
    eval::{Figures, Stack, What},
};

/// Those of one evaluation.
#[derive(Serialize)]
pub(super) struct EvaluationFigures {
    pub recipe: String,
    pub detail: String,
    pub simulated: bool,
    pub rows: Vec<Row>,
}

/// Those of one instrument.
#[derive(Serialize)]
pub(super) struct Row {
    pub instrument: &'static str,
    pub pictures: Vec<Picture>,
    pub stems: Option<StackImage>,
}

/// Embeddings, one below the other.
#[derive(Serialize)]
pub(super) struct StackImage {
    pub image: String,
    pub columns: usize,
    pub segments: usize,
    pub spaces: [&'static str; 5],
}

/// All figures, and whether points were left out.
///
/// # Errors
/// [`SoundError::Coding`] if an image cannot be made.
pub(super) fn figures(found: &Found) -> Result<(Vec<EvaluationFigures>, bool), SoundError> {
    let all = || {
        found
            .evaluations
            .iter()
            .flat_map(|found| &found.evaluation.figures)
    };
    // places of pseudo pieces are drawn twice
    let total = all()
        .map(|figures| figures.pieces.len() + 2 * figures.pseudo.len())
        .sum();
    let keep = kept(total);
    let mut evaluations = Vec::new();
    for evaluation in &found.evaluations {
        let rows = evaluation
            .evaluation
            .figures
            .iter()
            .map(|figures| row(figures, keep));
        let rows = rows.collect::<Result<Vec<Row>, _>>()?;
        if !rows.is_empty() {
            evaluations.push(EvaluationFigures {
                recipe: evaluation.recipe(),
                detail: evaluation.folder.display().to_string(),
                simulated: is_simulated(evaluation, What::MesPseudo, &found.runs),
                rows,
            });
        }
    }
    Ok((evaluations, keep < 1.0))
}

fn row(figures: &Figures, keep: f64) -> Result<Row, SoundError> {
    let instrument = figures.instrument.name();
    let pictures = [
        (&figures.pieces, Coloured::Piece),
        (&figures.pseudo, Coloured::Target),
        (&figures.pseudo, Coloured::Rest),
    ];
    let pictures = pictures
        .into_iter()
        .filter_map(|(points, coloured)| picture(instrument, points, keep, coloured));
    Ok(Row {
        instrument,
        pictures: pictures.collect(),
        stems: figures.stems.as_ref().map(stack).transpose()?.flatten(),
    })
}

/// `None` for a stack that is not of whole rows.
fn stack(stack: &Stack) -> Result<Option<StackImage>, SoundError> {
    let (columns, values) = (stack.dimensions, &stack.values);
    if columns == 0 || values.is_empty() || !values.len().is_multiple_of(columns) {
        return Ok(None);
    }
    let segments = values.len() / columns;
    Ok(Some(StackImage {
        image: image(values, columns, segments)?,
        columns,
        segments,
        spaces: Instrument::ALL.map(Instrument::name),
    }))
}
