//! Every stage of training against what PyTorch computes in f64, from 16-bit samples on: loss and parts, gradients,
//! running statistics, the loss without dropout. And what conditioning promises: instruments that are not asked for
//! get no gradient at all. See `tests/golden/stages/README.md`.

mod engine;

use std::{collections::BTreeSet, fs, path::Path};

use engine::{Engine, Target, absolute, fixture::Fixture, largest, noise, relative, widen};
use safetensors::{Dtype, SafeTensors};
use stemwise::{
    kernel::StepValues,
    models::{Direct, DirectConfig, SUBSPACES},
    nn::{Build, Mode, Record},
    ops::{L1Loss, TripletLoss},
    optim::Adam,
    tape::{Flat, HISTORY_STEPS, Parameter, Parameters, Role, Tape, Var},
    train::{
        Network,
        recipe::{Overrides, RECIPES, resolve},
    },
};

/// The fixtures, and the recipes that minimise what each was made for. Recipes of one row differ in what they start
/// from and in what they hear, not in what they do with it.
const STAGES: [(&str, &[&str]); 16] = [
    ("separator", &["separator"]),
    ("separator-joint", &["separator-joint"]),
    ("separator-joint-bands", &["separator-joint"]),
    ("clean", &["clean", "clean-paft"]),
    (
        "cascade",
        &[
            "cascade",
            "cascade-normal",
            "cascade-extractor-paft",
            "cascade-ft-paft",
            "cascade-extractor-paft-normal",
            "cascade-ft-paft-normal",
        ],
    ),
    (
        "cascade-ft",
        &[
            "cascade-ft",
            "cascade-ft-normal",
            "cascade-scratch",
            "cascade-paft",
        ],
    ),
    ("direct-pretraining", &["direct-pretraining"]),
    ("direct", &["direct", "direct-da"]),
    ("direct-norm", &["direct-norm"]),
    ("direct-reconst", &["direct-reconst"]),
    ("direct-reconst-all", &["direct-reconst"]),
    (
        "direct-paft",
        &["direct-paft", "direct-da-paft", "direct-reconst-paft"],
    ),
    ("h25-pretraining", &["h25-pretraining"]),
    ("h25", &["h25", "h25-d", "h25-e", "h25-f", "h25-g", "h25-h"]),
    ("h25-triplets", &["h25-c", "h25-no-norm-scratch", "h25-no-norm"]),
    ("contrast", &["contrast"]),
];

/// The largest `‖got − want‖ / ‖want‖` of a tensor. The fixtures are f64 rounded to f32, 3e-8 off, of one number that
/// is a difference of others somewhat more. In f32 PyTorch itself is up to 4e-5 off, and we no more; another adapter
/// adds up in another order.
fn tolerance(target: Target) -> f64 {
    match target {
        Target::Reference => 1e-6,
        _ => 2e-4,
    }
}

/// The tensors of the recipe's network as the fixture has them.
fn network(fixture: &Fixture, recipe: &str) -> Network {
    let config = fixture.metadata("config");
    let set = config["set"].as_array().unwrap();
    let mut set: Vec<String> = set.iter().map(|s| s.as_str().unwrap().into()).collect();
    // the file that judgements come from, which nothing here reads
    set.push("data.judgements=judged.csv".into());
    // the same samples for both tapes
    set.push("training.validation_seconds=0".into());
    let overrides = Overrides {
        instrument: config["instrument"].as_str().map(|name| name.parse().unwrap()),
        set,
        ..Overrides::default()
    };
    let mut network = Network::new(&resolve(recipe, &overrides).unwrap()).unwrap();
    let given: BTreeSet<&str> = fixture
        .names()
        .filter_map(|name| name.strip_prefix("param."))
        .collect();
    // frozen decoders that nothing runs may start from anything
    let unheard = |p: &&Parameter| recipe == "direct-reconst-paft" && p.name.starts_with("decoders.");
    let ours: BTreeSet<String> = network
        .parameters
        .iter()
        .filter(|p| !unheard(p))
        .map(|p| p.name.clone())
        .collect();
    assert!(
        ours.iter().map(String::as_str).eq(given.iter().copied()),
        "{recipe}: the fixture has other tensors: {given:?}, not {ours:?}"
    );
    for name in given {
        let values = fixture.values(&format!("param.{name}"));
        network.parameters.set_initial(name, values).unwrap();
    }
    network
}

