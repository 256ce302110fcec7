//! The rows of the papers' tables, and what became of each.

use std::collections::BTreeSet;

use crate::report::PaperRow;

/// The recipes that the papers' tables have rows of.
pub fn recipes(rows: &[PaperRow]) -> BTreeSet<&str> {
    rows.iter().filter_map(|row| row.recipe.as_deref()).collect()
}

/// What there is to list of every row: its table, its name, its recipe, and what became of it. Where only some recipes
/// were asked for, only their rows.
pub fn listing(
    rows: &[PaperRow],
    asked: Option<&[&str]>,
    evaluated: &[String],
    failed: &[String],
    judgements: bool,
) -> Vec<Vec<String>> {
    let meant = |row: &&PaperRow| {
        let recipe = row.recipe.as_deref();
        asked.is_none_or(|asked| recipe.is_some_and(|recipe| asked.contains(&recipe)))
    };
    let has = |list: &[String], recipe: &str| list.iter().any(|name| name == recipe);
    let lines = rows.iter().filter(meant).map(|row| {
        let state = match row.recipe.as_deref() {
            None => "not run: takes stems of another program, see docs/stems.md",
            Some(_) if row.judged && !judgements => "not run: takes --judgements FILE",
            Some(recipe) if has(evaluated, recipe) => "evaluated",
            Some(recipe) if has(failed, recipe) => "failed",
            Some(_) => "not run: nothing was trained",
        };
        let recipe = row.recipe.clone().unwrap_or("-".into());
        vec![row.table.clone(), row.name.clone(), recipe, state.into()]
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::paper_rows,
        train::recipe::{OWN, RECIPES},
    };

    /// Every recipe but our own is a row, or what rows build on.
    #[test]
    fn every_recipe_of_the_papers_has_a_row() {
        let rows = paper_rows().unwrap();
        let of_rows = recipes(&rows);
        let others: Vec<&str> = RECIPES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !of_rows.contains(name) && !OWN.contains(name))
            .collect();
        assert_eq!(others, ["separator", "direct-pretraining"]);
        let tables: BTreeSet<&str> = rows.iter().map(|row| row.table.as_str()).collect();
        let wanted = (2..=6)
            .map(|i| format!("[I25] Table {i}"))
            .chain((1..=6).map(|i| format!("[H25] Table {i}")));
        assert_eq!(
            tables,
            wanted.collect::<Vec<_>>().iter().map(String::as_str).collect()
        );
        assert!(rows[0].table.starts_with("[I25] Table 2") && rows.last().unwrap().table == "[H25] Table 6");
    }

    #[test]
    fn rows_that_were_not_run_say_what_they_need() {
        let rows = paper_rows().unwrap();
        let (evaluated, failed) = (["clean".to_string()], ["direct".to_string()]);
        let state = |lines: &[Vec<String>], table: &str, name: &str| -> String {
            let line = lines
                .iter()
                .find(|line| line[0].ends_with(table) && line[1] == name);
            line.unwrap()[3].clone()
        };
        let lines = listing(&rows, None, &evaluated, &failed, false);
        assert_eq!(lines.len(), rows.len());
        assert_eq!(state(&lines, "[I25] Table 2", "Clean"), "evaluated");
        assert_eq!(state(&lines, "[I25] Table 3", "Direct"), "failed");
        for (table, name, needs) in [
            ("[I25] Table 2", "Cascade w/ Spleeter", "another program"),
            ("[I25] Table 5", "Clean", "--judgements"),
            ("[I25] Table 5", "Cascade-PAFT (pseudo)", "--judgements"),
            ("[H25] Table 2", "(f) norm + psd + basic", "nothing was trained"),
            ("[H25] Table 6", "proposed", "--judgements"),
        ] {
            let state = state(&lines, table, name);
            assert!(
                state.starts_with("not run: ") && state.contains(needs),
                "{table} {name}: {state}"
            );
        }
        let lines = listing(&rows, None, &evaluated, &failed, true);
        assert_eq!(state(&lines, "[I25] Table 5", "Clean"), "evaluated");
        let some = listing(&rows, Some(&["clean"]), &evaluated, &failed, false);
        assert!(
            some.len() == 3 && some.iter().all(|line| line[2] == "clean"),
            "{some:?}"
        );
    }
}
