//! `stemwise train …`

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{
    bar::Training,
    interrupt,
    output::{Misuse, say},
    recipe::RecipeArguments,
};
use crate::{
    gpu::Device,
    train::{self, RunConfig},
};

#[derive(Subcommand)]
pub enum Verb {
    /// Train the separator of one instrument
    ///
    /// Ctrl-C saves the run; --resume continues it, bit for bit as if it had not been stopped.
    Separator(Separator),
}

#[derive(Args)]
pub struct Separator {
    /// Corpus in the Slakh2100 layout
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// New folder for the run
    #[arg(
        long,
        value_name = "RUN",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    out: Option<PathBuf>,
    /// Continue this run; only --steps and --device go with it
    #[arg(long, value_name = "RUN", conflicts_with_all = ["corpus", "config"])]
    resume: Option<PathBuf>,
    /// Take the settings from a config.toml; options given here replace its own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArguments,
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'
    #[arg(long)]
    device: Option<String>,
}

pub fn run(verb: Verb) -> anyhow::Result<()> {
    let Verb::Separator(arguments) = verb;
    let Separator {
        corpus,
        out,
        resume,
        config,
        recipe,
        device,
    } = arguments;
    let stop = interrupt::flag()?;
    let (folder, summary) = match (resume, out) {
        (Some(folder), _) => {
            if !recipe.only_steps() {
                bail!(Misuse(
                    "a run is continued with its own settings: only --steps goes with --resume".into()
                ));
            }
            let device = Device::open(device.as_deref())?;
            let bar = Training::new(&folder.display().to_string());
            let summary = train::resume(&folder, recipe.steps(), &device, stop, &|event| {
                bar.observe(event)
            });
            bar.finish();
            (folder, summary?)
        }
        (None, Some(folder)) => {
            let file = config.as_deref().map(RunConfig::read).transpose()?;
            let config = recipe.resolve(file, corpus);
            let config = config.map_err(|missing| Misuse(format!("{missing} is needed to begin a run")))?;
            let device = Device::open(device.as_deref())?;
            let bar = Training::new(&folder.display().to_string());
            let summary = train::start(&folder, &config, &device, stop, &|event| bar.observe(event));
            bar.finish();
            (folder, summary?)
        }
        (None, None) => bail!(Misuse("give --out RUN for a new run, or --resume RUN".into())),
    };
    let folder = folder.display();
    if summary.interrupted {
        bail!(
            "stopped after step {} of {}; continue with: stemwise train separator --resume {folder}",
            summary.step,
            summary.steps
        );
    }
    say(format!("{} steps done, the run is in {folder}", summary.step))?;
    let (waited, training) = (summary.waited.as_secs_f64(), summary.training.as_secs_f64());
    say(format!(
        "the device waited {waited:.2} s of {training:.1} s for data ({:.1} %)",
        100.0 * waited / training.max(1e-9)
    ))?;
    if let Some((step, loss)) = summary.best {
        say(format!("best validation loss {loss:.5}, at step {step}"))?;
    }
    Ok(())
}
