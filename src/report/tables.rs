//! Scores as tables: a table a protocol, a group of rows a measure, a row a recipe.

use serde::Serialize;

use super::{
    gather::{Found, FoundEvaluation},
    provenance::{Conditions, is_simulated, is_stale, kind},
    published::Published,
    repeats::{Repeat, repeats},
};
use crate::{
    corpus::Instrument,
    eval::{Score, Unit, What},
};

/// A protocol and all that was found by it.
#[derive(Serialize)]
pub(super) struct Protocol {
    pub id: &'static str,
    pub title: &'static str,
    pub explanation: &'static str,
    /// What chance gives, in words.
    pub chance: String,
    pub columns: Vec<&'static str>,
    pub groups: Vec<Group>,
    /// Measures that few ask for.
    pub more: Vec<Group>,
    pub published: Vec<PublishedRow>,
    pub published_measure: String,
    /// Whether any row depends on judgements that nobody made.
    pub simulated: bool,
}

/// The rows of one measure.
#[derive(Serialize)]
pub(super) struct Group {
    #[serde(skip)]
    order: (u64, String),
    pub measure: String,
    pub rows: Vec<Row>,
    /// Of recipes with several runs.
    pub repeats: Vec<Repeat>,
}

#[derive(Serialize)]
pub(super) struct Row {
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
    /// What repeated runs have in common; nothing of runs that were not found.
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

#[derive(Serialize)]
pub(super) struct PublishedRow {
    pub name: String,
    pub recipe: String,
    pub cells: Vec<String>,
}

/// A number with its unit.
pub(super) fn number(unit: Unit, value: f64) -> String {
    unit.text(value).replace(' ', "\u{a0}").replace('-', "\u{2212}")
}

/// A range of numbers: the unit once.
fn range(unit: Unit, low: f64, high: f64) -> String {
    match unit {
        Unit::Share => format!("{:.1}–{:.1}\u{a0}%", 100.0 * low, 100.0 * high),
        _ => format!("{} to {}", number(unit, low), number(unit, high)),
    }
}

/// The tables, in the order of the papers'; of protocols that occur.
pub(super) fn protocols(found: &Found, published: &[Published], conditions: &Conditions) -> Vec<Protocol> {
    let all = What::ALL.into_iter();
    all.filter_map(|what| protocol(what, found, published, conditions))
        .collect()
}

fn protocol(what: What, found: &Found, published: &[Published], conditions: &Conditions) -> Option<Protocol> {
    let scores = || found.evaluations.iter().flat_map(|found| of(found, what));
    let published: Vec<&Published> = published.iter().filter(|row| row.what == what).collect();
    let instruments: Vec<Instrument> = Instrument::ALL
        .into_iter()
        .filter(|&i| scores().any(|score| score.instrument == i))
        .collect();
    if instruments.is_empty() {
        return None;
    }
    let mut groups: Vec<Group> = Vec::new();
    for evaluation in &found.evaluations {
        let mut measures: Vec<&str> = Vec::new();
        for score in of(evaluation, what) {
            if !measures.contains(&score.measure.as_str()) {
                measures.push(&score.measure);
            }
        }
        for measure in measures {
            let name = heading(what, measure, evaluation.evaluation.seconds);
            let scores: Vec<&Score> = of(evaluation, what)
                .filter(|score| score.measure == measure)
                .collect();
            let row = row(found, evaluation, &scores, &instruments, what, conditions);
            match groups.iter_mut().find(|group| group.measure == name) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group {
                    order: order(what, measure),
                    measure: name,
                    rows: vec![row],
                    repeats: Vec::new(),
                }),
            }
        }
    }
    groups.sort_by(|a, b| a.order.cmp(&b.order));
    for group in &mut groups {
        group.repeats = repeats(&group.rows);
    }
    let (groups, more): (Vec<Group>, Vec<Group>) = groups
        .into_iter()
        .partition(|group| what != What::Sdr || group.measure.starts_with("SDR"));
    let row_of = |row: &&Published| PublishedRow {
        name: row.name.clone(),
        recipe: row.recipe.clone(),
        cells: instruments.iter().map(|&i| plain(what, row.of(i))).collect(),
    };
    Some(Protocol {
        id: what.name(),
        title: what.title(),
        explanation: what.explanation(),
        chance: chance(what, &scores().collect::<Vec<_>>()),
        columns: instruments.iter().map(|i| i.name()).collect(),
        simulated: groups
            .iter()
            .chain(&more)
            .flat_map(|group| &group.rows)
            .any(|row| row.simulated),
        groups,
        more,
        published_measure: published
            .first()
            .map_or(String::new(), |row| heading(what, &row.measure, 10.0)),
        published: published.iter().map(row_of).collect(),
    })
}

