//! `stemwise tune`

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;

use super::{
    output::{Misuse, name, note, say},
    plan,
    recipe::RecipeArguments,
    table::titled,
};
use crate::{
    gpu::{Device, VariantStore},
    optim::Adam,
    tape::{Plan, Thoroughness, Tuned},
    train::{Network, examples_at_a_time},
    variants::{VariantFolder, open_device},
};

#[derive(Args)]
pub struct Arguments {
    /// Name of a recipe, see 'stemwise recipes', a TOML file, or the folder of a run
    #[arg(value_name = "WHAT")]
    what: PathBuf,
    #[command(flatten)]
    recipe: RecipeArguments,
    /// Measure everything to the end and anew, even what was measured before or is far behind
    #[arg(long)]
    exhaustive: bool,
    /// Stop measuring after this many seconds, and keep what was found by then
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    budget: u64,
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'
    #[arg(long)]
    device: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let network = Network::new(&plan::recipe(&arguments.what, &arguments.recipe)?)?;
    let device = open_device(arguments.device.as_deref())?;
    let Device::Gpu(gpu) = &device else {
        say("The cpu has one way to compute each operation: there is nothing to choose.")?;
        return Ok(());
    };
    let no_cache = "this system names no folder for caches: set XDG_CACHE_HOME";
    let folder = VariantFolder::of_user().ok_or_else(|| Misuse(no_cache.to_string()))?;
    let mut choices = folder.load(gpu);

    // the shapes that a run has here
    let examples = examples_at_a_time(&network, &device)?;
    let evaluation = network.evaluation_step(network.recipe.validation_examples(examples))?;
    let training = network.training_step(&Adam::default(), examples)?;
    let plans = [
        Plan::for_gpu(&training.tape, &network.parameters, &[], gpu.traits())?,
        Plan::for_gpu(
            &evaluation.tape,
            &network.parameters,
            &[evaluation.loss],
            gpu.traits(),
        )?,
    ];
    for plan in &plans {
        plan.check_limits(gpu.name(), gpu.limits().buffer, gpu.limits().binding)?;
    }
    let mut tunable: Vec<_> = plans.iter().flat_map(Plan::tunable).collect();
    tunable.sort_by(|a, b| a.key.cmp(&b.key));
    tunable.dedup_by(|a, b| a.key == b.key);
    let count = tunable.len();
    tunable.retain(|t| arguments.exhaustive || choices.get(&t.key).is_none());

    let how = match arguments.exhaustive {
        true => Thoroughness::exhaustive(),
        false => Thoroughness::quick(),
    };
    let deadline = started.checked_add(Duration::from_secs(arguments.budget));
    let mut measured = Vec::new();
    for (done, operation) in tunable.iter().enumerate() {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            note(format!(
                "The budget of {} s is spent: {} of {} operations are left, and the engine's own choice stands for them.",
                arguments.budget,
                tunable.len() - done,
                count
            ));
            break;
        }
        let tuned = operation.measure(&device, how, deadline);
        measured.push(tuned.with_context(|| format!("measuring {}", operation.key))?);
    }
    // what was cut short is measured again next time
    measured.retain(|tuned: &Tuned| tuned.complete);
    for tuned in &measured {
        if let Some((variant, _)) = tuned.fastest() {
            choices.set(tuned.key.clone(), variant);
        }
    }
    report(&measured)?;
    let path = folder.store(gpu, &choices)?;
    say(format!(
        "{} of {count} operations measured for {gpu_name}; {} choices in {}",
        measured.len(),
        choices.len(),
        name(&path),
        gpu_name = gpu.name(),
    ))
}

/// What was measured, the fastest first, each with its time in ms.
fn report(measured: &[Tuned]) -> anyhow::Result<()> {
    if measured.is_empty() {
        return Ok(());
    }
    let header = ["operation", "fastest", "ms", "by default", "ms"];
    let mut rows = Vec::new();
    for tuned in measured {
        let (Some((fastest, best)), Some((default, first))) = (tuned.fastest(), tuned.times.first()) else {
            continue;
        };
        let ms = |time: &Duration| format!("{:.3}", 1e3 * time.as_secs_f64());
        rows.push(vec![
            tuned.key.clone(),
            fastest.to_string(),
            ms(best),
            default.to_string(),
            ms(first),
        ]);
    }
    say(titled(&header, rows))?;
    say("")
}
