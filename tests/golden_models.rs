//! The networks that embed against what PyTorch computes in f64: embedding, loss, gradients, running statistics. See
//! `tests/golden/README.md`.

mod engine;

use engine::{Engine, Target, absolute, fixture::Fixture, largest, relative};
use stemwise::{
    kernel::StepValues,
    models::{Direct, DirectConfig, Extractor, ExtractorConfig, HashizumeConfig, HashizumeNetwork},
    nn::{Build, LogMelConfig, Mode, Record},
    ops::{Add, L1Loss, Scale, TripletLoss, norm_loss},
    shape::Shape,
    signal::MelFilters,
    tape::{Flat, Parameters, Role, Tape, Var},
};

const MARGIN: f32 = 1.0;

/// The largest `‖got − want‖ / ‖want‖` of a tensor. The fixtures are f64 rounded to f32, 3e-8 off; mel filters are f32
/// there and f64 here. In f32 PyTorch itself is up to 5e-5 off, in another order of summation than ours.
fn tolerance(target: Target) -> f64 {
    match target {
        Target::Reference => 1e-6,
        _ => 3e-4,
    }
}

/// A recorded network: its embedding and loss.
struct Net {
    parameters: Parameters,
    tape: Tape,
    inputs: Vec<&'static str>,
    embedding: Var,
    loss: Var,
}

fn channels<const N: usize>(fixture: &Fixture, key: &str) -> [usize; N] {
    let list = &fixture.metadata("config")[key];
    std::array::from_fn(|i| list[i].as_u64().unwrap() as usize)
}

/// librosa's filters for 512 samples at 22.05 kHz.
fn log_mel() -> LogMelConfig {
    let filters = MelFilters {
        rate: 22_050,
        size: 512,
        mels: 40,
        low: 30.0,
        high: 8_000.0,
        ..MelFilters::default()
    };
    LogMelConfig {
        filters,
        ..LogMelConfig::default()
    }
}

fn triplet(tape: &mut Tape, embedding: Var, mask: Var) -> Var {
    let triplets = tape.shape(mask).unwrap()[0];
    let weight = tape.constant([triplets], &vec![1.0; triplets]).unwrap();
    tape.push(TripletLoss { margin: MARGIN }, &[embedding, mask, weight])
        .unwrap()
}

fn extractor(fixture: &Fixture) -> Net {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let config = ExtractorConfig {
        channels: channels(fixture, "channels"),
        dimensions: fixture.shape("output")[1],
        log_mel: log_mel(),
    };
    let network = Extractor::new(&config, &mut Build::new(&mut parameters, 0)).unwrap();
    let magnitude = tape.input("magnitude", fixture.shape("input.magnitude"));
    let embedding = network
        .record(&mut Record::new(&mut tape, &parameters, Mode::Train), magnitude)
        .unwrap();
    let [items, dimensions] = [0, 1].map(|i| tape.shape(embedding).unwrap()[i]);
    let shape = Shape::from([items / 3, dimensions]);
    let mask = tape.constant(shape, &vec![1.0; shape.len()]).unwrap();
    let loss = triplet(&mut tape, embedding, mask);
    Net {
        parameters,
        tape,
        inputs: vec!["magnitude"],
        embedding,
        loss,
    }
}

fn direct(fixture: &Fixture) -> Net {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let config = DirectConfig {
        channels: channels(fixture, "channels"),
        bins: fixture.metadata("config")["bins"].as_u64().unwrap() as usize,
        reconstruct: true,
        dropout: 0.0,
        ..DirectConfig::default()
    };
    let network = Direct::new(&config, &mut Build::new(&mut parameters, 0), Role::Trainable).unwrap();
    let inputs = vec!["magnitude", "mask", "stem0", "stem1", "stem2", "stem3", "stem4"];
    let vars: Vec<Var> = inputs
        .iter()
        .map(|name| tape.input(name, fixture.shape(&format!("input.{name}"))))
        .collect();
    let (magnitude, mask) = (vars[0], vars[1]);
    let described = network
        .record(&mut Record::new(&mut tape, &parameters, Mode::Train), magnitude)
        .unwrap();
    let mut loss = triplet(&mut tape, described.embedding, mask);
    for (i, &stem) in vars[2..].iter().enumerate() {
        let estimate = network
            .reconstruct(
                &mut Record::new(&mut tape, &parameters, Mode::Train),
                &described,
                magnitude,
                i,
            )
            .unwrap()
            .estimate;
        let l1 = tape.push(L1Loss, &[estimate, stem]).unwrap();
        loss = tape.push(Add, &[loss, l1]).unwrap();
    }
    Net {
        parameters,
        tape,
        inputs,
        embedding: described.embedding,
        loss,
    }
}

