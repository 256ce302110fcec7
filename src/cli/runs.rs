//! `stemwise runs`

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    output::{name, say},
    table::titled,
};
use crate::{
    files::IoError,
    train::{Checkpoint, Parent, Run, TrainError, checkpoint::State, recipe::Best},
};

/// Folders below one another that are searched.
const DEPTH: usize = 4;

#[derive(Args)]
pub struct Arguments {
    /// Folder to look for runs in, and in the folders below
    #[arg(value_name = "RUNS", default_value = ".")]
    dir: PathBuf,
    /// As JSON, one object a line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut folders = Vec::new();
    find(&arguments.dir, DEPTH, &mut folders).map_err(IoError::of("list", &arguments.dir))?;
    folders.sort_unstable();
    if arguments.json {
        return folders
            .iter()
            .try_for_each(|folder| say(json(folder, &read(folder))?));
    }
    match folders.is_empty() {
        true => say(format!("no runs in {}", name(&arguments.dir))),
        false => list(&folders),
    }
}

/// Prints a table of runs; what is not there is not begun.
pub fn list(folders: &[PathBuf]) -> anyhow::Result<()> {
    let header = [
        "run",
        "recipe",
        "steps",
        "standing",
        "score: start → best",
        "built on",
    ];
    let rows = folders
        .iter()
        .map(|folder| match folder.join("config.toml").is_file() {
            false => vec![folder.display().to_string(), "not begun".into()],
            true => match read(folder) {
                Ok((state, run)) => row(folder, state.as_ref(), &run),
                Err(error) => vec![folder.display().to_string(), format!("cannot be read: {error}")],
            },
        });
    say(titled(&header, rows))
}

type Read = Result<(Option<State>, Run), TrainError>;

fn read(folder: &Path) -> Read {
    let run = Run::open(folder)?;
    Ok(match run.last().exists() {
        true => (Some(Checkpoint::read(&run.last())?.state), run),
        false => (None, run),
    })
}

/// What training gained, by what the recipe chooses the best checkpoint by.
fn score(state: &State) -> String {
    let training = &state.recipe.training;
    let Some((start, best)) = state.schedule.gain(training) else {
        return String::new();
    };
    match training.best {
        Best::Knn | Best::KnnPseudo => format!("neighbours {:.1} → {:.1} %", 100.0 * start, 100.0 * best),
        Best::Loss | Best::Last => format!("loss {start:.5} → {best:.5}"),
    }
}

/// Collects folders with a config.toml.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.join("config.toml").is_file() {
        found.push(folder.into());
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // a folder that cannot be listed holds no run of ours
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = find(&entry.path(), depth - 1, found);
        }
    }
    Ok(())
}

fn row(folder: &Path, state: Option<&State>, run: &Run) -> Vec<String> {
    let standing = match state {
        None => "not begun",
        Some(state) if state.schedule.finished => "done",
        Some(_) => "begun",
    };
    let simulated = match state.is_some_and(|state| state.simulated) {
        true => ", simulated judgements",
        false => "",
    };
    let parents = state.iter().flat_map(|state| &state.parents);
    vec![
        folder.display().to_string(),
        run.config.recipe.title(),
        state.map_or("0".into(), |state| state.step.to_string()),
        format!("{standing}{simulated}"),
        state.map_or(String::new(), score),
        parents.map(Parent::title).collect::<Vec<_>>().join(", "),
    ]
}

fn json(folder: &Path, read: &Read) -> anyhow::Result<String> {
    let value = match read {
        Err(error) => serde_json::json!({"run": folder, "error": error.to_string()}),
        Ok((state, run)) => {
            let recipe = &run.config.recipe;
            serde_json::json!({
                "run": folder,
                "recipe": recipe.name,
                "instrument": recipe.instrument,
                "steps": state.as_ref().map_or(0, |state| state.step),
                "finished": state.as_ref().is_some_and(|state| state.schedule.finished),
                "start": state.as_ref().and_then(|state| state.schedule.start),
                "best": state.as_ref().and_then(|state| state.schedule.best),
                "simulated": state.as_ref().is_some_and(|state| state.simulated),
                "parents": state.as_ref().map_or(&[][..], |state| &state.parents),
            })
        }
    };
    Ok(value.to_string())
}
