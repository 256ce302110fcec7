//! What several tests share.
#![allow(dead_code)] // not every test uses everything

pub mod program;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use stemwise::{
    corpus::{
        Corpus, Instrument,
        store::{PrepareOptions, prepare},
    },
    generate::synth::{SynthOptions, synthesise},
    gpu::Device,
    tape::{Flat, Session},
    train::{
        self, Event, Network, Outcome, Recipe, Run, RunConfig, Schedule, TrainError,
        checkpoint::{Snapshot, State},
        exchange::ExportOptions,
        recipe::{Overrides, resolve},
    },
};

/// How tests export.
pub const EXPORT: ExportOptions<'_> = ExportOptions {
    licence: "cc-by-4.0",
    half: false,
};

/// A few synthesised pieces of 8 s.
pub fn corpus(folder: &Path) -> PathBuf {
    let root = folder.join("corpus");
    let options = SynthOptions {
        seed: 3,
        train: 2,
        validation: 1,
        test: 1,
        seconds: 8.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    root
}

/// A store of a corpus in the folder `store`.
pub fn prepared(root: &Path, store: PathBuf) -> PathBuf {
    let corpus = Corpus::open(root).unwrap();
    let stop = AtomicBool::new(false);
    prepare(&corpus, &store, &PrepareOptions::default(), &stop, &|_| {}).unwrap();
    store
}

/// What makes any recipe small: networks of an eighth of the width on a small transform, three epochs of 8 updates.
pub const SMALL: [&str; 16] = [
    "seed=7",
    "front_end.stft_size=256",
    "front_end.stft_hop=128",
    "front_end.mels=40",
    "network.width=0.125",
    "network.dimensions=8",
    "data.segment_seconds=0.5",
    "training.batch=2",
    "training.epoch=16",
    "training.epochs=3",
    "training.learning_rate=1e-3",
    "training.plateau=0",
    "training.validation=3",
    "training.validation_seconds=0",
    "training.knn_seconds=0.5",
    "training.knn_segments=6",
];

/// A recipe made [`SMALL`], and changed by what is set.
pub fn small(name: &str, instrument: Option<Instrument>, set: &[&str]) -> Recipe {
    // as many as its small transform has bins for
    let bands: &[&str] = match name {
        "separator-joint" => &["network.bands=40"],
        _ => &[],
    };
    let set = SMALL.iter().chain(bands).chain(set);
    let overrides = Overrides {
        instrument,
        set: set.map(ToString::to_string).collect(),
        ..Overrides::default()
    };
    resolve(name, &overrides).unwrap()
}

/// The separator of an instrument.
pub fn recipe(instrument: Instrument) -> Recipe {
    small("separator", Some(instrument), &[])
}

pub fn config(corpus: &Path) -> RunConfig {
    RunConfig {
        corpus: corpus.into(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: recipe(Instrument::Drums),
    }
}

/// Trains a new run to its end.
pub fn train(run: &Path, config: &RunConfig, device: &Device) -> Result<Outcome, TrainError> {
    train::start(run, config, device, &AtomicBool::new(false), &|_: Event<'_>| {})
}

/// Makes a run that was never trained, whose model is what `edit` makes of the initial weights.
pub fn untrained(folder: &Path, recipe: &Recipe, edit: impl Fn(&str, &mut [f32])) -> PathBuf {
    let config = RunConfig {
        corpus: "nowhere".into(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: recipe.clone(),
    };
    let run = Run::create(folder, &config).unwrap();
    let network = Network::new(recipe).unwrap();
    let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
    let mut values = network.parameters.initial(Flat::Parameters);
    for parameter in network.parameters.iter().filter(|p| p.flat() == Flat::Parameters) {
        edit(
            &parameter.name,
            &mut values[parameter.offset..][..parameter.shape.len()],
        );
    }
    session.set_flat(Flat::Parameters, &values).unwrap();
    let state = State::new(recipe, 1, &Schedule::new(&recipe.training), &[]);
    let snapshot = Snapshot::take(&mut session, state).unwrap();
    snapshot.write(&run.last()).unwrap();
    folder.to_path_buf()
}

/// The mask of such a model is 1 everywhere: the last layer has no weights and a large bias.
pub fn identity(name: &str, values: &mut [f32]) {
    match name {
        "decoder.5.deconv.weight" => values.fill(0.0),
        "decoder.5.deconv.bias" => values.fill(40.0),
        _ => {}
    }
}

/// Uniform noise in ±0.5, always the same.
pub fn noise(len: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}
