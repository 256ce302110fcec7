//! What the papers found, to stand beside what was found here.

use serde::Deserialize;

use super::ReportError;
use crate::{
    corpus::Instrument,
    eval::{Measure, Unit, What},
    listening::{Aspect, Condition, Criterion, Share},
};

const TABLE: &str = include_str!("published.toml");

/// A row of a paper's table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    /// As `[I25] Table 2`.
    pub table: String,
    /// As that of a score.
    pub measure: Measure,
    /// Length of segments, where the measure does not name it and the paper does.
    #[serde(default)]
    seconds: Option<f64>,
    /// As the paper has it.
    pub name: String,
    /// Name of our recipe, if there is one.
    #[serde(default)]
    pub recipe: Option<String>,
    /// By instrument, as printed in the paper's table, which is empty where nothing was published.
    values: [String; 5],
    /// Standard deviation over runs, as the values.
    #[serde(default)]
    sd: [String; 5],
    /// Half the width of a 95 % interval, as the values.
    #[serde(default)]
    half: [String; 5],
    /// Bounds of 95 % intervals, as the values.
    #[serde(default)]
    low: [String; 5],
    #[serde(default)]
    high: [String; 5],
    /// The mean over four instruments.
    #[serde(default)]
    pub mean: Option<String>,
    /// Why it cannot be right as printed.
    #[serde(default)]
    pub doubtful: Option<String>,
}

impl Published {
    /// A value with its deviation or interval, and with its unit; `None` where nothing was published.
    pub fn of(&self, instrument: Instrument) -> Option<String> {
        let at = |all: &[String; 5]| {
            let text = all[instrument as usize].as_str();
            (!text.is_empty()).then(|| text.replace('-', "\u{2212}"))
        };
        let unit = match self.measure.unit() {
            Unit::Share => "\u{a0}%",
            Unit::Decibels => "\u{a0}dB",
            Unit::Correlation => "",
        };
        let value = at(&self.values)?;
        let spread = at(&self.sd).map(|sd| format!("{value}\u{a0}±\u{a0}{sd}{unit}"));
        let interval = match (at(&self.half), at(&self.low), at(&self.high)) {
            (Some(half), ..) => Some(format!("{value}{unit} (±\u{a0}{half})")),
            (_, Some(low), Some(high)) => Some(format!("{value}{unit} ({low}–{high})")),
            _ => None,
        };
        Some(spread.or(interval).unwrap_or(format!("{value}{unit}")))
    }

    /// Whether a score of this measure, on segments of so many seconds, was found by the same protocol.
    pub fn is_of(&self, measure: Measure, seconds: f64) -> bool {
        self.measure == measure && self.seconds.is_none_or(|own| own == seconds)
    }

    /// Length of its segments, where that is known.
    pub fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(10.0)
    }
}

/// A row of a paper's tables, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaperRow {
    /// As `[I25] Table 2`.
    pub table: String,
    /// As the paper has it.
    pub name: String,
    /// Name of our recipe; `None` where another program separates the stems.
    pub recipe: Option<String>,
    /// Whether it takes judgements.
    pub judged: bool,
}

/// All rows of the papers' tables of results, table by table, each once.
///
/// # Errors
/// [`ReportError::Template`] if the table is broken.
pub fn paper_rows() -> Result<Vec<PaperRow>, ReportError> {
    let table = table()?;
    let printed = table.row.into_iter().map(|row| PaperRow {
        judged: row.measure.what() == What::Agreement,
        table: row.table,
        name: row.name,
        recipe: row.recipe,
    });
    let pictures = table.picture.into_iter().map(|row| PaperRow {
        judged: false,
        table: row.table,
        name: row.name,
        recipe: Some(row.recipe),
    });
    let mut rows: Vec<PaperRow> = Vec::new();
    for row in printed.chain(pictures) {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    // by table, and within it as it is printed
    rows.sort_by(|a, b| b.table[..5].cmp(&a.table[..5]).then(a.table.cmp(&b.table)));
    Ok(rows)
}

/// How many judgements a paper kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedCounts {
    /// As `[I25] Table 1`.
    pub table: String,
    /// All-Diff or One-Shared.
    pub condition: Condition,
    /// What was counted.
    pub of: Counted,
    #[serde(default)]
    aspect: Aspect,
    /// The share that an item needs; `None` of all items.
    #[serde(default)]
    pub share: Option<Share>,
    /// By instrument, as printed; empty where nothing was published.
    pub values: [String; 5],
}