fn of(found: &FoundEvaluation, what: What) -> impl Iterator<Item = &Score> {
    found
        .evaluation
        .scores
        .iter()
        .filter(move |score| score.what == what)
}

/// What a measure is, the length of segments with it.
fn heading(what: What, measure: &str, seconds: f64) -> String {
    match what {
        What::MesNormal => format!("Segments of {measure}"),
        What::MesPseudo => format!("Preset {measure}, segments of {seconds} s"),
        What::Leak => {
            let good = match measure {
                "piece of the rest" => "near chance is good",
                _ => "high is good",
            };
            format!("Telling the {measure} ({good}), segments of {seconds} s")
        }
        What::Identification | What::Correlation => {
            let mut letters = measure.chars();
            let first = letters
                .next()
                .map_or(String::new(), |c| c.to_uppercase().collect());
            format!("{first}{}, segments of {seconds} s", letters.as_str())
        }
        What::Sdr | What::Agreement => measure.to_string(),
    }
}

/// Lengths by number, the papers' summary of the SDR first, all else as it came.
fn order(what: What, measure: &str) -> (u64, String) {
    match what {
        What::MesNormal => {
            let seconds = measure
                .split(' ')
                .next()
                .and_then(|text| text.parse::<f64>().ok());
            ((1e3 * seconds.unwrap_or(0.0)) as u64, measure.into())
        }
        What::Sdr => (u64::from(!measure.ends_with("mean of means")), String::new()),
        _ => (0, String::new()),
    }
}

fn row(
    found: &Found,
    evaluation: &FoundEvaluation,
    scores: &[&Score],
    instruments: &[Instrument],
    what: What,
    conditions: &Conditions,
) -> Row {
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
    Row {
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

/// A published number, in the paper's unit.
fn plain(what: What, value: Option<&str>) -> String {
    let unit = if what == What::Sdr { "dB" } else { "%" };
    value.map_or("–".into(), |value| format!("{value}\u{a0}{unit}"))
}

fn chance(what: What, scores: &[&Score]) -> String {
    let chances = scores.iter().filter_map(|score| score.chance);
    let (low, high) = chances.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), chance| {
        (low.min(chance), high.max(chance))
    });
    let Some(score) = scores.first().filter(|_| low.is_finite()) else {
        return String::new();
    };
    let text = match number(score.unit, low) == number(score.unit, high) {
        true => number(score.unit, low),
        false => range(score.unit, low, high),
    };
    match what {
        What::Sdr => format!("Here the mix itself, taken for the stem, has {text}."),
        _ => format!("Here chance gives {text}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_name_what_differs() {
        assert_eq!(heading(What::MesNormal, "3 s", 10.0), "Segments of 3 s");
        assert_eq!(
            heading(What::MesPseudo, "i25", 5.0),
            "Preset i25, segments of 5 s"
        );
        assert_ne!(
            heading(What::Leak, "piece of the rest", 5.0),
            heading(What::Leak, "piece of the rest", 10.0)
        );
        assert!(order(What::MesNormal, "3 s") < order(What::MesNormal, "10 s"));
    }

    #[test]
    fn numbers_have_a_minus_and_their_unit() {
        assert_eq!(number(Unit::Share, 0.12345), "12.35\u{a0}%");
        assert_eq!(number(Unit::Decibels, -1.5), "\u{2212}1.50\u{a0}dB");
        assert_eq!(range(Unit::Share, 0.1, 0.25), "10.0–25.0\u{a0}%");
    }
}
