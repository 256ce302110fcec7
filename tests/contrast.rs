//! Our own recipes: what they refuse, that they resume, what they give, and that they learn.

mod common;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use common::{corpus, small, train};
use stemwise::{
    corpus::{Instrument, Split},
    describe::{Describer, Heard},
    eval::{EvaluateOptions, Preset, Score, Setup, What, evaluate},
    generate::synth::{SynthOptions, synthesise},
    gpu::{Device, Gpu, adapters},
    kernel::StepValues,
    tape::Session,
    train::{
        self as training, Event, Network, RunConfig,
        recipe::{Overrides, resolve},
    },
};

fn config(name: &str, corpus: &Path, set: &[&str]) -> RunConfig {
    let own = [
        "training.batch=6",
        "training.epoch=24",
        "data.pieces=2",
        "training.warmup=5",
    ];
    RunConfig {
        corpus: corpus.into(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: small(name, None, &[&own, set].concat()),
    }
}

/// Those that train on several corpora.
const OWN: [&str; 2] = ["contrast", "separator-joint"];

#[test]
fn parts_of_a_batch_are_refused() {
    let refused = |set: &[&str]| resolve("contrast", &Overrides::set(set)).unwrap_err().to_string();
    let message = refused(&["training.micro_batch=32"]);
    assert!(
        message.contains("training.micro_batch") && message.contains("64 examples"),
        "{message}"
    );
    assert!(resolve("contrast", &Overrides::set(&["training.micro_batch=64"])).is_ok());
    for (setting, says) in [
        ("loss.presence=0", "loss.presence"),
        ("loss.temperature=0", "loss.temperature"),
        ("training.batch=1", "training.batch"),
        ("data.pieces=1", "data.pieces"),
        ("task=triplets", "task"),
        ("training.schedule=sine", "but may be"),
    ] {
        let message = refused(&[setting]);
        assert!(message.contains(says), "{setting}: {message}");
    }
    let message = resolve("direct", &Overrides::set(&["task=contrast"]))
        .unwrap_err()
        .to_string();
    assert!(message.contains("cannot learn"), "{message}");
    let remixed = resolve(
        "separator",
        &Overrides::set(&["data.remix=0.5"]).of(Some(Instrument::Bass)),
    );
    let message = remixed.unwrap_err().to_string();
    assert!(message.contains("data.remix"), "{message}");
}

#[test]
fn what_only_our_own_networks_hear_is_refused_elsewhere() {
    for (recipe, setting, says) in [
        ("direct", "network.bands=64", "network.bands"),
        ("contrast", "network.bands=64", "network.bands"),
        ("direct", "loss.error=root", "loss.error"),
        ("separator-joint", "data.coherent=0.5", "data.coherent"),
        ("contrast", "data.coherent=1.5", "data.coherent"),
        // more than there are bins, and too few to be any
        ("separator-joint", "network.bands=1026", "not 1026"),
        ("separator-joint", "network.bands=1", "not 1"),
        ("separator-joint", "loss.error=squared", "absolute, root"),
    ] {
        let message = resolve(recipe, &Overrides::set(&[setting]))
            .unwrap_err()
            .to_string();
        assert!(message.contains(says), "{recipe}, {setting}: {message}");
    }
    let short = ["front_end.stft_size=256", "front_end.stft_hop=128"];
    let message = resolve("separator-joint", &Overrides::set(&short))
        .unwrap_err()
        .to_string();
    assert!(message.contains("2 to 129"), "{message}");
    for setting in ["network.bands=0", "network.bands=1025", "loss.error=absolute"] {
        assert!(
            resolve("separator-joint", &Overrides::set(&[setting])).is_ok(),
            "{setting}"
        );
    }
}

/// 12 steps are 4 steps, a stop, and 8 more, bit for bit, on a learning rate that never stays.
fn resumes_exactly(name: &str, device: &Device) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(name, &corpus(folder.path()), &[]);
    // the corpus once more, as if it were another rendering
    config.renderings.push(config.corpus.clone());
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    train(&whole, &config, device).unwrap();
    let stop = AtomicBool::new(false);
    let halt = |event: Event<'_>| {
        if let Event::Validated { step: 1.., .. } = event {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcome = training::start(&parts, &config, device, &stop, &halt).unwrap();
    assert!(outcome.interrupted && outcome.step == 4, "{outcome:?}");
    let outcome = training::resume(&parts, None, device, &AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!((outcome.step, outcome.interrupted), (12, false));
    for file in ["last.safetensors", "best.safetensors"] {
        let read = |run: &Path| fs::read(run.join(file)).unwrap();
        assert!(read(&whole) == read(&parts), "{file} of a resumed run of {name}");
    }
}

#[test]
fn resumes_exactly_on_the_cpu() {
    OWN.iter().for_each(|name| resumes_exactly(name, &Device::Cpu));
}

fn losses(run: &Path) -> Vec<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter_map(|line| line["loss"].as_f64()).collect()
}

#[test]
fn a_software_gpu_resumes_exactly_and_trains_as_the_cpu_does() {
    let found = adapters();
    let Some(adapter) = found.iter().find(|a| a.api == "vulkan" && a.unusable().is_none()) else {
        eprintln!("no Vulkan adapter: skipped");
        return;
    };
    let device = &Device::Gpu(Gpu::open(adapter).unwrap());
    OWN.iter().for_each(|name| resumes_exactly(name, device));
    for name in OWN {
        trains_as_the_cpu_does(name, device);
    }
}

fn trains_as_the_cpu_does(name: &str, device: &Device) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(name, &corpus(folder.path()), &["training.learning_rate=1e-4"]);
    let [cpu, gpu] = ["cpu", "gpu"].map(|name| folder.path().join(name));
    train(&cpu, &config, &Device::Cpu).unwrap();
    train(&gpu, &config, device).unwrap();
    let (cpu, gpu) = (losses(&cpu), losses(&gpu));
    assert_eq!((cpu.len(), gpu.len()), (12, 12));
    for (step, (a, b)) in cpu.iter().zip(&gpu).enumerate() {
        // the first is one forward pass in 32 bits; by Adam's signs of small gradients they then drift apart
        let most = if step == 0 { 1e-5 } else { 1e-2 };
        assert!((a - b).abs() <= most * a.abs(), "{name}, step {step}: {a} {b}");
    }
}

