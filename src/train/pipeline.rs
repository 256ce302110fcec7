//! Pipelines: a recipe and all that it builds on, one stage after another.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Checkpoint, Network, Recipe, Run, RunConfig, TrainError,
    data::judgements_hash,
    recipe::{Overrides, Task, resolve},
};
use crate::corpus::{Instrument, SeparatedStems, Source};

/// Stages that build on one another: more are a circle.
const DEPTH: u32 = 16;

/// One run of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its folder: the name of the recipe, and below it that of the instrument.
    pub folder: PathBuf,
    /// What is trained.
    pub config: RunConfig,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is there.
    New,
    /// It was stopped.
    Begun,
    /// Its last step is done.
    Done,
}

impl Stage {
    /// Name for tables and progress: `cascade of drums`.
    pub fn name(&self) -> String {
        self.config.recipe.title()
    }

    /// How far it is, once the stages that it builds on are done.
    ///
    /// # Errors
    /// [`TrainError::Run`] if what is there was made otherwise: with other settings, or on other parents; what
    /// reading it gives.
    pub fn standing(&self) -> Result<Standing, TrainError> {
        if !self.folder.join("config.toml").is_file() {
            return Ok(Standing::New);
        }
        let run = Run::open(&self.folder)?;
        let differ = |what: String| {
            let message = format!(
                "this stage was begun {what}: choose another folder for the pipeline, or remove this one"
            );
            TrainError::run(&self.folder, message)
        };
        let changed = differences(&run.config.recipe, &self.config.recipe)?;
        if !changed.is_empty() {
            return Err(differ(format!("with {}", changed.join(", "))));
        }
        let store = Source::open(&self.config.corpus)?.hash().map(str::to_string);
        let judgements = self.config.recipe.data.judgements.as_deref();
        let judgements = judgements.map(judgements_hash).transpose()?;
        let stems = self.config.recipe.data.separated.as_ref();
        let stems = stems.map(|root| SeparatedStems::open(root)?.hash()).transpose()?;
        let start = run
            .record()?
            .and_then(|record| record.starts.into_iter().next_back());
        if let Some(start) = start {
            for (what, before, now) in [
                ("store", start.store, store),
                ("judgements", start.judgements, judgements),
                ("stems", start.stems, stems),
            ] {
                if let (Some(before), Some(now)) = (before, now)
                    && before != now
                {
                    return Err(differ(format!("on the {what} {before} (now {now})")));
                }
            }
        }
        if !run.last().exists() {
            return Ok(Standing::Begun);
        }
        let state = Checkpoint::read(&run.last())?.state;
        let mut network = Network::new(&self.config.recipe)?;
        if network.adopt(&self.config.from)? != state.parents {
            return Err(differ("on other runs than those that are there now".into()));
        }
        Ok(match state.schedule.finished {
            true => Standing::Done,
            false => Standing::Begun,
        })
    }
}

/// Takes a stage out of those that follow, because its instrument is not in the corpus: so are those of that instrument
/// that build on it, and those that build on these. Stages for all instruments do without it, unless nothing is left
/// that they build on. Returns what was taken out, in order.
pub fn leave_out(stage: &Stage, following: &mut Vec<Stage>) -> Vec<Stage> {
    let (mut gone, mut out) = (vec![stage.folder.clone()], Vec::new());
    let mut kept = Vec::new();
    for mut other in following.drain(..) {
        let before = other.config.from.len();
        other.config.from.retain(|folder| !gone.contains(folder));
        let left = other.config.from.len();
        let of_one = other.config.recipe.instrument.is_some();
        match left < before && (of_one || left == 0) {
            true => {
                gone.push(other.folder.clone());
                out.push(other);
            }
            false => kept.push(other),
        }
    }
    *following = kept;
    out
}

/// The settings in which a run's recipe differs from another, as `key = value`; the size of micro-batches does not
/// count where it was left open.
fn differences(there: &Recipe, asked: &Recipe) -> Result<Vec<String>, TrainError> {
    let mut there = there.clone();
    if asked.training.micro_batch == 0 {
        there.training.micro_batch = 0;
    }
    let flat = |recipe: &Recipe| -> Result<BTreeMap<String, String>, TrainError> {
        let failed = |error: toml::ser::Error| TrainError::setting("recipe", error.to_string());
        let mut flat = BTreeMap::new();
        for (key, value) in toml::Table::try_from(recipe).map_err(failed)? {
            match value {
                toml::Value::Table(table) => {
                    flat.extend(
                        table
                            .into_iter()
                            .map(|(inner, value)| (format!("{key}.{inner}"), value.to_string())),
                    );
                }
                value => drop(flat.insert(key, value.to_string())),
            }
        }
        Ok(flat)
    };
    let (there, asked) = (flat(&there)?, flat(asked)?);
    let none = || "nothing".to_string();
    let keys = there
        .keys()
        .chain(asked.keys().filter(|key| !there.contains_key(*key)));
    Ok(keys
        .filter(|key| there.get(*key) != asked.get(*key))
        .map(|key| {
            let now = asked.get(key).cloned().unwrap_or_else(none);
            format!(
                "{key} = {} (now {now})",
                there.get(key).cloned().unwrap_or_else(none)
            )
        })
        .collect())
}

