//! Training with activations in 16-bit floats: the scaled loss, and that it learns what 32 bits learn.

mod common;
mod engine;

use std::{fs, path::Path};

use common::{corpus, small, train};
use engine::{Engine, Target};
use stemwise::{
    Error,
    corpus::Instrument,
    gpu::{Device, Gpu},
    kernel::{StepValues, Traits},
    ops::SquaredNorm,
    optim::Adam,
    shape::Shape,
    tape::{Flat, Parameters, Plan, Role, Session, Tape},
    train::{
        Network, Recipe, RunConfig, Schedule,
        checkpoint::{Snapshot, State},
        recipe::{Overrides, resolve},
    },
};

/// Gradient descent on the squared norm of a vector.
fn descent(narrow: bool) -> (Parameters, Tape) {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    tape.narrow(narrow);
    let start = vec![0.75, -1.5, 3.0];
    let id = parameters
        .add("w", Shape::from([3]), Role::Trainable, start)
        .unwrap();
    let w = tape.parameter(&parameters, id).unwrap();
    let loss = tape.push(SquaredNorm, &[w]).unwrap();
    tape.backward(loss).unwrap();
    Adam::default().record(&mut tape, &parameters).unwrap();
    (parameters, tape)
}

fn values(step: u32) -> StepValues {
    StepValues::new(1, step, 0.125, Adam::default().betas())
}

const LASTING: [Flat; 3] = [Flat::Parameters, Flat::FirstMoment, Flat::SecondMoment];

#[test]
fn a_scaled_loss_gives_the_same_updates() {
    for target in Target::ALL {
        let after = |narrow| {
            let (parameters, tape) = descent(narrow);
            let mut engine = Engine::new(target, &parameters).unwrap();
            let mut program = engine.compile(&tape, &[]).unwrap();
            for step in 0..5 {
                engine.run(&mut program, &[], &values(step)).unwrap();
            }
            LASTING.map(|flat| engine.flat(flat).unwrap())
        };
        // a power of two rounds nothing
        assert_eq!(after(true), after(false), "{target}");
    }
}

#[test]
fn an_update_that_overflows_is_left_out_and_halves_the_scale() {
    for target in [Target::Cpu, Target::Gpu] {
        let (parameters, tape) = descent(true);
        let mut engine = Engine::new(target, &parameters).unwrap();
        let mut program = engine.compile(&tape, &[]).unwrap();
        engine.run(&mut program, &[], &values(0)).unwrap();
        assert_eq!(
            engine.flat(Flat::Scaler).unwrap(),
            [65_536.0, 1.0 / 65_536.0, 1.0, 0.0]
        );
        let before = LASTING.map(|flat| engine.flat(flat).unwrap());

        // 2 · 3 · 2¹²⁷ is no 32-bit float
        let scale = 2f32.powi(127);
        engine.set_flat(Flat::Scaler, &[scale, 0.0, 1.0, 0.0]).unwrap();
        engine.run(&mut program, &[], &values(1)).unwrap();
        assert_eq!(LASTING.map(|flat| engine.flat(flat).unwrap()), before, "{target}");
        let scaler = engine.flat(Flat::Scaler).unwrap();
        assert_eq!(scaler, [f64::from(scale) / 2.0, 0.0, 0.0, 1.0], "{target}");
    }
}

#[test]
fn the_scale_grows_after_two_thousand_updates() {
    let (parameters, tape) = descent(true);
    let mut engine = Engine::new(Target::Cpu, &parameters).unwrap();
    let mut program = engine.compile(&tape, &[]).unwrap();
    let mut scales = Vec::new();
    for step in 0..2001 {
        engine.run(&mut program, &[], &values(step)).unwrap();
        scales.push(engine.flat(Flat::Scaler).unwrap()[0]);
    }
    assert!(scales[..1999].iter().all(|&scale| scale == 65_536.0));
    assert_eq!(scales[1999..], [131_072.0; 2]);
}

#[test]
fn gradients_that_overflow_at_the_least_scale_end_a_run() {
    let recipe = recipe("f16");
    let network = Network::new(&recipe).unwrap();
    let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
    let mut stuck = |step, scaler: [f32; 4]| {
        session.set_flat(Flat::Scaler, &scaler).unwrap();
        let state = State::new(&recipe, step, &Schedule::new(&recipe.training), &[]);
        let snapshot = Snapshot::take(&mut session, state).unwrap();
        snapshot.find_not_finite().map(|(name, _)| name.to_string())
    };
    assert_eq!(stuck(9, [1.0, 0.0, 0.0, 17.0]).as_deref(), Some("gradient"));
    assert_eq!(stuck(9, [2.0, 0.0, 0.0, 16.0]), None);
    assert_eq!(stuck(9, [1.0, 1.0, 1.0, 17.0]), None);
}

