//! Scores as tables: a table a protocol, a group of rows a measure, a row a recipe.

use serde::Serialize;

use super::{
    gather::{Found, FoundEvaluation},
    provenance::Conditions,
    published::Published,
    repeats::{Repeat, repeats},
    row::{ScoreRow, number, range, row},
};
use crate::{
    corpus::Instrument,
    eval::{Asked, Average, Measure, Ratio, Score, What},
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
    /// What was published by protocols, or on segments, of which nothing is here.
    pub elsewhere: Vec<PublishedGroup>,
    /// Whether any row depends on simulated judgements.
    pub simulated: bool,
}

/// The rows of one measure.
#[derive(Serialize)]
pub(super) struct Group {
    #[serde(skip)]
    of: Measure,
    pub measure: String,
    pub rows: Vec<ScoreRow>,
    /// Of recipes with several runs.
    pub repeats: Vec<Repeat>,
    /// Found by the papers with the same protocol.
    pub published: Vec<PublishedGroup>,
}

/// The rows of a paper's table.
#[derive(Serialize)]
pub(super) struct PublishedGroup {
    pub title: String,
    pub rows: Vec<PublishedRow>,
}

#[derive(Serialize)]
pub(super) struct PublishedRow {
    pub name: String,
    pub recipe: Option<String>,
    pub mean: Option<String>,
    pub doubtful: Option<String>,
    pub cells: Vec<String>,
}

/// The tables, in the order of the papers'; of protocols that occur.
pub(super) fn protocols(found: &Found, published: &[Published], conditions: &Conditions) -> Vec<Protocol> {
    let all = What::ALL.into_iter();
    all.filter_map(|what| protocol(what, found, published, conditions))
        .collect()
}

fn protocol(what: What, found: &Found, published: &[Published], conditions: &Conditions) -> Option<Protocol> {
    let scores = || found.evaluations.iter().flat_map(|found| of(found, what));
    let instruments: Vec<Instrument> = Instrument::ALL
        .into_iter()
        .filter(|&i| scores().any(|score| score.instrument == i))
        .collect();
    if instruments.is_empty() {
        return None;
    }
    let of_protocol = published.iter().filter(|row| row.measure.what() == what);
    let mut published: Vec<&Published> = of_protocol.collect();
    let mut groups: Vec<Group> = Vec::new();
    for evaluation in &found.evaluations {
        let mut measures: Vec<Measure> = Vec::new();
        for score in of(evaluation, what) {
            if !measures.contains(&score.measure) {
                measures.push(score.measure);
            }
        }
        for measure in measures {
            let name = heading(measure, evaluation.evaluation.seconds);
            let scores: Vec<&Score> = of(evaluation, what)
                .filter(|score| score.measure == measure)
                .collect();
            let row = row(found, evaluation, &scores, &instruments, what, conditions);
            match groups.iter_mut().find(|group| group.measure == name) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group {
                    of: measure,
                    measure: name,
                    rows: vec![row],
                    repeats: Vec::new(),
                    published: published_groups(
                        &published
                            .extract_if(.., |row| row.is_of(measure, evaluation.evaluation.seconds))
                            .collect::<Vec<_>>(),
                        &instruments,
                    ),
                }),
            }
        }
    }
    groups.sort_by(|a, b| order(a.of).total_cmp(&order(b.of)));
    for group in &mut groups {
        group.repeats = repeats(&group.rows);
    }
    let (groups, more): (Vec<Group>, Vec<Group>) = groups
        .into_iter()
        .partition(|group| !matches!(group.of, Measure::Separated(ratio, _) if ratio != Ratio::Sdr));
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
        elsewhere: published_groups(&published, &instruments),
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
fn heading(measure: Measure, seconds: f64) -> String {
    match measure {
        Measure::Length(_) => format!("Segments of {measure}"),
        Measure::Pseudo(preset, length) => {
            format!("Preset {preset}, segments of {} s", length.unwrap_or(seconds))
        }
        Measure::Leak(asked) => {
            let good = match asked {
                Asked::Instrument => "high is good",
                Asked::Rest => "low is good",
            };
            format!("Telling the {measure} ({good}), segments of {seconds} s")
        }
        Measure::CleanStems | Measure::CleanStemAndMix | Measure::Presence => {
            let text = measure.to_string();
            let (first, rest) = text.split_at(1);
            format!("{}{rest}, segments of {seconds} s", first.to_uppercase())
        }
        Measure::Separated(..) | Measure::Agreement(..) => measure.to_string(),
    }
}

/// Lengths by number, the papers' average of the ratios first, all else as it came.
fn order(measure: Measure) -> f64 {
    match measure {
        Measure::Length(seconds) => seconds,
        Measure::Separated(_, Average::Medians) => 1.0,
        _ => 0.0,
    }
}

/// Published rows by table and measure.
fn published_groups(rows: &[&Published], instruments: &[Instrument]) -> Vec<PublishedGroup> {
    let mut groups: Vec<PublishedGroup> = Vec::new();
    for row in rows {
        let title = format!("{}: {}", row.table, heading(row.measure, row.seconds()));
        let cells = instruments.iter().map(|&i| row.of(i).unwrap_or("–".into()));
        let row = PublishedRow {
            name: row.name.clone(),
            recipe: row.recipe.clone(),
            mean: row.mean.clone(),
            doubtful: row.doubtful.clone(),
            cells: cells.collect(),
        };
        match groups.iter_mut().find(|group| group.title == title) {
            Some(group) => group.rows.push(row),
            None => groups.push(PublishedGroup {
                title,
                rows: vec![row],
            }),
        }
    }
    groups
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
    use crate::eval::Preset;

    #[test]
    fn measures_name_what_differs() {
        assert_eq!(heading(Measure::Length(3.0), 10.0), "Segments of 3 s");
        assert_eq!(
            heading(Measure::Pseudo(Preset::I25, None), 5.0),
            "Preset i25, segments of 5 s"
        );
        assert_eq!(
            heading(Measure::Pseudo(Preset::H25, Some(5.0)), 10.0),
            "Preset h25, segments of 5 s"
        );
        let rest = Measure::Leak(Asked::Rest);
        assert_ne!(heading(rest, 5.0), heading(rest, 10.0));
        assert_eq!(
            heading(Measure::CleanStems, 10.0),
            "Clean stems, segments of 10 s"
        );
        assert!(order(Measure::Length(3.0)) < order(Measure::Length(10.0)));
    }
}