#[test]
fn other_recipes_take_one_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = common::config(&corpus(folder.path()));
    config.renderings.push(config.corpus.clone());
    let error = train(&folder.path().join("run"), &config, &Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("give one corpus"), "{error}");
}

/// Masks are shares of one whole, whatever is heard.
#[test]
fn masks_of_all_instruments_add_up_to_one() {
    let recipe = small("separator-joint", None, &[]);
    assert_eq!(recipe.separates(), Instrument::ALL);
    let network = Network::new(&recipe).unwrap();
    let (tape, masks) = network.separation_step(2, 37).unwrap();
    let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
    let mut program = session.compile(&tape, &masks).unwrap();
    let len = 2 * recipe.front_end.bins() * 37;
    let magnitude: Vec<f32> = common::noise(len).iter().map(|x| 4.0 * x.abs()).collect();
    session
        .run(&mut program, &[&magnitude], &StepValues::default())
        .unwrap();
    let masks: Vec<Vec<f32>> = masks
        .iter()
        .map(|&mask| session.read(&mut program, mask).unwrap())
        .collect();
    assert!(masks.len() == 5 && masks.iter().all(|mask| mask.len() == len));
    let mut sums = vec![0.0f32; len];
    for mask in &masks {
        assert!(mask.iter().all(|share| (0.0..=1.0).contains(share)));
        sums.iter_mut().zip(mask).for_each(|(sum, share)| *sum += share);
    }
    // five roundings
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    assert!(masks[0] != masks[1]);
}

/// What tells the instruments of the pieces that it learned on apart is found: the untrained network has 0.19, this one
/// 0.44 of 1 after 200 updates (MES-Pseudo, mean of five).
#[test]
fn it_learns_what_only_the_instrument_tells() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("corpus");
    let options = SynthOptions {
        seed: 4,
        train: 6,
        validation: 2,
        test: 1,
        seconds: 12.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    let store = common::prepared(&root, folder.path().join("store"));
    let set = [
        "training.epochs=10",
        "training.validation=24",
        "training.knn_segments=0",
        "training.best=last",
    ];
    let overrides = Overrides {
        preset: Some("tiny".into()),
        ..Overrides::set(&set)
    };
    let config = RunConfig {
        corpus: store.clone(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: resolve("contrast", &overrides).unwrap(),
    };
    let run = folder.path().join("run");
    train(&run, &config, &Device::Cpu).unwrap();

    let options = EvaluateOptions {
        models: vec![run],
        corpus: store,
        what: vec![What::MesPseudo],
        preset: Preset::I25,
        split: Split::Train,
        draws: 1,
        setup: Setup {
            pieces: Some(3),
            ..Setup::default()
        },
        seconds: 2.0,
        judgements: None,
        criteria: Vec::new(),
        stems: None,
        untrained: true,
        export: None,
    };
    let evaluation = evaluate(&options, &Device::Cpu, &AtomicBool::new(false), &|_| {}).unwrap();
    let mean = |of: fn(&Score) -> f64| evaluation.scores.iter().map(of).sum::<f64>() / 5.0;
    let (trained, untrained) = (mean(|s| s.value), mean(|s| s.untrained.unwrap()));
    println!("MES-Pseudo {untrained:.3} → {trained:.3}");
    assert_eq!(evaluation.scores.len(), 5);
    assert!(trained > untrained + 0.1, "{untrained} {trained}");
}

/// Every sub-vector has length one, of whatever is heard, and presence is a probability.
#[test]
fn vectors_have_length_one() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = config("contrast", folder.path(), &[]).recipe;
    let run = common::untrained(&folder.path().join("run"), &recipe, |_, _| {});
    let mut describer = Describer::load(&[run], &Device::Cpu).unwrap();
    let samples = recipe.segment_samples();
    let noise: Vec<i16> = common::noise(samples)
        .iter()
        .map(|x| (20_000.0 * x) as i16)
        .collect();
    let (quiet, silent) = (
        noise.iter().map(|x| x / 1000).collect::<Vec<_>>(),
        vec![0; samples],
    );
    let items = [&noise, &quiet, &silent].map(|signal| Heard::Mix(signal));
    let described = describer.hear(&items, samples).unwrap();
    let each = recipe.network.dimensions;
    assert_eq!(described.vectors.len(), 3 * 5 * each);
    for vector in described.vectors.chunks_exact(each) {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    let presence = described.presence.unwrap();
    assert!(
        presence.len() == 15 && presence.iter().all(|p| (0.0..=1.0).contains(p)),
        "{presence:?}"
    );
}