fn recipe(precision: &str) -> Recipe {
    let precision = format!("training.precision={precision}");
    let set = [
        precision.as_str(),
        "training.epochs=8",
        "training.learning_rate=3e-3",
    ];
    small("separator", Some(Instrument::Drums), &set)
}

/// The losses that were minimised, and those of validation.
fn losses(run: &Path) -> [Vec<f64>; 2] {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |key: &str| lines.iter().filter_map(|line| line[key].as_f64()).collect();
    [of("loss"), of("validation_loss")]
}

#[test]
fn sixteen_bits_learn_what_thirty_two_learn() {
    let folder = tempfile::tempdir().unwrap();
    let root = corpus(folder.path());
    let run = |name: &str, precision: &str, device: &Device| {
        let config = RunConfig {
            corpus: root.clone(),
            renderings: Vec::new(),
            from: Vec::new(),
            recipe: recipe(precision),
        };
        let run = folder.path().join(name);
        train(&run, &config, device).unwrap();
        let scales = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        assert_eq!(scales.contains("\"loss_scale\":65536.0"), precision == "f16");
        losses(&run)
    };
    let gpu = Device::Gpu(engine::gpu());
    let [want, validated] = run("f32", "f32", &Device::Cpu);
    let last = |losses: &[f64]| *losses.last().unwrap();
    assert!(last(&validated) < 0.9 * validated[0]);
    for (name, device) in [("f16 cpu", &Device::Cpu), ("f16 gpu", &gpu)] {
        let [got, validation] = run(name, "f16", device);
        assert_eq!(got.len(), want.len());
        let off = |got: &[f64], want: &[f64]| {
            let off = got.iter().zip(want).map(|(got, want)| (got / want - 1.0).abs());
            off.fold(0.0, f64::max)
        };
        // of an epoch of 8 updates: single ones are of two segments
        let epochs = |losses: &[f64]| -> Vec<f64> { losses.chunks(8).map(|e| e.iter().sum()).collect() };
        let (first, all) = (off(&got[..1], &want[..1]), off(&epochs(&got), &epochs(&want)));
        let validated = off(&validation, &validated);
        println!(
            "{name}: first loss off by {first:.1e}, an epoch's by {all:.1e}, validation by {validated:.1e}"
        );
        // 11 bits of every activation, averaged over a batch
        assert!(first < 1e-3 && first > 0.0, "{first:.1e}");
        // and what training makes of that in 64 updates, each of which Adam normalises
        assert!(all < 0.05, "{all:.1e}");
        // of four segments after each epoch
        assert!(validated < 0.15, "{validated:.1e}");
    }
}

#[test]
fn activations_take_half_the_memory() {
    let bytes = |precision: &str| {
        let overrides = Overrides {
            preset: Some("small".into()),
            instrument: Some(Instrument::Drums),
            set: vec![format!("training.precision={precision}")],
        };
        let network = Network::new(&resolve("separator", &overrides).unwrap()).unwrap();
        let step = network.training_step(&Adam::default(), 16).unwrap();
        // kernels of a GPU, which need no packed copies
        let traits = Traits::default();
        let plan = Plan::for_gpu(&step.tape, &network.parameters, &[], traits).unwrap();
        let lasting: u64 = Flat::ALL.iter().map(|&flat| plan.flat_bytes(flat)).sum();
        (
            (plan.bytes() - lasting) as f64,
            plan.narrowed(),
            plan.operations(),
        )
    };
    let ((wide, none, _), (narrow, halves, operations)) = (bytes("f32"), bytes("f16"));
    println!("{halves} of {operations} results in 16 bits: {wide} bytes become {narrow}");
    assert_eq!(none, 0);
    // spectrograms, masks and sums stay as they are
    assert!(narrow < 0.6 * wide, "{narrow} {wide}");
}

#[test]
fn an_adapter_without_16_bit_floats_says_so() {
    let mut adapter = engine::adapter();
    adapter.features.f16 = false;
    let gpu = Gpu::open(&adapter).unwrap();
    let device = Device::Gpu(gpu);
    let (parameters, tape) = descent(true);
    let mut session = Session::new(&device, &parameters).unwrap();
    let error = session.compile(&tape, &[]).err().unwrap();
    assert!(matches!(error, Error::NoHalves { .. }), "{error}");
    assert!(error.to_string().contains("has no 16-bit floats"), "{error}");

    // before anything is opened or written
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = RunConfig {
        corpus: folder.path().join("none"),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: recipe("f16"),
    };
    let error = train(&run, &config, &device).unwrap_err();
    assert!(error.to_string().contains("has no 16-bit floats"), "{error}");
    assert!(!run.exists());
}
