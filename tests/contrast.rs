//! Our own recipe: what it refuses, that it resumes, what it gives, and that it learns.

mod common;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use common::{corpus, small, train};
use stemwise::{
    gpu::{Device, Gpu, adapters},
    train::{
        self as training, Event, RunConfig,
        recipe::{Overrides, resolve},
    },
};

fn config(corpus: &Path, set: &[&str]) -> RunConfig {
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
        recipe: small("contrast", None, &[&own, set].concat()),
    }
}

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
}

/// 12 steps are 4 steps, a stop, and 8 more, bit for bit, on a learning rate that never stays.
fn resumes_exactly(device: &Device) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()), &[]);
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
    for name in ["last.safetensors", "best.safetensors"] {
        let read = |run: &Path| fs::read(run.join(name)).unwrap();
        assert!(read(&whole) == read(&parts), "{name} of a resumed run");
    }
}

#[test]
fn resumes_exactly_on_the_cpu() {
    resumes_exactly(&Device::Cpu);
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
    resumes_exactly(device);
    let folder = tempfile::tempdir().unwrap();
    let config = config(&corpus(folder.path()), &["training.learning_rate=1e-4"]);
    let [cpu, gpu] = ["cpu", "gpu"].map(|name| folder.path().join(name));
    train(&cpu, &config, &Device::Cpu).unwrap();
    train(&gpu, &config, device).unwrap();
    let (cpu, gpu) = (losses(&cpu), losses(&gpu));
    assert_eq!((cpu.len(), gpu.len()), (12, 12));
    for (step, (a, b)) in cpu.iter().zip(&gpu).enumerate() {
        // the first is one forward pass in 32 bits; by Adam's signs of small gradients they then drift apart
        let most = if step == 0 { 1e-5 } else { 1e-2 };
        assert!((a - b).abs() <= most * a.abs(), "step {step}: {a} {b}");
    }
}

#[test]
fn only_contrast_takes_several_corpora() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = common::config(&corpus(folder.path()));
    config.renderings.push(config.corpus.clone());
    let error = train(&folder.path().join("run"), &config, &Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("give one corpus"), "{error}");
}
