//! Weights that leave a run, and weights that were trained elsewhere.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use safetensors::Dtype;

use super::{
    authors,
    checkpoint::{Snapshot, State, mismatch},
    is_left_over,
    weights::{Weights, kind},
};
use crate::{
    files::{PARTIAL_PREFIX, write_atomically},
    gpu::Device,
    tape::{Parameter, Session},
    train::{Checkpoint, Network, Recipe, Run, RunConfig, Schedule, TrainError, network::TARGETS},
};

/// Names of the files that are exported first.
const WEIGHTS: &str = "model.safetensors";
const RECIPE: &str = "recipe.toml";
/// The norm behind the last convolution of an encoder.
const LAST_NORM: &str = "encoder.5.norm.";

/// How [`export`] writes weights.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions<'a> {
    /// What the card says of their licence.
    pub licence: &'a str,
    /// Rounds them to [16-bit floats](Snapshot::halved), for a file of half the size.
    pub half: bool,
}

/// What [`export`] writes.
#[derive(Clone, Debug)]
pub struct Export {
    /// Weights and running statistics.
    pub weights: PathBuf,
    /// What they are: data, licence, scores, hashes.
    pub card: PathBuf,
    /// The recipe, every setting spelled out.
    pub recipe: PathBuf,
}

/// Writes a run's best weights into the new folder `out`, without what only training needs, and beside them a model
/// card and the recipe. The file has all that a use of the model needs: verbs take it where they take a run.
///
/// # Errors
/// [`TrainError::Run`] if the run has no checkpoint, or the folder is not empty; what reading and writing give.
pub fn export(folder: &Path, out: &Path, options: ExportOptions<'_>) -> Result<Export, TrainError> {
    let run = Run::open(folder)?;
    let path = run.newest_best();
    if !path.is_file() {
        let message = "it has no checkpoint yet: train it first";
        return Err(TrainError::run(folder, message));
    }
    if !is_unfinished(out) {
        return Err(TrainError::run(out, "the folder is not empty: choose a new one"));
    }
    let checkpoint = Checkpoint::read(&path)?;
    let state = checkpoint.state.clone();
    state.recipe.check().map_err(|error| {
        TrainError::checkpoint(
            &path,
            format!("its recipe cannot be used ({error}). Copy it again"),
        )
    })?;
    let network = Network::of(&state.recipe, &checkpoint)?;
    let mut session = Session::new(&Device::Cpu, &network.parameters)?;
    checkpoint.restore_weights(&mut session)?;
    fs::create_dir_all(out).map_err(TrainError::io("create", out))?;
    let files = Export {
        weights: out.join(WEIGHTS),
        card: out.join("README.md"),
        recipe: out.join(RECIPE),
    };
    let weights = Snapshot::take(&mut session, state.clone())?.weights_only();
    let weights = if options.half { weights.halved() } else { weights };
    weights.write(&files.weights)?;
    let bytes = fs::read(&files.weights).map_err(TrainError::io("read", &files.weights))?;
    let recipe = toml::to_string(&state.recipe).map_err(|e| TrainError::setting("recipe", e.to_string()))?;
    write_atomically(&files.recipe, |file| file.write_all(recipe.as_bytes()))?;
    let hash = blake3::hash(&bytes).to_hex();
    let card = card(&run, &state, &network, hash.as_str(), options)?;
    write_atomically(&files.card, |file| file.write_all(card.as_bytes()))?;
    Ok(files)
}

/// Whether a folder may be exported into: it is new or empty, or an export was killed there, which writes the card last.
fn is_unfinished(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.all(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        [WEIGHTS, RECIPE].contains(&name.as_ref()) || name.starts_with(PARTIAL_PREFIX)
    })
}