/// The 16-bit samples that a stage hears, `[items, sources, samples]`, as whole numbers.
fn sounds(config: &serde_json::Value, network: &Network) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stages/sounds.safetensors");
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = file.tensor("samples").unwrap();
    assert_eq!(all.dtype(), Dtype::I16);
    let &[_, of_each, stems, samples] = all.shape() else {
        panic!("{:?}", all.shape())
    };
    assert_eq!((stems, samples), (SUBSPACES, network.recipe.segment_samples()));
    let alone = network
        .recipe
        .instrument
        .filter(|_| network.recipe.model.hears_stems());
    let mut heard = Vec::new();
    for block in config["blocks"].as_array().unwrap() {
        for item in 0..of_each {
            for stem in 0..stems {
                if alone.is_none_or(|alone| alone as usize == stem) {
                    let place = (block.as_u64().unwrap() as usize * of_each + item) * stems + stem;
                    let bytes = &all.data()[2 * place * samples..][..2 * samples];
                    let values = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
                    heard.extend(values.map(f32::from));
                }
            }
        }
    }
    heard
}

/// Notes how far values are from the fixture's.
struct Notes<'a> {
    fixture: &'a Fixture,
    target: Target,
    worst: (f64, String),
    failures: Vec<String>,
    count: usize,
}

impl Notes<'_> {
    fn note(&mut self, name: &str, error: f64) {
        self.count += 1;
        if error.is_nan() || error > self.worst.0 {
            self.worst = (error, name.to_string());
        }
        if error.is_nan() || error > tolerance(self.target) {
            self.failures.push(format!("{name}: off by {error:.1e}"));
        }
    }

    fn compare(&mut self, name: &str, got: &[f64]) {
        let want = self.fixture.truth(name);
        self.note(name, relative(got, &want));
    }

    /// What comes after cancels some biases (a norm, or the differences of a triplet): their true gradient is 0, a sum
    /// of the terms of the weight's, whose scale is theirs.
    fn compare_gradient(&mut self, name: &str, got: &[f64]) {
        let key = format!("grad.{name}");
        let want = self.fixture.truth(&key);
        let weight = format!("grad.{}", name.replace("bias", "weight"));
        let scale = match name.ends_with(".bias") && self.fixture.names().any(|other| other == weight) {
            true => largest(&self.fixture.truth(&weight)),
            false => 0.0,
        };
        match (largest(&want), scale) {
            // of a decoder that no triplet asks for
            (0.0, 0.0) => self.note(&key, absolute(got, &want)),
            (want_most, scale) if want_most < 1e-9 * scale => self.note(&key, absolute(got, &want) / scale),
            _ => self.compare(&key, got),
        }
    }
}

fn follow(name: &str) {
    let fixture = Fixture::read(&format!("stages/{name}"));
    let (_, recipes) = STAGES.iter().find(|(stage, _)| *stage == name).unwrap();
    for recipe in *recipes {
        for target in Target::ALL {
            let notes = check(&fixture, recipe, target);
            let (worst, at) = &notes.worst;
            println!(
                "{recipe} on {target}: {} comparisons, worst {worst:.1e} ({at})",
                notes.count
            );
            assert!(
                notes.failures.is_empty(),
                "{recipe} on {target}:\n{}",
                notes.failures.join("\n")
            );
        }
    }
}

