//! What the papers found, to stand beside what was found here.

use serde::Deserialize;

use super::ReportError;
use crate::{
    corpus::Instrument,
    eval::{Measure, What},
};

const TABLE: &str = include_str!("published.toml");

/// A row of a paper's table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    pub what: What,
    /// As that of a score.
    pub measure: Measure,
    /// Name of our recipe.
    pub recipe: String,
    /// As the paper has it.
    pub name: String,
    /// By instrument, as printed in the paper's table, which is empty where nothing was published.
    values: [String; 5],
}

impl Published {
    pub fn of(&self, instrument: Instrument) -> Option<&str> {
        let value = self.values[instrument as usize].as_str();
        (!value.is_empty()).then_some(value)
    }
}

/// All rows.
///
/// # Errors
/// [`ReportError::Template`] if the table is broken.
pub(super) fn published() -> Result<Vec<Published>, ReportError> {
    #[derive(Deserialize)]
    struct Table {
        row: Vec<Published>,
    }
    let table: Table = toml::from_str(TABLE).map_err(|error| ReportError::Template {
        what: "table of published numbers",
        message: error.to_string(),
    })?;
    Ok(table.row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eval::{Average, Preset, Ratio},
        train::recipe::{OWN, RECIPES},
    };

    #[test]
    fn rows_name_recipes_and_measures_that_exist() {
        let rows = published().unwrap();
        assert_eq!(rows.len(), 14);
        for row in &rows {
            let papers = RECIPES.iter().filter(|(name, _)| !OWN.contains(name));
            assert!(
                papers.map(|(name, _)| *name).any(|name| name == row.recipe),
                "{row:?}"
            );
            for value in Instrument::ALL.into_iter().filter_map(|i| row.of(i)) {
                let value: f64 = value.parse().unwrap();
                assert!((0.0..100.0).contains(&value), "{row:?}");
            }
            assert!(row.of(Instrument::Drums).is_some(), "{row:?}");
            let known = [
                Measure::Length(10.0),
                Measure::Pseudo(Preset::I25),
                Measure::Separated(Ratio::Sdr, Average::Means),
            ];
            assert!(known.contains(&row.measure), "{row:?}");
            assert_eq!(row.measure.what(), row.what, "{row:?}");
        }
        assert_eq!(rows[0].of(Instrument::Residuals), None);
        assert_eq!(rows[4].of(Instrument::Bass), Some("71.09"));
    }
}
