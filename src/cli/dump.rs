//! `stemwise bench --dump`

use std::path::Path;

use super::{output::say, plan, recipe::RecipeArguments};
use crate::{
    measure::{
        Found, Size, card,
        dump::{dump, make_empty},
        permutations, separator_step,
    },
    optim::Adam,
    tape::{Plan, Tape, Var},
    train::Network,
};

/// Every permutation of every kernel, and the plan of the separator's training step at this size.
pub fn all(folder: &Path, size: &Size) -> anyhow::Result<()> {
    make_empty(folder)?;
    let step = separator_step(size, &Adam::default(), card(), false)?;
    write(folder, permutations(size)?, &[("separator", step)])
}

/// The kernels of a recipe's steps on a card: those of training and of validation.
pub fn recipe(folder: &Path, what: &Path, over: &RecipeArguments) -> anyhow::Result<()> {
    let recipe = plan::recipe(what, over)?;
    make_empty(folder)?;
    let network = Network::new(&recipe)?;
    let (examples, count) = plan::batches(&recipe);
    let planned = |tape: &Tape, outputs: &[Var]| Plan::for_gpu(tape, &network.parameters, outputs, card());
    let (step, update) = network.update_steps(&Adam::default(), examples, count)?;
    let mut plans = vec![("training", planned(&step.tape, &[])?)];
    if let Some(update) = update {
        plans.push(("update", planned(&update, &[])?));
    }
    let evaluation = network.evaluation_step(network.recipe.validation_examples(examples))?;
    plans.push(("validation", planned(&evaluation.tape, &[evaluation.loss])?));
    write(folder, Found::new(), &plans)
}

fn write(folder: &Path, found: Found, plans: &[(&str, Plan)]) -> anyhow::Result<()> {
    let dumped = dump(folder, found, plans)?;
    say(format!(
        "{} kernels and {} plans in {}",
        dumped.kernels,
        dumped.plans,
        folder.display()
    ))
}
