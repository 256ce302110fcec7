//! Runs and evaluations, one by one: what they are made of.

use serde::Serialize;

use super::{
    chart::short,
    curves::Log,
    gather::{Found, FoundEvaluation, FoundRun, place},
    provenance::{Conditions, brief},
};
use crate::train::recipe::{Best, RECIPES, Recipe};

/// A run.
#[derive(Serialize)]
pub(super) struct RunCard {
    pub name: String,
    pub folder: String,
    pub simulated: bool,
    pub standing: &'static str,
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    pub parents: Vec<ParentLine>,
    /// What it began from on the disk.
    pub from: Vec<String>,
    pub config: String,
}

#[derive(Serialize)]
pub(super) struct ParentLine {
    pub name: String,
    pub hash: String,
    pub simulated: bool,
}

/// An evaluation.
#[derive(Serialize)]
pub(super) struct Source {
    pub folder: String,
    pub recipe: String,
    pub simulated: bool,
    pub letter: Option<String>,
    pub runs: Vec<String>,
    pub facts: Vec<(&'static str, String)>,
}

/// A recipe in a sentence.
#[derive(Serialize)]
pub(super) struct Explained {
    pub name: String,
    pub description: String,
}

/// The recipes that occur, in the papers' order.
pub(super) fn recipes(found: &Found) -> Vec<Explained> {
    let of_runs = found.runs.iter().map(|run| run.recipe().name.clone());
    let evaluated = found.evaluations.iter().flat_map(|found| &found.evaluation.runs);
    let mut names: Vec<String> = of_runs.chain(evaluated.map(|run| run.recipe.clone())).collect();
    names.sort_by_key(|name| (place(name), name.clone()));
    names.dedup();
    let explained = |name: String| Explained {
        description: match RECIPES.iter().any(|(known, _)| *known == name) {
            true => Recipe::description(&name).unwrap_or_default(),
            false => "A recipe of its own, not of the papers.".into(),
        },
        name,
    };
    names.into_iter().map(explained).collect()
}

/// What is known of a run.
pub(super) fn card((found, log): &(&FoundRun, Log)) -> RunCard {
    let (recipe, record) = (found.recipe(), found.record.as_ref());
    let mut facts = Vec::new();
    let mut fact = |name, value: Option<String>| {
        facts.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    };
    let state = found.state.as_ref();
    fact("Steps", state.map(|state| state.step.to_string()));
    fact("Best", state.and_then(|state| best(recipe, state)));
    fact("Parameters", record.map(|record| thousands(record.parameters)));
    fact("Seed", Some(recipe.seed.to_string()));
    let starts = record.map_or(&[][..], |record| &record.starts);
    let all = |of: fn(&crate::train::Start) -> Option<&str>| {
        let mut values: Vec<&str> = starts.iter().filter_map(of).collect();
        values.dedup();
        values.join(", then ")
    };
    fact("Device", Some(all(|start| Some(&start.device))));
    fact("Version", Some(all(|start| Some(&start.version))));
    fact("Commit", Some(all(|start| start.git_commit.as_deref())));
    fact("Time in training", (log.seconds > 0.0).then(|| time(log.seconds)));
    let speed = (log.seconds > 0.0 && log.steps > 0).then(|| log.steps as f64 / log.seconds);
    fact("Steps per second", speed.map(short));
    fact("Corpus", Some(found.run.config.corpus.display().to_string()));
    fact("Store", Some(all(|start| start.store.as_deref())));
    fact("Judgements", Some(all(|start| start.judgements.as_deref())));
    fact("Checkpoint", found.checkpoint.clone());
    let parents = record.iter().flat_map(|record| &record.parents);
    RunCard {
        name: found.name(),
        folder: found.run.folder().display().to_string(),
        simulated: found.simulated(),
        standing: match state {
            None => "not begun",
            Some(state) if state.schedule.finished => "done",
            Some(_) => "begun",
        },
        facts,
        parents: parents
            .map(|parent| ParentLine {
                name: match parent.instrument {
                    Some(instrument) => format!("{}, {instrument}", parent.recipe),
                    None => parent.recipe.clone(),
                },
                hash: parent.hash.clone(),
                simulated: parent.simulated,
            })
            .collect(),
        from: found
            .run
            .config
            .from
            .iter()
            .map(|folder| folder.display().to_string())
            .collect(),
        config: toml::to_string(recipe).unwrap_or_default(),
    }
}

/// The best score, and from what.
fn best(recipe: &Recipe, state: &crate::train::checkpoint::State) -> Option<String> {
    let (step, score) = state.schedule.best?;
    let start = state.schedule.gain(&recipe.training).map(|(start, _)| start);
    let text = |value: f32| match recipe.training.best {
        Best::Knn | Best::KnnPseudo => format!("{:.1} %", 100.0 * value),
        Best::Loss | Best::Last => format!("{value:.5}"),
    };
    let what = match recipe.training.best {
        Best::Knn => "neighbour score",
        Best::KnnPseudo => "neighbour score of pseudo pieces",
        Best::Loss | Best::Last => "validation loss",
    };
    let from = start.map_or(String::new(), |start| {
        format!(", {} before the first", text(start))
    });
    Some(format!("{what} {} at step {step}{from}", text(score)))
}

/// What is known of an evaluation.
pub(super) fn source(found: &FoundEvaluation, conditions: &Conditions) -> Source {
    let evaluation = &found.evaluation;
    let mut facts = vec![
        ("Corpus", evaluation.corpus.display().to_string()),
        ("Split", evaluation.split.clone()),
        ("Device", evaluation.device.clone()),
        ("Version", evaluation.version.clone()),
        ("Seed", evaluation.seed.to_string()),
        ("Segments", format!("{} s", evaluation.seconds)),
        (
            "Pieces",
            evaluation
                .pieces
                .map_or("all".into(), |pieces| format!("at most {pieces}")),
        ),
        ("MES-Pseudo", evaluation.preset.to_string()),
    ];
    let hashes = [
        ("Store", &evaluation.store),
        ("Judgements", &evaluation.judgements),
        ("Front end and weights", &evaluation.identity),
    ];
    facts.extend(
        hashes
            .into_iter()
            .filter_map(|(name, hash)| Some((name, hash.clone()?))),
    );
    let run = |run: &crate::eval::EvaluatedRun| {
        let instrument = run.instrument.map_or(String::new(), |i| format!(", {i}"));
        let checkpoint = brief(&run.checkpoint);
        format!(
            "{}{instrument}: {}, checkpoint {checkpoint}",
            run.recipe,
            run.folder.display()
        )
    };
    Source {
        folder: found.folder.display().to_string(),
        recipe: found.recipe(),
        simulated: evaluation.simulated,
        letter: conditions.letter(found),
        runs: evaluation.runs.iter().map(run).collect(),
        facts,
    }
}

fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{seconds:.1} s"),
        120..7200 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let grouped: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    grouped.join("\u{202f}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_for_people() {
        assert_eq!(
            (time(7.25), time(150.0), time(7260.0)),
            ("7.2 s".into(), "2 min 30 s".into(), "2 h 1 min".into())
        );
        assert_eq!(
            (thousands(12), thousands(1_234_567)),
            ("12".into(), "1\u{202f}234\u{202f}567".into())
        );
    }
}