fn check<'a>(fixture: &'a Fixture, recipe: &str, target: Target) -> Notes<'a> {
    let network = network(fixture, recipe);
    let parameters = &network.parameters;
    let config = fixture.metadata("config");
    let examples = config["examples"].as_u64().unwrap() as usize;
    let training = network.training_step(&Adam::default(), examples).unwrap();
    let evaluation = network.evaluation_step(examples).unwrap();
    let mut inputs = vec![sounds(config, &network)];
    for name in config["inputs"].as_array().unwrap() {
        inputs.push(fixture.values(&format!("input.{}", name.as_str().unwrap())));
    }

    let mut engine = Engine::new(target, parameters).unwrap();
    let mut train = engine.compile(&training.tape, &[]).unwrap();
    let mut evaluate = engine.compile(&evaluation.tape, &[evaluation.loss]).unwrap();
    let mut notes = Notes {
        fixture,
        target,
        worst: (0.0, "nothing".into()),
        failures: Vec::new(),
        count: 0,
    };
    // a learning rate of 0: all parameters stay
    let step = StepValues::new(0, 0, 0.0, Adam::default().betas());
    engine.run(&mut evaluate, &inputs, &step).unwrap();
    notes.compare(
        "eval.before",
        &engine.read(&mut evaluate, evaluation.loss).unwrap(),
    );
    let untouched = engine.flat(Flat::Statistics).unwrap();
    assert_eq!(
        untouched,
        widen(&parameters.initial(Flat::Statistics)),
        "{recipe}: evaluation changes statistics"
    );

    engine.run(&mut train, &inputs, &step).unwrap();
    let history = engine.flat(Flat::History).unwrap();
    notes.compare("loss", &history[..1]);
    let parts = fixture.names().filter(|name| name.starts_with("part.")).count();
    // a single part is the loss
    assert_eq!(training.parts.len(), parts.max(1), "{recipe}: parts of the loss");
    if parts > 0 {
        for (i, part) in training.parts.iter().enumerate() {
            notes.compare(
                &format!("part.{}", part.name),
                &history[(1 + i) * HISTORY_STEPS..][..1],
            );
        }
    }
    let gradients = engine.flat(Flat::Gradients).unwrap();
    for parameter in parameters.iter().filter(|p| p.role == Role::Trainable) {
        let got = &gradients[parameter.offset..][..parameter.shape.len()];
        notes.compare_gradient(&parameter.name, got);
    }
    let trainable = parameters.iter().filter(|p| p.role == Role::Trainable).count();
    let expected = fixture.names().filter(|name| name.starts_with("grad.")).count();
    assert_eq!(trainable, expected, "{recipe}: trainable tensors");

    let statistics = engine.flat(Flat::Statistics).unwrap();
    let fixed = |name: &str| {
        parameters
            .find(
                &name
                    .replace(".running_mean", ".weight")
                    .replace(".running_var", ".weight"),
            )
            .unwrap()
            .role
            == Role::Frozen
    };
    for parameter in parameters.iter().filter(|p| p.role == Role::Statistic) {
        let range = parameter.offset..parameter.offset + parameter.shape.len();
        let (before, after) = (&untouched[range.clone()], &statistics[range]);
        match fixed(&parameter.name) {
            true => assert_eq!(before, after, "{recipe}: frozen {} changes", parameter.name),
            false => notes.compare(&format!("after1.{}", parameter.name), after),
        }
    }
    for flat in [Flat::Parameters, Flat::Frozen] {
        let after = engine.flat(flat).unwrap();
        // a buffer that no tape uses is not there
        if !after.is_empty() {
            let before = widen(&parameters.initial(flat));
            assert_eq!(before, after, "{recipe}: {} change", flat.name());
        }
    }
    engine.run(&mut evaluate, &inputs, &step).unwrap();
    notes.compare(
        "eval.after",
        &engine.read(&mut evaluate, evaluation.loss).unwrap(),
    );
    notes
}

#[test]
fn every_recipe_has_a_fixture() {
    let covered = STAGES.iter().flat_map(|(_, recipes)| recipes.iter().copied());
    let covered: BTreeSet<&str> = covered.collect();
    let all: BTreeSet<&str> = RECIPES.iter().map(|(name, _)| *name).collect();
    assert_eq!(covered, all);
}

#[test]
fn the_separator() {
    follow("separator");
}

#[test]
fn clean() {
    follow("clean");
}

#[test]
fn the_extractor_behind_the_frozen_separator() {
    follow("cascade");
}

#[test]
fn separator_and_extractor_together() {
    follow("cascade-ft");
}

#[test]
fn pre_training_of_direct() {
    follow("direct-pretraining");
}

#[test]
fn direct() {
    follow("direct");
}

#[test]
fn direct_with_the_norm_loss() {
    follow("direct-norm");
}

#[test]
fn direct_with_reconstruction_of_the_condition() {
    follow("direct-reconst");
}

#[test]
fn direct_with_reconstruction_of_all_stems() {
    follow("direct-reconst-all");
}

#[test]
fn direct_on_judgements() {
    follow("direct-paft");
}