/// The text of a model card.
fn card(
    run: &Run,
    state: &State,
    network: &Network,
    hash: &str,
    ExportOptions { licence, half }: ExportOptions<'_>,
) -> Result<String, TrainError> {
    let recipe = &state.recipe;
    let mut text = format!(
        "---\nlicense: {licence}\nlibrary_name: stemwise\n---\n\n# {}\n\n",
        recipe.title()
    );
    let mut line = |what: &str, value: &str| {
        // writing to a string does not fail
        let _ = writeln!(text, "- {what}: {value}");
    };
    if let Some(description) = Recipe::description(&recipe.name) {
        line("What it is", &description);
    }
    for (part, values) in network.parts() {
        line(&format!("Parameters, {part}"), &values.to_string());
    }
    if half {
        line("Weights", "16-bit floats, running statistics 32-bit ones");
    }
    line("Updates", &state.step.to_string());
    if let Some((step, score)) = state.schedule.best {
        line(
            "Score",
            &format!(
                "{score} on the validation split, after {step} updates (chosen by {:?})",
                recipe.training.best
            ),
        );
    }
    if let Some(least) = state.schedule.least {
        line("Least validation loss", &least.to_string());
    }
    let corpora = [&run.config.corpus].into_iter().chain(&run.config.renderings);
    let corpora: Vec<String> = corpora.map(|corpus| corpus.display().to_string()).collect();
    line("Trained on", &corpora.join(", "));
    if let Some(start) = run
        .record()?
        .and_then(|record| record.starts.into_iter().next_back())
    {
        line(
            "Hash of the store",
            start.store.as_deref().unwrap_or("none: a folder"),
        );
        if let Some(licence) = start.licence {
            line("Licence of what it was trained on", &licence);
        }
        if let Some(judgements) = start.judgements {
            line("Hash of the judgements", &judgements);
        }
        line("Device", &start.device);
        line(
            "stemwise",
            &format!(
                "{}, commit {}",
                start.version,
                start.git_commit.as_deref().unwrap_or("unknown")
            ),
        );
    }
    if state.simulated {
        line("Judgements", "**simulated: nobody listened**");
    }
    line("Seed", &state.seed.to_string());
    for parent in &state.parents {
        line("Built on", &format!("{}, {}", parent.title(), parent.hash));
    }
    line("Licence of the weights", licence);
    line("BLAKE3 of model.safetensors", hash);
    Ok(text)
}

/// What [`import`] made.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The run.
    pub run: Run,
    /// How many tensors were of other floats than 32-bit ones, by what they were of. They were converted.
    pub converted: BTreeMap<String, usize>,
}

/// Makes a run of weights that were trained elsewhere: a safetensors file with the names that the recipe's network
/// has, as PyTorch would save them, or with those of the papers' authors, in floats of 16, 32 or 64 bits. Other runs can
/// build on it, and it separates and describes; it is not trained on.
///
/// # Errors
/// [`TrainError::Checkpoint`], naming tensors that are missing, surplus, of another shape or not floats, or that hold
/// a number that is not finite in 32 bits; as [`Run::create`].
pub fn import(weights: &Path, recipe: &Recipe, out: &Path) -> Result<Imported, TrainError> {
    let whole = Weights::read(weights)?;
    let file = whole.tensors()?;
    let mut network = Network::new(recipe)?;
    // an exported file has no targets
    let kept = network.parameters.iter().filter(|p| !p.name.starts_with(TARGETS));
    let all: Vec<Parameter> = kept.cloned().collect();
    let names = file.names();
    let theirs = authors::ours(&names).unwrap_or_default();
    let called = |ours: &str| theirs.get(ours).map_or(ours, |theirs| *theirs).to_string();
    let expected: Vec<(String, &Parameter)> = all.iter().map(|p| (called(&p.name), p)).collect();
    // the authors' models keep the norm that nothing uses where the last convolution is bare
    let unused = theirs.iter().filter(|(ours, _)| ours.starts_with(LAST_NORM));
    let unused: Vec<&str> = unused.map(|(_, theirs)| *theirs).collect();
    if let Some(problems) = mismatch(&file, &expected, &unused) {
        return Err(whole.refused(format!(
            "it is not a '{}' of these sizes: {problems}",
            recipe.name
        )));
    }
    let mut converted = BTreeMap::new();
    for (name, parameter) in &expected {
        let tensor = file.tensor(name);
        let tensor = tensor.map_err(|_| whole.refused(format!("'{name}' is missing")))?;
        network
            .parameters
            .set_initial(&parameter.name, whole.values(name, &tensor)?)?;
        if tensor.dtype() != Dtype::F32 {
            *converted.entry(kind(tensor.dtype())).or_default() += 1;
        }
    }
    let config = RunConfig {
        corpus: weights.into(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: recipe.clone(),
    };
    remove_half_made(out, weights);
    let run = Run::create(out, &config)?;
    let mut schedule = Schedule::new(&recipe.training);
    schedule.finished = true;
    let mut session = Session::new(&Device::Cpu, &network.parameters)?;
    let mut state = State::new(recipe, 0, &schedule, &[]);
    // an exported file says where it comes from
    if let Ok(exported) = Checkpoint::read(weights) {
        state.simulated = exported.state.simulated;
        state.parents = exported.state.parents;
    }
    Snapshot::take(&mut session, state)?.write(&run.last())?;
    Ok(Imported { run, converted })
}

/// Removes the configuration that an import of the same weights left where it was killed before it wrote them.
fn remove_half_made(out: &Path, weights: &Path) {
    let Ok(run) = Run::open(out) else { return };
    let mut names = fs::read_dir(out)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let alone = names.all(|name| name == "config.toml" || is_left_over(&name));
    let same = fs::canonicalize(weights).is_ok_and(|weights| weights == run.config.corpus);
    if alone
        && same
        && let Ok(_lock) = run.lock()
    {
        let _ = fs::remove_file(out.join("config.toml"));
    }
}