fn hashizume(fixture: &Fixture) -> Net {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let config = HashizumeConfig {
        channels: channels(fixture, "pairs"),
        dimensions: fixture.shape("output")[1],
        log_mel: log_mel(),
    };
    let network = HashizumeNetwork::new(&config, &mut Build::new(&mut parameters, 0)).unwrap();
    let inputs = vec!["magnitude", "mask", "label", "bias"];
    let vars: Vec<Var> = inputs
        .iter()
        .map(|name| tape.input(name, fixture.shape(&format!("input.{name}"))))
        .collect();
    let embedding = network
        .record(&mut Record::new(&mut tape, &parameters, Mode::Train), vars[0])
        .unwrap();
    let near = triplet(&mut tape, embedding, vars[1]);
    let norms = norm_loss(&mut tape, embedding, vars[3], vars[2]).unwrap();
    let norms = tape.push(Scale { factor: 0.1 }, &[norms]).unwrap();
    let loss = tape.push(Add, &[near, norms]).unwrap();
    Net {
        parameters,
        tape,
        inputs,
        embedding,
        loss,
    }
}

fn follow(name: &str, record: fn(&Fixture) -> Net) {
    let fixture = Fixture::read(name);
    for target in Target::ALL {
        let mut net = record(&fixture);
        net.tape.backward(net.loss).unwrap();
        let expected = fixture.names().filter(|name| name.starts_with("param.")).count();
        assert_eq!(net.parameters.iter().count(), expected, "tensors of the network");
        let mut engine = Engine::new(target, &net.parameters).unwrap();
        engine
            .load(&net.parameters, |name| fixture.values(&format!("param.{name}")))
            .unwrap();
        let mut program = engine.compile(&net.tape, &[net.embedding, net.loss]).unwrap();
        let inputs: Vec<Vec<f32>> = net
            .inputs
            .iter()
            .map(|name| fixture.values(&format!("input.{name}")))
            .collect();
        engine.run(&mut program, &inputs, &StepValues::default()).unwrap();

        let (mut worst, mut failures) = (0f64, Vec::new());
        let mut note = |name: &str, error: f64| {
            worst = worst.max(error);
            if error.is_nan() || error > tolerance(target) {
                failures.push(format!("{name}: off by {error:.1e}"));
            }
        };
        for (var, name) in [(net.embedding, "output"), (net.loss, "loss")] {
            let got = engine.read(&mut program, var).unwrap();
            note(name, relative(&got, &fixture.truth(name)));
        }
        for parameter in net.parameters.iter() {
            let name = &parameter.name;
            let (flat, prefix) = match parameter.role {
                Role::Statistic => (Flat::Statistics, "after1"),
                _ => (Flat::Gradients, "grad"),
            };
            let got = engine.tensor(flat, &net.parameters, name).unwrap();
            let want = fixture.truth(&format!("{prefix}.{name}"));
            // what comes after cancels some biases (a norm, or the differences of a triplet): sums of the terms of the
            // weight's gradient, whose scale is theirs
            let weight = format!("grad.{}", name.replace("bias", "weight"));
            let scale = match parameter.role {
                Role::Statistic => 0.0,
                _ => largest(&fixture.truth(&weight)),
            };
            match name.ends_with(".bias") && largest(&want) < 1e-9 * scale {
                true => note(name, absolute(&got, &want) / scale),
                false => note(name, relative(&got, &want)),
            }
        }
        println!("{name} on {target}: {expected} tensors, worst {worst:.1e}");
        assert!(
            failures.is_empty(),
            "{name} on {target}:\n{}",
            failures.join("\n")
        );
    }
}

#[test]
fn the_extractor_and_its_triplet_loss() {
    follow("extractor", extractor);
}

#[test]
fn direct_with_both_conditionings_and_reconstruction() {
    follow("direct", direct);
}

#[test]
fn the_network_of_hashizume_with_the_norm_loss() {
    follow("hashizume", hashizume);
}