/// The stages of the recipe `name` and of all that it builds on, in an order in which they can be trained, each in
/// a folder below `out`. Recipes of one instrument are for all of `instruments`; where one for all instruments builds
/// on such recipes, for all five.
///
/// # Errors
/// As [`resolve`].
pub fn stages(
    name: &str,
    overrides: &Overrides,
    instruments: &[Instrument],
    corpus: &Path,
    out: &Path,
) -> Result<Vec<Stage>, TrainError> {
    let mut stages: Vec<Stage> = Vec::new();
    let overrides = overrides.clone().of(None);
    for instrument in asked(name, &overrides, instruments)? {
        add(name, instrument, &overrides, corpus, out, &mut stages, DEPTH)?;
    }
    Ok(stages)
}

/// The instruments that a recipe is trained for: one that is for all of them once.
fn asked(
    name: &str,
    overrides: &Overrides,
    instruments: &[Instrument],
) -> Result<Vec<Option<Instrument>>, TrainError> {
    Ok(match of_one(name, overrides)? {
        true => instruments.iter().copied().map(Some).collect(),
        false => vec![None],
    })
}

fn of_one(name: &str, overrides: &Overrides) -> Result<bool, TrainError> {
    match resolve(name, &overrides.clone().of(Some(Instrument::Drums))) {
        Ok(_) => Ok(true),
        Err(TrainError::Setting {
            setting: "instrument",
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn add(
    name: &str,
    instrument: Option<Instrument>,
    overrides: &Overrides,
    corpus: &Path,
    out: &Path,
    stages: &mut Vec<Stage>,
    depth: u32,
) -> Result<PathBuf, TrainError> {
    let overrides = overrides.clone().of(instrument);
    let mut recipe = resolve(name, &overrides)?;
    if recipe.task != Task::Judgements {
        recipe.data.judgements = None; // nothing that this stage depends on
    }
    if !recipe.model.hears_stems() {
        recipe.data.separated = None;
    }
    // as its run will have them
    let data = &mut recipe.data;
    for path in [&mut data.judgements, &mut data.separated].into_iter().flatten() {
        if let Ok(absolute) = std::fs::canonicalize(&*path) {
            *path = absolute;
        }
    }
    if depth == 0 {
        let message = format!("'{name}' builds on itself: see 'from' in it, and in what it builds on");
        return Err(TrainError::recipe(message));
    }
    let folder = match instrument {
        Some(instrument) => out.join(&recipe.name).join(instrument.name()),
        None => out.join(&recipe.name),
    };
    if stages.iter().any(|stage| stage.folder == folder) {
        return Ok(folder);
    }
    let mut from = Vec::new();
    for parent in &recipe.from {
        let parents = match instrument {
            Some(_) => vec![instrument],
            None => asked(parent, &overrides, &Instrument::ALL)?,
        };
        for instrument in parents {
            from.push(add(
                parent,
                instrument,
                &overrides,
                corpus,
                out,
                stages,
                depth - 1,
            )?);
        }
    }
    let config = RunConfig {
        corpus: corpus.into(),
        renderings: Vec::new(),
        from,
        recipe,
    };
    stages.push(Stage {
        folder: folder.clone(),
        config,
    });
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, instruments: &[Instrument]) -> Vec<String> {
        let overrides = Overrides::set(&["data.judgements=a.csv"]);
        let stages = stages(
            name,
            &overrides,
            instruments,
            Path::new("store"),
            Path::new("runs"),
        )
        .unwrap();
        for (i, stage) in stages.iter().enumerate() {
            for parent in &stage.config.from {
                assert!(
                    stages[..i].iter().any(|before| before.folder == *parent),
                    "{stage:?}"
                );
            }
        }
        stages.iter().map(Stage::name).collect()
    }

    #[test]
    fn an_instrument_that_is_not_there_is_left_out() {
        let overrides = Overrides::default();
        let all = |name| {
            stages(
                name,
                &overrides,
                &Instrument::ALL,
                Path::new("store"),
                Path::new("runs"),
            )
            .unwrap()
        };
        let mut cascades = all("cascade-ft");
        let piano = cascades.remove(6);
        assert_eq!(piano.name(), "separator of piano");
        leave_out(&piano, &mut cascades);
        assert!(cascades.len() == 12 && cascades.iter().all(|stage| !stage.name().ends_with("piano")));

        let mut direct = all("direct");
        let piano = direct.remove(2);
        assert!(leave_out(&piano, &mut direct).is_empty());
        let pretraining = direct
            .iter()
            .find(|stage| stage.name() == "direct-pretraining")
            .unwrap();
        assert_eq!((direct.len(), pretraining.config.from.len()), (6, 4));
        // without any of Clean, there is nothing that they could learn from
        let mut out = Vec::new();
        while let Some(clean) = direct
            .first()
            .filter(|stage| stage.name().starts_with("clean"))
            .cloned()
        {
            direct.remove(0);
            out = leave_out(&clean, &mut direct);
        }
        let out: Vec<String> = out.iter().map(Stage::name).collect();
        assert!(
            direct.is_empty() && out == ["direct-pretraining", "direct"],
            "{out:?}"
        );
    }

    #[test]
    fn a_pipeline_is_what_a_recipe_builds_on() {
        let two = [Instrument::Drums, Instrument::Bass];
        assert_eq!(
            names("cascade-ft", &two),
            [
                "separator of drums",
                "cascade of drums",
                "cascade-ft of drums",
                "separator of bass",
                "cascade of bass",
                "cascade-ft of bass",
            ]
        );
        let all = names("direct-reconst-paft", &two);
        assert_eq!(all.len(), 5 + 3);
        assert_eq!(
            all[5..],
            ["direct-pretraining", "direct-reconst", "direct-reconst-paft"]
        );
        assert!(all[..5].iter().all(|name| name.starts_with("clean of ")));
    }
}