/// What is counted of judgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Items.
    Items,
    /// Answers that name a side.
    Responses,
}

/// The counts that the papers published of the items of a criterion, and of all items.
///
/// # Errors
/// [`ReportError::Template`] if the table is broken.
pub fn published_counts(criterion: Criterion) -> Result<Vec<PublishedCounts>, ReportError> {
    let mut counts = table()?.counts;
    counts.retain(|counts| {
        counts.aspect == criterion.aspect && counts.share.is_none_or(|share| share == criterion.share)
    });
    Ok(counts)
}

/// All rows.
///
/// # Errors
/// [`ReportError::Template`] if the table is broken.
pub(super) fn published() -> Result<Vec<Published>, ReportError> {
    Ok(table()?.row)
}

#[derive(Deserialize)]
struct Table {
    row: Vec<Published>,
    picture: Vec<Picture>,
    counts: Vec<PublishedCounts>,
}

/// A row whose numbers are not known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    table: String,
    name: String,
    recipe: String,
}

fn table() -> Result<Table, ReportError> {
    toml::from_str(TABLE).map_err(|error| ReportError::Template {
        what: "table of published numbers",
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::train::recipe::{RECIPES, VARIANTS};

    #[test]
    fn rows_are_numbers_of_recipes_that_exist() {
        let rows = published().unwrap();
        assert_eq!(rows.len(), 81);
        for row in &rows {
            if let Some(recipe) = &row.recipe {
                assert!(RECIPES.iter().any(|(name, _)| name == recipe), "{row:?}");
                assert!(!VARIANTS.contains(&recipe.as_str()), "{row:?} is our own");
            }
            let all = [&row.values, &row.sd, &row.half, &row.low, &row.high]
                .into_iter()
                .flatten();
            for value in all.chain(&row.mean).filter(|value| !value.is_empty()) {
                let value: f64 = value.parse().unwrap();
                assert!((-20.0..=100.0).contains(&value), "{row:?}");
            }
            assert!(row.of(Instrument::Drums).is_some(), "{row:?}");
            assert_eq!(
                row.low.concat().is_empty(),
                row.high.concat().is_empty(),
                "{row:?}"
            );
        }
        assert_eq!(rows[0].of(Instrument::Residuals), None);
        let of = |name: &str, measure: &str, instrument| {
            let row = rows
                .iter()
                .find(|row| row.name == name && row.measure.to_string() == measure);
            row.unwrap().of(instrument).unwrap()
        };
        assert_eq!(of("Direct w/ DA", "10 s", Instrument::Bass), "71.09\u{a0}%");
        assert_eq!(
            of("Cascade w/ Spleeter", "SDR, mean of means", Instrument::Drums),
            "\u{2212}13.7\u{a0}dB"
        );
        assert_eq!(
            of("Clean", "All-Diff", Instrument::Drums),
            "63.11\u{a0}% (60.27–65.89)"
        );
        assert_eq!(
            of("Cascade-PAFT (pseudo)", "All-Diff, held out", Instrument::Guitar),
            "75.80\u{a0}±\u{a0}0.16\u{a0}%"
        );
        assert_eq!(
            of("proposed", "All-Diff, timbre, at least 80 %", Instrument::Bass),
            "69.3\u{a0}% (±\u{a0}4.7)"
        );
        assert_eq!(rows.iter().filter(|row| row.doubtful.is_some()).count(), 3);
    }

    /// In every table a row of the papers has one recipe, and a recipe one row.
    #[test]
    fn one_row_one_recipe() {
        let rows = published().unwrap();
        let (mut names, mut recipes, mut of_name) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let table = (row.table.as_str(), row.measure.to_string());
            assert!(names.insert((table.clone(), row.name.as_str())), "{row:?} twice");
            if let Some(recipe) = &row.recipe {
                assert!(
                    recipes.insert((table, recipe.as_str())),
                    "{row:?}: another of its recipe"
                );
                let paper = &row.table[..5];
                of_name.insert((paper, row.name.as_str(), recipe.as_str()));
            }
        }
        let named: BTreeSet<_> = of_name.iter().map(|(paper, name, _)| (paper, name)).collect();
        assert_eq!(named.len(), of_name.len(), "a name stands for two recipes");
        // and every protocol has some, but for our own
        for what in What::ALL.into_iter().filter(|&what| what != What::Presence) {
            assert!(rows.iter().any(|row| row.measure.what() == what), "{what}");
        }
    }
}
