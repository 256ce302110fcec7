//! Matrices: what was taken for what, sub-spaces against each other, and distances between segments.

use serde::Serialize;

use super::{SoundError, colour::image, gather::Found, provenance::is_simulated};
use crate::{
    corpus::Instrument,
    eval::{Distances, Evaluation, Score, Triangle, What},
    metrics::decimals,
};

/// Shades of a cell.
const SHADES: f64 = 9.0;

/// A shaded table.
#[derive(Serialize)]
pub(super) struct Matrix {
    pub recipe: String,
    pub detail: String,
    pub simulated: bool,
    pub columns: Vec<&'static str>,
    pub rows: Vec<MatrixRow>,
}

#[derive(Serialize)]
pub(super) struct MatrixRow {
    pub name: &'static str,
    pub cells: Vec<Shaded>,
}

#[derive(Serialize)]
pub(super) struct Shaded {
    pub text: String,
    /// 0 to 9.
    pub shade: u8,
    pub title: String,
}

/// Two distance matrices of one instrument, side by side.
#[derive(Serialize)]
pub(super) struct Pair {
    pub instrument: &'static str,
    pub correlation: Option<String>,
    pub segments: usize,
    pub pieces: usize,
    pub clean: String,
    pub mix: String,
}

/// Those of one evaluation.
#[derive(Serialize)]
pub(super) struct Pairs {
    pub recipe: String,
    pub detail: String,
    pub simulated: bool,
    pub pairs: Vec<Pair>,
}

/// Confusion matrices, one an evaluation.
pub(super) fn confusions(found: &Found) -> Vec<Matrix> {
    matrices(found, What::Identification, |evaluation| {
        rows(&evaluation.confusion, |instrument, counts| {
            let total = counts.iter().sum::<u64>();
            move |other, &count| Shaded {
                text: count.to_string(),
                shade: shade(count as f64 / total.max(1) as f64),
                title: format!("{count} of {total} {instrument} stems were taken for {other}"),
            }
        })
    })
}

/// Correlations between sub-spaces, one matrix an evaluation.
pub(super) fn across(found: &Found) -> Vec<Matrix> {
    matrices(found, What::Correlation, |evaluation| {
        rows(&evaluation.across, |instrument, _| {
            move |other, &r: &Option<f64>| {
                let text = r.map_or("–".into(), |r| decimals(r, 2).replace('-', "\u{2212}"));
                Shaded {
                    title: format!("{instrument} and {other}: {text}"),
                    text,
                    shade: shade(r.unwrap_or(0.0)),
                }
            }
        })
    })
}

/// A row an instrument, a cell every other one.
fn rows<T, C: Fn(Instrument, &T) -> Shaded>(
    values: &[Vec<T>],
    cells: impl Fn(Instrument, &[T]) -> C,
) -> Vec<MatrixRow> {
    let rows = Instrument::ALL.into_iter().zip(values);
    rows.map(|(instrument, values)| {
        let cell = cells(instrument, values);
        let others = Instrument::ALL.into_iter().zip(values);
        MatrixRow {
            name: instrument.name(),
            cells: others.map(|(other, value)| cell(other, value)).collect(),
        }
    })
    .collect()
}

fn shade(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * SHADES).round() as u8
}

fn matrices(found: &Found, what: What, rows: impl Fn(&Evaluation) -> Vec<MatrixRow>) -> Vec<Matrix> {
    let all = found.evaluations.iter().map(|evaluation| Matrix {
        recipe: evaluation.recipe(),
        detail: evaluation.folder.display().to_string(),
        simulated: is_simulated(evaluation, what, &found.runs),
        columns: Instrument::ALL.map(Instrument::name).to_vec(),
        rows: rows(&evaluation.evaluation),
    });
    all.filter(|matrix| !matrix.rows.is_empty()).collect()
}

/// Distance matrices as images, by evaluation.
///
/// # Errors
/// [`SoundError::Coding`] if an image cannot be made.
pub(super) fn distances(found: &Found) -> Result<Vec<Pairs>, SoundError> {
    let mut all = Vec::new();
    for evaluation in &found.evaluations {
        let mut pairs = Vec::new();
        for distances in &evaluation.evaluation.distances {
            let scores = &evaluation.evaluation.scores;
            let is_of =
                |score: &&Score| score.what == What::Correlation && score.instrument == distances.instrument;
            let correlation = scores
                .iter()
                .find(is_of)
                .map(|score| format!("{:.3}", score.value));
            pairs.extend(pair(distances, correlation)?);
        }
        if !pairs.is_empty() {
            all.push(Pairs {
                recipe: evaluation.recipe(),
                detail: evaluation.folder.display().to_string(),
                simulated: is_simulated(evaluation, What::Correlation, &found.runs),
                pairs,
            });
        }
    }
    Ok(all)
}

/// `None` for a matrix whose size is not that of its segments.
fn pair(distances: &Distances, correlation: Option<String>) -> Result<Option<Pair>, SoundError> {
    let count = distances.pieces.len();
    if count == 0 {
        return Ok(None);
    }
    let square = |triangle: &Triangle| -> Option<Vec<u8>> {
        let cells = (0..count * count).map(|i| triangle.at(count, i / count, i % count));
        cells.collect()
    };
    let (Some(clean), Some(mix)) = (square(&distances.clean), square(&distances.mix)) else {
        return Ok(None);
    };
    let mut pieces = distances.pieces.clone();
    pieces.dedup();
    Ok(Some(Pair {
        instrument: distances.instrument.name(),
        correlation,
        segments: count,
        pieces: pieces.len(),
        clean: image(&clean, count, count)?,
        mix: image(&mix, count, count)?,
    }))
}
