//! What a run takes on the device, predicted from its plans alone, against what is allocated.

mod common;
mod engine;

use engine::open_gpu;
use stemwise::{
    corpus::Instrument,
    gpu::Device,
    optim::Adam,
    tape::Session,
    train::{
        Footprint, Network,
        recipe::{Overrides, resolve},
    },
};

/// The programs and batches of a run, allocated and not run.
fn check(name: &str, preset: &str, set: &[&str]) {
    let of_one = !name.starts_with("direct");
    let overrides = Overrides {
        preset: Some(preset.into()),
        instrument: of_one.then_some(Instrument::Drums),
        set: set.iter().map(ToString::to_string).collect(),
    };
    let recipe = resolve(name, &overrides).unwrap();
    let network = Network::new(&recipe).unwrap();
    let examples = match recipe.training.micro_batch {
        0 => recipe.training.batch,
        micro => micro,
    };
    let gpu = open_gpu();
    let before = gpu.created().bytes;
    let mut session = Session::new(&Device::Gpu(gpu.clone()), &network.parameters).unwrap();
    let (adam, count) = (Adam::default(), recipe.training.batch / examples);
    let mut programs = Vec::new();
    if count == 1 {
        programs.push(
            session
                .compile(&network.training_step(&adam, examples).unwrap().tape, &[])
                .unwrap(),
        );
    } else {
        let (step, update) = network.micro_steps(&adam, examples, count).unwrap();
        programs.push(session.compile(&step.tape, &[]).unwrap());
        programs.push(session.compile(&update, &[]).unwrap());
    }
    let validated = recipe.validation_examples(examples);
    let evaluation = network.evaluation_step(validated).unwrap();
    programs.push(session.compile(&evaluation.tape, &[evaluation.loss]).unwrap());
    if name != "separator" {
        let samples = recipe.samples(recipe.training.knn_seconds);
        let step = network.embedding_step(examples, samples).unwrap();
        programs.push(session.compile(&step.tape, &[step.embedding]).unwrap());
    }
    let footprint = Footprint::of(&network, examples, Some(gpu.traits())).unwrap();
    // slots are made one by one, as many as are predicted to fit
    let mut slots = Vec::new();
    let mut batches = 0;
    while batches < footprint.batches * 9 / 10 {
        let slot = session.slot(&programs[0]).unwrap();
        batches += slot.bytes() as u64;
        slots.push(slot);
    }
    let allocated = (gpu.created().bytes - before) as f64;
    let predicted = footprint.total() as f64;
    println!(
        "{name} at {preset}, {examples} of {} at a time: {:.1} MiB predicted, {:.1} MiB allocated",
        recipe.training.batch,
        predicted / f64::from(1 << 20),
        allocated / f64::from(1 << 20)
    );
    // beside what is predicted there are uniforms, some kilobytes
    assert!(
        (predicted / allocated - 1.0).abs() < 0.05,
        "{predicted} {allocated}"
    );
}

#[test]
fn memory_is_predicted() {
    for name in [
        "separator",
        "clean",
        "cascade-ft",
        "direct-reconst",
        "direct-pretraining",
    ] {
        check(name, "tiny", &[]);
    }
    check("cascade-ft", "small", &["training.micro_batch=4"]);
    check("separator", "small", &[]);
    check("separator", "small", &["training.precision=f16"]);
    // the papers' sizes in portions that a small machine holds
    check("separator", "paper", &["training.micro_batch=4"]);
    check("direct-da", "paper", &["training.micro_batch=2"]);
}
