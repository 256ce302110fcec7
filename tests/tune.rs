//! Choosing variants by measurement: what is measured, that plans follow it, and how it is remembered.

mod engine;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use engine::separator::Training;
use stemwise::{
    gpu::{Device, Gpu, Options, Tuning, VariantStore, Variants},
    ops::Conv2d,
    tape::{Flat, Parameters, Plan, Role, Session, Tape, Thoroughness, Tunable, Var},
    variants::VariantFolder,
};

fn tunable(training: &Training, device: &Device) -> Vec<Tunable> {
    let plan = Plan::for_gpu(&training.tape, &training.parameters, &[], device.traits()).unwrap();
    plan.tunable()
}

#[test]
fn programs_take_the_variants_that_are_chosen() {
    let gpu = engine::gpu();
    let device = Device::Gpu(gpu.clone());
    let training = Training::new(0.0);
    let tunable = tunable(&training, &device);
    // twelve layers: each forward, by weights and, but for the first, by input; the deepest two have one shape of
    // weight gradient
    assert_eq!(tunable.len(), 34);

    let shaders = |choices: Variants| {
        let mut session = Session::new(&device, &training.parameters).unwrap();
        session.planner_mut().choose(choices);
        let program = session.compile(&training.tape, &[]).unwrap();
        let names = program.plan().kernels().map(|dispatch| dispatch.shader.name);
        names
            .filter(|name| name.starts_with("conv2d/"))
            .collect::<BTreeSet<_>>()
    };
    let mut choices = Variants::default();
    for tunable in &tunable {
        choices.set(tunable.key.clone(), "register-tiles");
    }
    let plain = BTreeSet::from(["conv2d/forward", "conv2d/transpose", "conv2d/weight_gradient"]);
    assert_eq!(shaders(choices.clone()), plain);
    // a name that nothing has changes nothing
    for tunable in &tunable {
        choices.set(tunable.key.clone(), "none of them");
    }
    assert_eq!(shaders(choices), shaders(Variants::default()));
}

#[test]
fn measuring_times_every_variant_and_the_fastest_trains() {
    let gpu = engine::gpu();
    let device = Device::Gpu(gpu.clone());
    let training = Training::new(0.5);
    let mut choices = Variants::default();
    for tunable in tunable(&training, &device) {
        let tuned = tunable.measure(&device, Thoroughness::quick(), None).unwrap();
        assert!(tuned.times.len() > 1 && tuned.complete, "{tuned:?}");
        assert!(
            tuned.times.iter().all(|(_, time)| time.as_nanos() > 0),
            "{tuned:?}"
        );
        let fastest = tuned.fastest().unwrap();
        assert!(
            tuned.times.iter().all(|(_, time)| fastest.1 <= *time),
            "{tuned:?}"
        );
        choices.set(tuned.key.clone(), fastest.0);
    }
    let mut session = Session::new(&device, &training.parameters).unwrap();
    session.planner_mut().choose(choices);
    let mut program = session.compile(&training.tape, &[]).unwrap();
    session
        .run(&mut program, &training.inputs(), &Training::step(0))
        .unwrap();
    let parameters = session.flat(Flat::Parameters).unwrap();
    assert!(parameters.iter().all(|value| value.is_finite()));
    assert_ne!(parameters, training.parameters.initial(Flat::Parameters));
}

#[test]
fn a_deadline_leaves_the_default() {
    let device = Device::Gpu(engine::gpu());
    let training = Training::new(0.0);
    let first = &tunable(&training, &device)[0];
    let passed = Some(std::time::Instant::now());
    let tuned = first.measure(&device, Thoroughness::quick(), passed).unwrap();
    assert!(tuned.times.len() == 1 && !tuned.complete, "{tuned:?}");
}

#[test]
fn choices_are_stored_for_one_adapter_and_driver() {
    let gpu = engine::gpu();
    let folder = tempfile::tempdir().unwrap();
    let folder = VariantFolder::new(folder.path().join("not yet there"));
    assert!(folder.load(&gpu).is_empty());

    let mut choices = Variants::default();
    choices.set("an operation".to_string(), "register-tiles");
    let path = folder.store(&gpu, &choices).unwrap();
    let stored = folder.load(&gpu);
    assert_eq!(stored, choices);
    assert_eq!(stored.get("an operation"), Some("register-tiles"));

    // another driver, another version, no JSON: none of it counts
    let text = fs::read_to_string(&path).unwrap();
    let driver = serde_json::to_string(gpu.driver()).unwrap();
    for damaged in [
        text.replace(&driver, "\"another\""),
        text.replace(env!("CARGO_PKG_VERSION"), "0.0.0"),
        text[..text.len() / 2].to_string(),
    ] {
        assert_ne!(damaged, text);
        fs::write(&path, damaged).unwrap();
        assert!(folder.load(&gpu).is_empty());
    }
}

