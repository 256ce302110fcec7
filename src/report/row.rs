//! A row of a table: what a recipe's runs scored, instrument by instrument.

use serde::Serialize;

use super::{
    gather::{Found, FoundEvaluation},
    provenance::{Conditions, is_simulated, is_stale, kind},
};
use crate::{
    corpus::Instrument,
    eval::{Score, Unit, What},
};

#[derive(Serialize)]
pub(super) struct ScoreRow {
    pub recipe: String,
    /// What tells it from other rows of the recipe.
    pub detail: String,
    pub conditions: Option<String>,
    pub simulated: bool,
    pub cells: Vec<Option<Cell>>,
    /// What the values are to be compared with.
    pub beside: Vec<Beside>,
    #[serde(skip)]
    pub values: Vec<Option<f64>>,
    /// What repeated runs have in common; `None` if a run was not found.
    #[serde(skip)]
    pub kind: Option<String>,
    /// Hashes of the weights.
    #[serde(skip)]
    pub checkpoints: Vec<String>,
    #[serde(skip)]
    pub unit: Unit,
}

#[derive(Serialize)]
pub(super) struct Cell {
    pub value: String,
    pub interval: Option<String>,
    /// Over several draws.
    pub spread: Option<String>,
    /// What was asked, and of how much music.
    pub n: String,
    pub of: String,
    pub bar: Option<Bar>,
    /// The interval holds chance.
    pub at_chance: bool,
}

/// Places in per cent of the width.
#[derive(Serialize)]
pub(super) struct Bar {
    pub value: String,
    pub low: Option<String>,
    pub high: Option<String>,
    pub chance: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Beside {
    pub name: &'static str,
    pub cells: Vec<String>,
}

/// A number with its unit.
pub(super) fn number(unit: Unit, value: f64) -> String {
    unit.text(value).replace(' ', "\u{a0}").replace('-', "\u{2212}")
}

/// A range of numbers: the unit once.
pub(super) fn range(unit: Unit, low: f64, high: f64) -> String {
    match unit {
        Unit::Share => format!("{:.1}–{:.1}\u{a0}%", 100.0 * low, 100.0 * high),
        _ => format!("{} to {}", number(unit, low), number(unit, high)),
    }
}

/// The scores of one evaluation and one measure.
pub(super) fn row(
    found: &Found,
    evaluation: &FoundEvaluation,
    scores: &[&Score],
    instruments: &[Instrument],
    what: What,
    conditions: &Conditions,
) -> ScoreRow {
    let score = |instrument: Instrument| scores.iter().find(|score| score.instrument == instrument);
    let recipe = evaluation.recipe();
    let twins = found
        .evaluations
        .iter()
        .filter(|other| other.recipe() == recipe)
        .count();
    let beside = |name: &'static str, of: fn(&Score) -> Option<f64>| {
        let cells = instruments.iter().map(|&i| {
            let score = score(i)?;
            of(score).map(|value| number(score.unit, value))
        });
        let cells: Vec<Option<String>> = cells.collect();
        let cells = cells.iter().any(Option::is_some).then_some(cells)?;
        Some(Beside {
            name,
            cells: cells.into_iter().map(|cell| cell.unwrap_or("–".into())).collect(),
        })
    };
    let chance = if what == What::Sdr {
        "the mix itself"
    } else {
        "chance"
    };
    let mut detail = match twins {
        0 | 1 => String::new(),
        _ => evaluation.folder.display().to_string(),
    };
    if is_stale(evaluation, &found.runs) {
        let before = if detail.is_empty() { "" } else { ", " };
        detail = format!("{detail}{before}of earlier weights: evaluate it again");
    }
    ScoreRow {
        detail,
        kind: kind(evaluation, &found.runs),
        checkpoints: evaluation
            .evaluation
            .runs
            .iter()
            .map(|run| run.checkpoint.clone())
            .collect(),
        recipe,
        conditions: conditions.letter(evaluation),
        simulated: is_simulated(evaluation, what, &found.runs),
        cells: instruments
            .iter()
            .map(|&i| score(i).map(|score| cell(score)))
            .collect(),
        values: instruments
            .iter()
            .map(|&i| score(i).map(|score| score.value))
            .collect(),
        unit: scores.first().map_or(Unit::Share, |score| score.unit),
        beside: [
            beside("untrained", |score| score.untrained),
            beside(chance, |score| score.chance),
            beside("the mix, best gain", |score| score.gain),
            beside("silence", |score| score.silence),
            beside("trivial rule", |score| score.trivial),
            beside("ceiling", |score| score.ceiling),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn cell(score: &Score) -> Cell {
    let things = match score.what {
        What::Sdr => "frames",
        What::Agreement => "answers",
        _ => "segments",
    };
    let pieces = if score.what == What::Agreement {
        "items"
    } else {
        "pieces"
    };
    let place = |value: f64| format!("{:.1}", 100.0 * value.clamp(0.0, 1.0));
    Cell {
        value: number(score.unit, score.value),
        interval: score.interval.map(|[low, high]| range(score.unit, low, high)),
        spread: score.spread.map(|spread| number(score.unit, spread)),
        n: format!("{} {things}", score.n),
        of: format!("of {} {pieces}", score.pieces),
        bar: (score.unit != Unit::Decibels).then(|| Bar {
            value: place(score.value),
            low: score.interval.map(|[low, _]| place(low)),
            high: score.interval.map(|[_, high]| place(high)),
            chance: score.chance.map(place),
        }),
        at_chance: score
            .interval
            .zip(score.chance)
            .is_some_and(|([low, high], chance)| (low..=high).contains(&chance)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_minus_and_their_unit() {
        assert_eq!(number(Unit::Share, 0.12345), "12.35\u{a0}%");
        assert_eq!(number(Unit::Decibels, -1.5), "\u{2212}1.50\u{a0}dB");
        assert_eq!(range(Unit::Share, 0.1, 0.25), "10.0–25.0\u{a0}%");
    }
}
