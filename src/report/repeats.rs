//! Several runs of one recipe, with other seeds and divisions: their mean and spread.

use serde::Serialize;
use statrs::statistics::Statistics;

use super::tables::{Row, number};

/// What the runs of a recipe have on the average.
#[derive(Serialize)]
pub(super) struct Repeat {
    pub recipe: String,
    pub conditions: Option<String>,
    pub runs: usize,
    pub simulated: bool,
    /// Mean ± standard deviation (of a sample) for each instrument; of those that all runs have.
    pub cells: Vec<String>,
}

/// The recipes of which there are several rows under the same conditions.
pub(super) fn repeats(rows: &[Row]) -> Vec<Repeat> {
    let mut repeats: Vec<Repeat> = Vec::new();
    for row in rows {
        let of_it = |recipe: &str, conditions: &Option<String>| {
            (recipe, conditions) == (row.recipe.as_str(), &row.conditions)
        };
        let runs: Vec<&Row> = rows
            .iter()
            .filter(|row| of_it(&row.recipe, &row.conditions))
            .collect();
        if runs.len() < 2
            || repeats
                .iter()
                .any(|other| of_it(&other.recipe, &other.conditions))
        {
            continue;
        }
        let cell = |column: usize| {
            let values: Option<Vec<f64>> = runs.iter().map(|run| *run.values.get(column)?).collect();
            values.map_or("–".to_string(), |values| {
                let text = |value| number(row.unit, value);
                format!("{} ± {}", text((&values).mean()), text((&values).std_dev()))
            })
        };
        repeats.push(Repeat {
            recipe: row.recipe.clone(),
            conditions: row.conditions.clone(),
            runs: runs.len(),
            simulated: runs.iter().any(|run| run.simulated),
            cells: (0..row.values.len()).map(cell).collect(),
        });
    }
    repeats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Unit;

    fn row(recipe: &str, values: [Option<f64>; 2]) -> Row {
        Row {
            recipe: recipe.into(),
            detail: String::new(),
            conditions: None,
            simulated: recipe.ends_with("paft"),
            cells: Vec::new(),
            beside: Vec::new(),
            values: values.to_vec(),
            unit: Unit::Share,
        }
    }

    #[test]
    fn runs_of_one_recipe_are_averaged() {
        let rows = [
            row("direct", [Some(0.9), None]),
            row("direct-paft", [Some(0.5), Some(0.1)]),
            row("direct-paft", [Some(0.6), None]),
            row("direct-paft", [Some(0.7), Some(0.3)]),
        ];
        let found = repeats(&rows);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].recipe.as_str(), found[0].runs, found[0].simulated),
            ("direct-paft", 3, true)
        );
        assert_eq!(found[0].cells, ["60.00\u{a0}% ± 10.00\u{a0}%", "–"]);
    }
}