#[test]
fn pre_training_of_the_network_of_hashizume() {
    follow("h25-pretraining");
}

#[test]
fn the_network_of_hashizume_with_the_norm_loss() {
    follow("h25");
}

#[test]
fn the_network_of_hashizume_without_the_norm_loss() {
    follow("h25-triplets");
}

#[test]
fn one_separator_for_all() {
    follow("separator-joint");
}

#[test]
fn one_separator_for_all_that_hears_bands() {
    follow("separator-joint-bands");
}

#[test]
fn contrast() {
    follow("contrast");
}

/// Of a whole flat buffer, what a tensor has there.
fn of<'a>(values: &'a [f64], parameters: &Parameters, name: &str) -> &'a [f64] {
    let parameter = parameters.find(name).unwrap();
    &values[parameter.offset..][..parameter.shape.len()]
}

/// Asserts that of a tensor with a row for each of so many dimensions, only the rows of an instrument's sub-space have
/// a gradient: the others' is 0, not small. A bias may have none there either, where it cancels.
fn only_own_rows(name: &str, gradient: &[f64], dimensions: usize, instrument: usize) {
    let row = gradient.len() / dimensions;
    let each = dimensions / SUBSPACES;
    for (i, row) in gradient.chunks_exact(row).enumerate() {
        let own = i / each == instrument;
        let zero = row.iter().all(|&v| v == 0.0);
        assert!(
            own || zero,
            "{name}: instrument {instrument} reaches row {i}: {row:?}"
        );
        assert!(
            !own || !zero || name.ends_with(".bias"),
            "{name}: instrument {instrument} does not reach row {i}"
        );
    }
}

const ITEMS: usize = 6;
const BINS: usize = 65;
const FRAMES: usize = 37;

/// A small Direct-Reconst, of which everything is trained.
fn small_direct() -> (Parameters, Direct) {
    let config = DirectConfig {
        channels: [2, 3, 4, 5, 6, 10],
        bins: BINS,
        reconstruct: true,
        ..DirectConfig::default()
    };
    let mut parameters = Parameters::default();
    let net = Direct::new(&config, &mut Build::new(&mut parameters, 3), Role::Trainable).unwrap();
    (parameters, net)
}

/// The gradients of all parameters, and of what `record` names beside its loss.
fn gradients(
    target: Target,
    parameters: &Parameters,
    record: impl Fn(&mut Tape) -> (Var, Option<Var>),
) -> (Vec<f64>, Vec<f64>) {
    let mut tape = Tape::new();
    let (loss, of) = record(&mut tape);
    let mut outputs = Vec::new();
    if let Some(of) = of {
        outputs.push(tape.gradients(loss, &[of]).unwrap()[0].unwrap());
    }
    tape.backward(loss).unwrap();
    let mut engine = Engine::new(target, parameters).unwrap();
    let mut program = engine.compile(&tape, &outputs).unwrap();
    let magnitude: Vec<f32> = noise(5, ITEMS * BINS * FRAMES)
        .iter()
        .map(|v| 0.1 + v.abs())
        .collect();
    engine
        .run(&mut program, &[magnitude], &StepValues::default())
        .unwrap();
    let of = outputs
        .first()
        .map(|&var| engine.read(&mut program, var).unwrap());
    (engine.flat(Flat::Gradients).unwrap(), of.unwrap_or_default())
}

#[test]
fn a_triplet_of_one_instrument_reaches_its_sub_space_only() {
    let (parameters, net) = small_direct();
    let dimensions = 10;
    for (target, instrument) in every_instrument() {
        let (all, embedding) = gradients(target, &parameters, |tape| {
            let magnitude = tape.input("magnitude", [ITEMS, 1, BINS, FRAMES]);
            let at = &mut Record::new(tape, &parameters, Mode::Train);
            let described = net.record(at, magnitude).unwrap();
            let conditioned = net.condition(tape, &described, instrument).unwrap();
            let triplets = ITEMS / 3;
            let mask = tape
                .constant([triplets, dimensions], &vec![1.0; triplets * dimensions])
                .unwrap();
            let weight = tape.constant([triplets], &vec![1.0; triplets]).unwrap();
            // far more than these distances: every triplet counts
            let loss = tape
                .push(TripletLoss { margin: 10.0 }, &[conditioned, mask, weight])
                .unwrap();
            (loss, Some(described.embedding))
        });
        for row in embedding.chunks_exact(dimensions) {
            only_own_rows("embedding", row, dimensions, instrument);
        }
        for name in ["linear.weight", "linear.bias"] {
            only_own_rows(name, of(&all, &parameters, name), dimensions, instrument);
        }
        // what the sub-spaces share is trained, and no decoder is
        for parameter in parameters.iter().filter(|p| p.role == Role::Trainable) {
            let gradient = of(&all, &parameters, &parameter.name);
            let reached = gradient.iter().any(|&v| v != 0.0);
            let shared = parameter.name.starts_with("encoder.") && parameter.name.ends_with(".weight");
            let decoder = parameter.name.starts_with("decoders.");
            assert!(reached || !shared, "{target}: {} has no gradient", parameter.name);
            assert!(
                !reached || !decoder,
                "{target}: {} has a gradient",
                parameter.name
            );
        }
    }
}

