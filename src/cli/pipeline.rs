//! `stemwise pipeline`

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    bar::watched,
    corpus::prepared,
    device::DeviceArguments,
    interrupt,
    output::{Misuse, note},
    recipe::RecipeArguments,
    runs,
};
use crate::{
    corpus::Instrument,
    gpu::Device,
    train::{
        self,
        pipeline::{Stage, Standing, leave_out, stages},
        recipe::{OWN, Overrides, RECIPES, Task},
    },
};

#[derive(Args)]
pub struct Arguments {
    /// Name of the last stage's recipe, see 'stemwise recipes'; 'all' for every row of the papers' tables
    #[arg(value_name = "RECIPE")]
    name: String,
    /// Corpus in the Slakh2100 layout, or a store of one; of a corpus a store is made first
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// Folder for the runs; what is finished there is kept, what was stopped is continued
    #[arg(long, value_name = "RUNS")]
    out: PathBuf,
    /// The instruments of the recipes that are of one
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "drums,bass,piano,guitar,residuals"
    )]
    instruments: Vec<Instrument>,
    /// Folder of the stems that another program separated from the mixes, which the stages of clean hear instead of the
    /// clean ones; see docs/stems.md
    #[arg(long, value_name = "DIR")]
    stems: Option<PathBuf>,
    /// Only list the stages and how far they are
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    recipe: RecipeArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments {
        name,
        out,
        instruments,
        recipe,
        ..
    } = arguments;
    if recipe.instrument.is_some() {
        bail!(Misuse(
            "a pipeline takes --instruments, as in --instruments drums,bass".into()
        ));
    }
    let plan = Plan {
        names: names(name, recipe.judgements.is_some()),
        overrides: {
            let mut recipe = recipe.clone();
            recipe.hear(arguments.stems.as_deref());
            recipe.overrides()
        },
        instruments,
        out,
    };
    if arguments.list {
        return list(&plan.stages(&arguments.corpus)?);
    }
    // before anything is made
    plan.check(&arguments.corpus, recipe.judgements.as_deref())?;
    let device = arguments.device.open()?;
    let stop = interrupt::flag()?;
    let store = prepared(&arguments.corpus, out, stop)?;
    list(&complete(plan.stages(&store)?, &device, stop)?)
}

/// The recipes whose stages are asked for.
pub fn names(name: &str, judged: bool) -> Vec<&str> {
    if name != "all" {
        return vec![name];
    }
    let all = RECIPES.iter().map(|(name, _)| *name);
    let rows = all.filter(|name| !OWN.contains(name));
    // without judgements, there is nothing to fine-tune on
    rows.filter(|name| judged || !name.contains("-paft")).collect()
}

/// The stages of several recipes, each once.
pub struct Plan<'a> {
    pub names: Vec<&'a str>,
    pub overrides: Overrides,
    pub instruments: &'a [Instrument],
    /// Folder of the runs.
    pub out: &'a Path,
}

impl Plan<'_> {
    pub fn stages(&self, corpus: &Path) -> anyhow::Result<Vec<Stage>> {
        let mut all: Vec<Stage> = Vec::new();
        for name in &self.names {
            for stage in stages(name, &self.overrides, self.instruments, corpus, self.out)? {
                if !all.contains(&stage) {
                    all.push(stage);
                }
            }
        }
        let names = all.iter().map(|stage| stage.config.recipe.name.as_str());
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        self.overrides.check(&names)?;
        Ok(all)
    }

    /// Refuses what cannot be trained, before hours are spent on what it builds on.
    pub fn check(&self, corpus: &Path, judgements: Option<&Path>) -> anyhow::Result<()> {
        let judging = |stage: &Stage| stage.config.recipe.task == Task::Judgements;
        if !self.stages(corpus)?.iter().any(judging) {
            return Ok(());
        }
        match judgements {
            Some(path) if path.is_file() => Ok(()),
            Some(path) => bail!("{} is not a file: give the CSV of judgements", path.display()),
            None => bail!(Misuse(format!(
                "'{}' learns from judgements: give --judgements FILE.csv",
                self.names.join(", ")
            ))),
        }
    }
}

/// Trains stages one after another, or continues them. Those that are done come back; what the corpus has too little of
/// is left out, with a note.
pub fn complete(mut stages: Vec<Stage>, device: &Device, stop: &AtomicBool) -> anyhow::Result<Vec<Stage>> {
    let (total, mut done) = (stages.len(), Vec::new());
    while !stages.is_empty() {
        let stage = stages.remove(0);
        let place = format!("[{}/{total}] {}", total - stages.len(), stage.name());
        let standing = stage.standing()?;
        if standing == Standing::Done {
            note(format!("{place}: done before"));
            done.push(stage);
            continue;
        }
        let outcome = watched(&place, |observer| match standing {
            Standing::New => train::start(&stage.folder, &stage.config, device, stop, observer),
            _ => train::resume(&stage.folder, None, device, stop, observer),
        });
        match outcome {
            Err(train::TrainError::Unheard { instrument, message }) => {
                note(format!(
                    "{place}: left out, for the corpus has too little of {instrument}: {message}"
                ));
                for other in leave_out(&stage, &mut stages) {
                    note(format!(
                        "{}: left out, for nothing that it builds on could be trained",
                        other.name()
                    ));
                }
            }
            Err(error) => return Err(error).with_context(|| format!("in the stage {}", stage.name())),
            Ok(outcome) if outcome.interrupted => {
                bail!(
                    "stopped in the stage {}; the same command continues",
                    stage.name()
                )
            }
            Ok(_) => done.push(stage),
        }
    }
    if done.is_empty() {
        bail!(
            "nothing was trained, for the corpus has too little of every instrument that was asked for: see the lines \
             above, and what 'stemwise corpus check' says of the corpus"
        );
    }
    Ok(done)
}

fn list(stages: &[Stage]) -> anyhow::Result<()> {
    runs::list(
        &stages
            .iter()
            .map(|stage| stage.folder.clone())
            .collect::<Vec<_>>(),
    )
}
