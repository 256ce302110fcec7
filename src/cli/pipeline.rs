//! `stemwise pipeline`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    bar::Training,
    corpus::prepared,
    device::DeviceArguments,
    interrupt,
    output::{Misuse, note},
    recipe::RecipeArguments,
    runs,
};
use crate::{
    corpus::Instrument,
    train::{
        self,
        pipeline::{Stage, Standing, leave_out, stages},
        recipe::Task,
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
    let choices = recipe.choices();
    let stages_on = |corpus: &Path| -> Result<Vec<Stage>, train::TrainError> {
        let mut all: Vec<Stage> = Vec::new();
        for name in names(name, recipe) {
            for stage in stages(name, &choices, instruments, corpus, out)? {
                if !all.contains(&stage) {
                    all.push(stage);
                }
            }
        }
        Ok(all)
    };
    if arguments.list {
        return list(&stages_on(&arguments.corpus)?);
    }
    // before anything is made
    let judging = |stage: &Stage| stage.config.recipe.task == Task::Judgements;
    if stages_on(&arguments.corpus)?.iter().any(judging) {
        match &recipe.judgements {
            Some(path) if path.is_file() => {}
            Some(path) => bail!("{} is no file: give the CSV of judgements", path.display()),
            None => bail!(Misuse(format!(
                "'{name}' learns from judgements: give --judgements FILE.csv"
            ))),
        }
    }
    let device = arguments.device.open()?;
    let stop = interrupt::flag()?;
    let store = prepared(&arguments.corpus, out, stop)?;
    let mut stages = stages_on(&store)?;
    let (total, mut done) = (stages.len(), Vec::new());
    while !stages.is_empty() {
        let stage = stages.remove(0);
        let place = format!("[{}/{total}] {}", total - stages.len(), stage.name());
        let standing = stage.standing()?;
        if standing == Standing::Done {
            note(format!("{place}: done before"));
            done.push(stage.folder);
            continue;
        }
        let bar = Training::new(&place);
        let summary = match standing {
            Standing::New => train::start(&stage.folder, &stage.config, &device, stop, &|event| {
                bar.observe(event)
            }),
            _ => train::resume(&stage.folder, None, &device, stop, &|event| bar.observe(event)),
        };
        bar.finish();
        match summary {
            Err(train::TrainError::Unheard { instrument, message }) => {
                note(format!(
                    "{place}: left out, for the corpus has too little of {instrument}: {message}"
                ));
                leave_out(&stage, &mut stages);
                continue;
            }
            Err(error) => return Err(error).with_context(|| format!("in the stage {}", stage.name())),
            Ok(summary) if summary.interrupted => {
                bail!(
                    "stopped in the stage {}; the same command continues the pipeline",
                    stage.name()
                )
            }
            Ok(_) => done.push(stage.folder),
        }
    }
    runs::list(&done)
}

/// The recipes whose stages are asked for.
fn names<'a>(name: &'a str, recipe: &RecipeArguments) -> Vec<&'a str> {
    if name != "all" {
        return vec![name];
    }
    let all = train::recipe::RECIPES.iter().map(|(name, _)| *name);
    // without judgements, there is nothing to fine-tune on
    all.filter(|name| recipe.judgements.is_some() || !name.ends_with("-paft"))
        .collect()
}

fn list(stages: &[Stage]) -> anyhow::Result<()> {
    runs::list(
        &stages
            .iter()
            .map(|stage| stage.folder.clone())
            .collect::<Vec<_>>(),
    )
}
