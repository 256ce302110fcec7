//! `stemwise export` and `stemwise import`

use std::path::PathBuf;

use clap::Args;

use super::{
    output::{name, note, say},
    recipe::RecipeArguments,
};
use crate::train::exchange::{ExportOptions, Imported, export, import};

#[derive(Args)]
pub struct Export {
    /// The run
    run: PathBuf,
    /// New folder for weights, model card and recipe
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Licence of the weights, for the model card
    #[arg(long, default_value = "unknown")]
    licence: String,
    /// Round weights to 16-bit floats: half the size
    #[arg(long)]
    half: bool,
}

#[derive(Args)]
pub struct Import {
    /// safetensors file with the names of the recipe's network, see docs/checkpoints.md
    weights: PathBuf,
    /// Name of the recipe, see 'stemwise recipes', or a TOML file
    #[arg(long = "recipe", value_name = "RECIPE")]
    name: String,
    /// New folder for the run
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    #[command(flatten)]
    recipe: RecipeArguments,
}

pub fn export_run(arguments: &Export) -> anyhow::Result<()> {
    let options = ExportOptions {
        licence: &arguments.licence,
        half: arguments.half,
    };
    let files = export(&arguments.run, &arguments.out, options)?;
    for path in [files.weights, files.card, files.recipe] {
        say(name(&path))?;
    }
    Ok(())
}

pub fn import_run(arguments: &Import) -> anyhow::Result<()> {
    let recipe = arguments.recipe.resolve(&arguments.name)?;
    let Imported { run, converted } = import(&arguments.weights, &recipe, &arguments.out)?;
    for (kind, tensors) in converted {
        note(format!(
            "{}: {tensors} tensors of {kind} were converted to 32-bit floats",
            arguments.weights.display()
        ));
    }
    say(format!(
        "{} is a run of '{}' now",
        name(run.folder()),
        recipe.name
    ))
}
