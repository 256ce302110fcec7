//! What a score depends on: which scores compare, which are of simulated judgements, which of earlier weights.

use std::{fs, path::Path};

use super::gather::{FoundEvaluation, FoundRun};
use crate::eval::What;

/// The conditions that evaluations share: corpus, split, pieces and seed, with a letter each.
pub(super) struct Conditions(Vec<String>);

impl Conditions {
    pub fn of(evaluations: &[FoundEvaluation]) -> Self {
        let mut all = Vec::new();
        for found in evaluations {
            let text = conditions(found);
            if !all.contains(&text) {
                all.push(text);
            }
        }
        Conditions(all)
    }

    /// A letter, if there are several.
    pub fn letter(&self, found: &FoundEvaluation) -> Option<String> {
        let at = self.index(found)?;
        let letter = u8::try_from(at)
            .ok()
            .filter(|at| *at < 26)
            .map(|at| char::from(b'A' + at));
        (self.0.len() > 1).then(|| letter.map_or_else(|| (at + 1).to_string(), String::from))
    }

    /// Which of the [`list`](Self::list).
    pub fn index(&self, found: &FoundEvaluation) -> Option<usize> {
        let text = conditions(found);
        self.0.iter().position(|other| *other == text)
    }

    /// All of them.
    pub fn list(&self) -> &[String] {
        &self.0
    }
}

fn conditions(found: &FoundEvaluation) -> String {
    let evaluation = &found.evaluation;
    let store = evaluation.store.as_deref();
    let store = store.map_or(String::new(), |hash| format!(" (store {})", brief(hash)));
    let pieces = evaluation
        .pieces
        .map_or("all pieces".into(), |pieces| format!("at most {pieces} pieces"));
    let segments = evaluation
        .segments
        .map_or(String::new(), |most| format!(", at most {most} segments"));
    let draws = match evaluation.draws {
        1 => String::new(),
        draws => format!(", {draws} draws"),
    };
    let ties = match evaluation.ties {
        Some(ties) => format!("ties to the {ties} label"),
        None => "by the protocols of an earlier version".into(),
    };
    format!(
        "{}{store}, split {}, {pieces}{segments}, seed {}{draws}, {ties}",
        evaluation.corpus.display(),
        evaluation.split,
        evaluation.seed
    )
}

/// The first characters of a hash.
pub(super) fn brief(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Whether a score depends on simulated judgements: every score of a run that was trained on them, and agreement.
pub(super) fn is_simulated(found: &FoundEvaluation, what: What, runs: &[FoundRun]) -> bool {
    let honest = |checkpoint: &str| {
        let known = runs
            .iter()
            .find(|run| run.checkpoint.as_deref() == Some(checkpoint));
        known.is_some_and(|run| !run.simulated())
    };
    let evaluated = &found.evaluation.runs;
    let trained_on_them = evaluated.is_empty() || !evaluated.iter().all(|run| honest(&run.checkpoint));
    found.evaluation.simulated && (what == What::Agreement || trained_on_them)
}

/// Whether a run that was evaluated has other weights now.
pub(super) fn is_stale(evaluation: &FoundEvaluation, runs: &[FoundRun]) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.into());
    evaluation.evaluation.runs.iter().any(|evaluated| {
        let folder = real(&evaluated.folder);
        let mut same = runs.iter().filter(|run| real(run.run.folder()) == folder);
        same.any(|run| run.checkpoint.as_deref() != Some(&evaluated.checkpoint))
    })
}

/// What the runs of an evaluation, and the evaluation, share with repetitions: all but the seed.
pub(super) fn kind(evaluation: &FoundEvaluation, runs: &[FoundRun]) -> Option<String> {
    let evaluation = &evaluation.evaluation;
    let recipes = evaluation.runs.iter().map(|evaluated| {
        let hash = Some(evaluated.checkpoint.as_str());
        let mut recipe = runs
            .iter()
            .find(|run| run.checkpoint.as_deref() == hash)?
            .recipe()
            .clone();
        recipe.seed = 0;
        toml::to_string(&recipe).ok()
    });
    let recipes = recipes.collect::<Option<Vec<String>>>()?;
    Some(format!(
        "{:?} {} {}",
        evaluation.judgements,
        evaluation.preset,
        recipes.join("\n")
    ))
}
