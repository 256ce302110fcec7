//! Runs and evaluations in folders, and what could not be read.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::ReportError;
use crate::{
    corpus::Store,
    eval::Evaluation,
    train::{
        Checkpoint, Run, RunRecord,
        checkpoint::State,
        recipe::{RECIPES, Recipe},
    },
};

/// Folders below one another that are searched.
const DEPTH: usize = 8;

/// All that was found, in the order of the papers' recipes.
pub(super) struct Found {
    pub runs: Vec<FoundRun>,
    pub evaluations: Vec<FoundEvaluation>,
    pub left_out: Vec<LeftOut>,
}

pub(super) struct FoundRun {
    pub run: Run,
    pub record: Option<RunRecord>,
    /// Of its newest checkpoint, if it has one.
    pub state: Option<State>,
    /// BLAKE3 hash of its best checkpoint.
    pub checkpoint: Option<String>,
}

pub(super) struct FoundEvaluation {
    pub folder: PathBuf,
    pub evaluation: Evaluation,
}

/// What is not in the report, and why.
pub(super) struct LeftOut {
    pub what: String,
    pub reason: String,
}

impl LeftOut {
    pub fn new(what: impl ToString, reason: impl ToString) -> Self {
        LeftOut {
            what: what.to_string(),
            reason: reason.to_string(),
        }
    }
}

impl FoundRun {
    pub fn recipe(&self) -> &Recipe {
        &self.run.config.recipe
    }

    /// Whether simulated judgements went into it.
    pub fn simulated(&self) -> bool {
        let parents = self.record.iter().flat_map(|record| &record.parents);
        self.state.as_ref().is_some_and(|state| state.simulated)
            || parents.into_iter().any(|parent| parent.simulated)
    }

    /// Its recipe and instrument.
    pub fn name(&self) -> String {
        match self.recipe().instrument {
            Some(instrument) => format!("{}, {instrument}", self.recipe().name),
            None => self.recipe().name.clone(),
        }
    }
}

impl FoundEvaluation {
    /// The recipe that was evaluated; several only if somebody mixed them.
    pub fn recipe(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.evaluation.runs {
            if !names.contains(&run.recipe.as_str()) {
                names.push(&run.recipe);
            }
        }
        match self.evaluation.stems {
            Some(_) => format!("{} on separated stems", names.join(" + ")),
            None => names.join(" + "),
        }
    }
}

/// Where a recipe stands in the papers' order; other recipes follow.
pub(super) fn place(recipe: &str) -> usize {
    let known = RECIPES.iter().position(|(name, _)| *name == recipe);
    known.unwrap_or(RECIPES.len())
}

/// Looks for runs and evaluations in folders and below.
///
/// # Errors
/// [`ReportError::Folder`] for anything but a folder; [`ReportError::Nothing`] if nothing can be shown.
pub(super) fn gather(folders: &[PathBuf]) -> Result<Found, ReportError> {
    let (mut found, mut seen) = (
        Found {
            runs: Vec::new(),
            evaluations: Vec::new(),
            left_out: Vec::new(),
        },
        BTreeSet::new(),
    );
    for folder in folders {
        let failed = |source| ReportError::Folder {
            path: folder.clone(),
            source,
        };
        fs::read_dir(folder).map_err(failed)?;
        let walk = WalkDir::new(folder).max_depth(DEPTH).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(is_searched) {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    // the same folder may be given twice, or below another
                    let real = fs::canonicalize(entry.path()).unwrap_or_else(|_| entry.path().into());
                    if seen.insert(real) {
                        look(entry.path(), &mut found);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(folder).display().to_string();
                    let reason = match error.io_error() {
                        Some(error) => format!("it cannot be searched: {error}"),
                        None => "it cannot be searched".into(),
                    };
                    found.left_out.push(LeftOut::new(path, reason));
                }
            }
        }
    }
    if found.runs.is_empty() && found.evaluations.is_empty() {
        return Err(nothing(folders, &found.left_out));
    }
    let order = |recipe: &str| (place(recipe), recipe.to_string());
    found.runs.sort_by_key(|run| {
        let recipe = run.recipe();
        (
            order(&recipe.name),
            recipe.instrument,
            run.run.folder().to_path_buf(),
        )
    });
    found
        .evaluations
        .sort_by_key(|found| (order(&found.recipe()), found.folder.clone()));
    Ok(found)
}

/// Not stores nor the tracks of a corpus, which hold much sound and no runs.
fn is_searched(entry: &DirEntry) -> bool {
    if !entry.file_type().is_dir() {
        return false;
    }
    let name = entry.file_name().to_string_lossy();
    let track = name.strip_prefix("Track").unwrap_or_default();
    let is_track = !track.is_empty() && track.bytes().all(|byte| byte.is_ascii_digit());
    !is_track && !Store::is_at(entry.path())
}

fn look(folder: &Path, found: &mut Found) {
    if folder.join("config.toml").is_file() {
        match run(folder) {
            Ok(run) => found.runs.push(run),
            Err(error) => found.left_out.push(LeftOut::new(folder.display(), error)),
        }
    }
    let path = folder.join(Evaluation::FILE);
    if path.is_file() {
        match Evaluation::read(&path) {
            Ok(evaluation) => found.evaluations.push(FoundEvaluation {
                folder: folder.into(),
                evaluation,
            }),
            Err(error) => found.left_out.push(LeftOut::new(folder.display(), error)),
        }
    }
}

fn run(folder: &Path) -> Result<FoundRun, crate::train::TrainError> {
    let run = Run::open(folder)?;
    let record = run.record()?;
    let state = match run.last().is_file() {
        true => Some(Checkpoint::read(&run.last())?.state),
        false => None,
    };
    let checkpoint = match run.newest_best().is_file() {
        true => Some(Checkpoint::read(&run.newest_best())?.hash()),
        false => None,
    };
    Ok(FoundRun {
        run,
        record,
        state,
        checkpoint,
    })
}

fn nothing(folders: &[PathBuf], left_out: &[LeftOut]) -> ReportError {
    let folders: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let reasons = left_out
        .iter()
        .map(|left| format!("; {}: {}", left.what, left.reason));
    ReportError::Nothing {
        folders: folders.join(", "),
        reasons: reasons.collect(),
    }
}

/// The newest stage first.
pub(super) fn newest_first<T>(list: &mut [T], recipe: impl Fn(&T) -> &str) {
    list.sort_by_key(|item| Reverse((place(recipe(item)) + 1) % (RECIPES.len() + 1)));
}