#[test]
fn the_reconstruction_of_one_instrument_reaches_its_channels_only() {
    let (parameters, net) = small_direct();
    for (target, instrument) in every_instrument() {
        let (all, _) = gradients(target, &parameters, |tape| {
            let magnitude = tape.input("magnitude", [ITEMS, 1, BINS, FRAMES]);
            let at = &mut Record::new(tape, &parameters, Mode::Train);
            let described = net.record(at, magnitude).unwrap();
            let separated = net.reconstruct(at, &described, magnitude, instrument).unwrap();
            let silence = vec![0.0; ITEMS * BINS * FRAMES];
            let silence = tape.constant([ITEMS, 1, BINS, FRAMES], &silence).unwrap();
            let loss = tape.push(L1Loss, &[separated.estimate, silence]).unwrap();
            (loss, None)
        });
        for name in ["encoder.5.conv.weight", "encoder.5.conv.bias"] {
            only_own_rows(name, of(&all, &parameters, name), 10, instrument);
        }
        let own = format!("decoders.{instrument}.");
        for parameter in parameters.iter().filter(|p| p.role == Role::Trainable) {
            let name = &parameter.name;
            let reached = of(&all, &parameters, name).iter().any(|&v| v != 0.0);
            // the encoder by the unmasked skips; the linear layer and other decoders by nothing
            let meant = name.starts_with("encoder.") || name.starts_with(&own);
            assert!(
                !reached || meant,
                "{target}: instrument {instrument} reaches {name}"
            );
            assert!(
                reached || !meant || name.ends_with(".bias"),
                "{target}: instrument {instrument} does not reach {name}"
            );
        }
    }
}

#[test]
fn the_masks_of_a_training_step_keep_sub_spaces_apart() {
    let fixture = Fixture::read("stages/direct");
    let network = network(&fixture, "direct");
    let (parameters, dimensions) = (&network.parameters, network.recipe.dimensions());
    let heard = sounds(fixture.metadata("config"), &network);
    let shape = fixture.shape("input.masks");
    let examples = shape[0] / 2;
    let step = network.training_step(&Adam::default(), examples).unwrap();
    for (target, instrument) in every_instrument() {
        let mut engine = Engine::new(target, parameters).unwrap();
        let mut program = engine.compile(&step.tape, &[]).unwrap();
        let own = |i: usize| i % dimensions / network.recipe.network.dimensions == instrument;
        let masks = (0..shape.len()).map(|i| f32::from(u8::from(own(i)))).collect();
        // (a, p, n) and (a, n, p): one of the two is active at least, and with other weights they do not cancel
        let weights = (0..shape[0])
            .map(|i| if i < examples { 1.0 } else { 0.5 })
            .collect();
        let inputs = [heard.clone(), masks, weights];
        let values = StepValues::new(0, 0, 0.0, Adam::default().betas());
        engine.run(&mut program, &inputs, &values).unwrap();
        let all = engine.flat(Flat::Gradients).unwrap();
        for name in ["linear.weight", "linear.bias"] {
            only_own_rows(name, of(&all, parameters, name), dimensions, instrument);
        }
    }
}

fn every_instrument() -> impl Iterator<Item = (Target, usize)> {
    Target::ALL
        .into_iter()
        .flat_map(|target| (0..SUBSPACES).map(move |instrument| (target, instrument)))
}