/// Two convolutions, one after the other.
fn convolutions() -> (Parameters, Tape, Var) {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let mut add = |tape: &mut Tape, name: &str, shape: [usize; 4]| {
        let values = vec![0.25; shape.iter().product()];
        let id = parameters.add(name, shape.into(), Role::Frozen, values).unwrap();
        tape.parameter(&parameters, id).unwrap()
    };
    let image = add(&mut tape, "image", [1, 8, 12, 12]);
    let first = add(&mut tape, "first", [8, 8, 3, 3]);
    let second = add(&mut tape, "second", [16, 8, 3, 3]);
    let convolution = Conv2d {
        stride: [1, 1],
        padding: [1, 1],
    };
    let hidden = tape.push(convolution.clone(), &[image, first]).unwrap();
    let output = tape.push(convolution, &[hidden, second]).unwrap();
    (parameters, tape, output)
}

/// How many operations a new session on a new device measures for these, and what it chooses.
fn compile(tuning: Tuning, folder: Option<&Path>) -> (usize, Variants) {
    let options = Options {
        tuning,
        variants: folder.map(|folder| Arc::new(VariantFolder::new(folder)) as _),
        ..Options::default()
    };
    let gpu = Gpu::open_with(&engine::adapter(), options).unwrap();
    let (parameters, tape, output) = convolutions();
    let mut session = Session::new(&Device::Gpu(gpu.clone()), &parameters).unwrap();
    for _ in 0..2 {
        session.compile(&tape, &[output]).unwrap();
    }
    assert_eq!(gpu.measuring().is_zero(), session.planner().measured() == 0);
    (session.planner().measured(), session.planner().choices().clone())
}

#[test]
fn what_is_measured_at_first_use_is_not_measured_again() {
    for tuning in [Tuning::On, Tuning::Exhaustive] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("not yet there");
        for unmeasured in [Tuning::Off, Tuning::Stored] {
            let (measured, choices) = compile(unmeasured, Some(&folder));
            assert!(measured == 0 && choices.is_empty() && !folder.exists());
        }
        // the second program of a session finds what the first one measured
        let (measured, chosen) = compile(tuning, Some(&folder));
        assert_eq!((measured, chosen.len()), (2, 2));
        for later in [Tuning::On, Tuning::Exhaustive, Tuning::Stored] {
            assert_eq!(compile(later, Some(&folder)), (0, chosen.clone()), "{later}");
        }
        assert!(compile(Tuning::Off, Some(&folder)).1.is_empty());
    }
}

#[test]
fn measuring_adds_to_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (gpu, kept) = (engine::gpu(), VariantFolder::new(folder.path()));
    let mut before = Variants::default();
    before.set("another operation".to_string(), "register-tiles");
    kept.store(&gpu, &before).unwrap();
    let (measured, _) = compile(Tuning::On, Some(folder.path()));
    let stored = kept.load(&gpu);
    assert_eq!((measured, stored.len()), (2, 3));
    assert_eq!(stored.get("another operation"), Some("register-tiles"));
    // nowhere to store is no error, and measures for this session
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    assert_eq!(compile(Tuning::On, Some(&file)).0, 2);
    assert_eq!(compile(Tuning::On, None).0, 2);
}

#[test]
fn a_session_that_is_told_what_to_take_measures_nothing() {
    let options = Options {
        tuning: Tuning::Exhaustive,
        ..Options::default()
    };
    let gpu = Gpu::open_with(&engine::adapter(), options).unwrap();
    let (parameters, tape, output) = convolutions();
    let mut session = Session::new(&Device::Gpu(gpu.clone()), &parameters).unwrap();
    session.planner_mut().choose(Variants::default());
    session.compile(&tape, &[output]).unwrap();
    let mut pinned = Session::new(&Device::Gpu(gpu), &parameters).unwrap();
    pinned.planner_mut().pin(Some("register-tiles"));
    pinned.compile(&tape, &[output]).unwrap();
    assert_eq!(
        (session.planner().measured(), pinned.planner().measured()),
        (0, 0)
    );
}
