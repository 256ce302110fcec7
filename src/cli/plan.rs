//! `stemwise plan`

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use super::{
    output::{Misuse, say},
    recipe::RecipeArguments,
    table::bytes,
};
use crate::{
    gpu::{Choice, DEVICE_VARIABLE, adapters_for, choose},
    optim::Adam,
    tape::Plan,
    train::{Footprint, Network, Recipe, Run},
};

#[derive(Args)]
pub struct Arguments {
    /// Name of a recipe, see 'stemwise recipes', a TOML file, or the folder of a run
    #[arg(value_name = "WHAT")]
    what: PathBuf,
    #[command(flatten)]
    recipe: RecipeArguments,
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'
    #[arg(long)]
    device: Option<String>,
    /// Show a step for every operation, of which a run fuses some; the memory is the run's
    #[arg(long)]
    unfused: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let recipe = recipe(&arguments.what, &arguments.recipe)?;
    let network = Network::new(&recipe)?;
    let (examples, count) = batches(&recipe);
    let adam = Adam::default();
    let (mut training, _) = network.update_steps(&adam, examples, count)?;
    training.tape.fuse(!arguments.unfused);

    let variable = std::env::var(DEVICE_VARIABLE).ok();
    let asked = arguments.device.as_deref().or(variable.as_deref());
    let found = adapters_for(asked);
    let adapter = match choose(&found, asked)? {
        Choice::Cpu => None,
        Choice::Adapter(index) => found.get(index),
    };
    let training = match adapter {
        None => Plan::for_cpu(&training.tape, &network.parameters, &[])?,
        Some(adapter) if training.tape.narrows() && !adapter.features.f16 => {
            let adapter = adapter.to_string();
            return Err(crate::Error::NoHalves { adapter }.into());
        }
        Some(adapter) => Plan::for_gpu(&training.tape, &network.parameters, &[], adapter.traits())?,
    };
    say(&training)?;

    let device = adapter.map_or("cpu".to_string(), ToString::to_string);
    let flops = training.flops() as f64 * count as f64 / 1e9;
    say(format!(
        "{}, width {}, on {device}",
        recipe.title(),
        recipe.network.width
    ))?;
    for (part, values) in network.parts() {
        say(format!("  {part:<16} {values} parameters"))?;
    }
    say(format!(
        "  trained          {} parameters",
        network.parameter_count()
    ))?;
    let micro = match count {
        1 => String::new(),
        count => format!(", in {count} micro-batches of {examples}"),
    };
    say(format!(
        "  batch            {} examples of {} s{micro}",
        recipe.training.batch, recipe.data.segment_seconds
    ))?;
    let footprint = Footprint::of(&network, examples, adapter.map(|adapter| adapter.traits()))?;
    say(format!("  training step    {flops:.1} Gflop"))?;
    for (what, size) in [
        ("memory", footprint.total()),
        ("  lasting", footprint.lasting),
        ("  training", footprint.training),
        ("  validation", footprint.evaluation),
        ("  batches", footprint.batches),
    ] {
        say(format!("  {what:<16} {}", bytes(size)))?;
    }
    if let Some(adapter) = adapter {
        training.check_limits(&device, adapter.limits.buffer, adapter.limits.binding)?;
        say("  every tensor fits the limits of the adapter")?;
    }
    Ok(())
}

/// Examples of a step, and how many of those there are to an update.
pub(super) fn batches(recipe: &Recipe) -> (usize, usize) {
    let examples = match recipe.training.micro_batch {
        0 => recipe.training.batch,
        micro => micro,
    };
    (examples, recipe.training.batch / examples)
}

/// The recipe of that name, in a file or of a run, with what is laid over it.
pub(super) fn recipe(what: &Path, over: &RecipeArguments) -> anyhow::Result<Recipe> {
    if what.is_dir() {
        if over.preset.is_some() || over.instrument.is_some() {
            bail!(Misuse(format!(
                "{} is a run, which has its sizes and its instrument: leave out --preset and --instrument, or name a \
                 recipe",
                what.display()
            )));
        }
        return Ok(Run::open(what)?.config.recipe.with(&over.overrides().set)?);
    }
    let mut over = over.clone();
    let name = what.display().to_string();
    match over.resolve(&name) {
        Err(crate::train::TrainError::Setting {
            setting: "instrument",
            ..
        }) if over.instrument.is_none() => {
            over.instrument = Some(crate::corpus::Instrument::Drums);
            Ok(over.resolve(&name)?)
        }
        resolved => Ok(resolved?),
    }
}
