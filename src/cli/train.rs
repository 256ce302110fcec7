//! `stemwise train`

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use super::{
    bar::watched,
    device::DeviceArguments,
    interrupt,
    output::{self, Misuse, name, say},
    recipe::RecipeArguments,
};
use crate::train::{self, Outcome, Recipe, RunConfig};

#[derive(Args)]
pub struct Arguments {
    /// Name of a recipe, see 'stemwise recipes', or a TOML file
    #[arg(
        value_name = "RECIPE",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    name: Option<String>,
    /// Corpus in the Slakh2100 layout, or a store of one; for contrast and separator-joint several, of which the
    /// first is validated on: renderings of the same pieces, or others
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    corpus: Vec<PathBuf>,
    /// A run to build on, or a model that is built in, as built-in:similarity; several, if the recipe builds on several
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    from: Vec<PathBuf>,
    /// For clean: folder of the stems that another program separated from the mixes, which are heard instead of the clean
    /// ones; see docs/stems.md
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    stems: Option<PathBuf>,
    /// New folder for the run
    #[arg(
        long,
        value_name = "RUN",
        required_unless_present_any = ["resume", "dump_draws"],
        conflicts_with = "resume"
    )]
    out: Option<PathBuf>,
    /// Continue this run; only --epochs and --device go with it
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// With --resume: train to this epoch
    #[arg(long, value_name = "N", requires = "resume")]
    epochs: Option<u32>,
    /// Train nothing, but write which stems of which pieces the first steps would hear, and how loud, as a table (CSV)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "out"])]
    dump_draws: Option<PathBuf>,
    /// With --dump-draws: of so many steps
    #[arg(long, value_name = "N", default_value_t = 10, requires = "dump_draws")]
    dump_steps: u32,
    #[command(flatten)]
    recipe: RecipeArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        name,
        corpus,
        from,
        out,
        resume,
        epochs,
        dump_draws,
        dump_steps,
        stems,
        mut recipe,
        device,
    } = arguments;
    recipe.hear(stems.as_deref());
    let stop = interrupt::flag()?;
    if let (Some(file), Some(name)) = (&dump_draws, &name) {
        let config = config(corpus, from, recipe.resolve(name)?)?;
        let lines = watched(name, |observer| {
            train::dump_draws(&config, dump_steps, file, observer)
        })?;
        return say(format!("{lines} lines written to {}", output::name(file)));
    }
    let (folder, outcome) = match (resume, name, out) {
        (Some(folder), ..) => {
            if !recipe.is_empty() {
                bail!(Misuse(
                    "a run is continued with its own settings: only --epochs goes with --resume".into()
                ));
            }
            if device.tunes() {
                bail!(Misuse(
                    "a run keeps to the variants that it began with: --tune does not go with --resume".into()
                ));
            }
            let device = device.open()?;
            let outcome = watched(&folder.display().to_string(), |observer| {
                train::resume(&folder, epochs, &device, stop, observer)
            })?;
            (folder, outcome)
        }
        (None, Some(name), Some(folder)) => {
            let config = config(corpus, from, recipe.resolve(&name)?)?;
            let device = device.open()?;
            let outcome = watched(&folder.display().to_string(), |observer| {
                train::start(&folder, &config, &device, stop, observer)
            })?;
            (folder, outcome)
        }
        _ => bail!(usage()),
    };
    report(&folder, &outcome)
}

fn usage() -> Misuse {
    Misuse("give RECIPE, --corpus DIR and --out RUN for a new run, or --resume RUN".into())
}

fn config(corpora: Vec<PathBuf>, from: Vec<PathBuf>, recipe: Recipe) -> anyhow::Result<RunConfig> {
    let mut corpora = corpora.into_iter();
    Ok(RunConfig {
        corpus: corpora.next().ok_or_else(usage)?,
        renderings: corpora.collect(),
        from,
        recipe,
    })
}

fn report(folder: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let folder = name(folder);
    if outcome.interrupted {
        bail!(
            "stopped after step {} of {}; continue with: stemwise train --resume {folder}",
            outcome.step,
            outcome.steps
        );
    }
    let early = match outcome.early {
        true => ", early: the validation loss no longer falls",
        false => "",
    };
    say(format!(
        "{} steps done{early}; the run is in {folder}",
        outcome.step
    ))?;
    let (waited, training) = (outcome.waited.as_secs_f64(), outcome.training.as_secs_f64());
    say(format!(
        "the device waited {waited:.2} s of {training:.1} s for data ({:.1} %)",
        100.0 * waited / training.max(1e-9)
    ))?;
    if let Some((step, score)) = outcome.best {
        say(format!("best score {score:.5}, at step {step}"))?;
    }
    Ok(())
}
