//! Several runs of one recipe, with other seeds and divisions: their mean and spread.

use serde::Serialize;
use statrs::statistics::Statistics;

use super::row::{ScoreRow, number};

/// The average over a recipe's runs.
#[derive(Serialize)]
pub(super) struct Repeat {
    pub recipe: String,
    pub conditions: Option<String>,
    pub runs: usize,
    pub simulated: bool,
    /// Mean ± standard deviation (of a sample) for each instrument; of those that all runs have.
    pub cells: Vec<String>,
}

/// The recipes of which there are several runs, alike in all but the seed, evaluated under the same conditions.
pub(super) fn repeats(rows: &[ScoreRow]) -> Vec<Repeat> {
    let mut groups: Vec<Vec<&ScoreRow>> = Vec::new();
    for row in rows.iter().filter(|row| row.kind.is_some()) {
        let like = |other: &ScoreRow| (&other.kind, &other.conditions) == (&row.kind, &row.conditions);
        match groups
            .iter_mut()
            .find(|group| group.iter().any(|other| like(other)))
        {
            // the same weights again are no other run
            Some(group) if group.iter().any(|other| other.checkpoints == row.checkpoints) => {}
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups.into_iter().map(|runs| repeat(&runs)).collect()
}

fn repeat(runs: &[&ScoreRow]) -> Repeat {
    let row = runs[0];
    let cell = |column: usize| {
        let values: Option<Vec<f64>> = runs.iter().map(|run| *run.values.get(column)?).collect();
        values.map_or("–".to_string(), |values| {
            let text = |value| number(row.unit, value);
            format!("{} ± {}", text((&values).mean()), text((&values).std_dev()))
        })
    };
    Repeat {
        recipe: row.recipe.clone(),
        conditions: row.conditions.clone(),
        runs: runs.len(),
        simulated: runs.iter().any(|run| run.simulated),
        cells: (0..row.values.len()).map(cell).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Unit;

    fn row(recipe: &str, weights: &str, values: [Option<f64>; 2]) -> ScoreRow {
        ScoreRow {
            recipe: recipe.into(),
            detail: String::new(),
            conditions: None,
            simulated: recipe.ends_with("paft"),
            cells: Vec::new(),
            beside: Vec::new(),
            values: values.to_vec(),
            unit: Unit::Share,
            kind: (recipe != "lost").then(|| recipe.into()),
            checkpoints: vec![weights.into()],
        }
    }

    #[test]
    fn runs_of_one_recipe_are_averaged() {
        let rows = [
            row("direct", "a", [Some(0.9), None]),
            row("direct-paft", "b", [Some(0.5), Some(0.1)]),
            row("direct-paft", "c", [Some(0.6), None]),
            row("direct-paft", "d", [Some(0.7), Some(0.3)]),
            row("direct-paft", "d", [Some(0.0), Some(0.0)]),
            row("lost", "e", [Some(0.1), Some(0.3)]),
            row("lost", "f", [Some(0.1), Some(0.3)]),
        ];
        let found = repeats(&rows);
        assert_eq!(found.len(), 1);
        let found = &found[0];
        assert_eq!(
            (found.recipe.as_str(), found.runs, found.simulated),
            ("direct-paft", 3, true)
        );
        assert_eq!(found.cells, ["60.00\u{a0}% ± 10.00\u{a0}%", "–"]);
    }
}
