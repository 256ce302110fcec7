//! Training runs from end to end, on small networks.

mod common;

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use common::{config, corpus, recipe, train};
use safetensors::SafeTensors;
use stemwise::{
    corpus::{
        Corpus, Instrument,
        store::{PrepareOptions, prepare},
    },
    gpu::{Device, Gpu, Options, Tuning, adapters},
    tape::{Flat, Session},
    train::{
        self as training, Checkpoint, Event, Network, Run, RunConfig, Schedule, StartUp, TrainError,
        checkpoint::{Snapshot, State},
        recipe::Precision,
    },
    variants::VariantFolder,
};

fn step_losses(run: &Path) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .filter_map(|line| Some((line["step"].as_u64()?, line["loss"].as_f64()?)))
        .collect()
}

/// Validation on segments of a length of its own is that of a run that is trained on such segments.
#[test]
fn validation_has_a_length_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()));
    (config.recipe.training.epoch, config.recipe.training.epochs) = (2, 1);
    let validated = |config: &RunConfig, name: &str| {
        let run = folder.path().join(name);
        train(&run, config, &Device::Cpu).unwrap();
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        checkpoint.state.schedule.start.unwrap().loss
    };
    let short = validated(&config, "short");
    config.recipe.training.validation_seconds = 1.0;
    let long = validated(&config, "long");
    config.recipe.data.segment_seconds = 1.0;
    config.recipe.training.validation_seconds = 0.0;
    let both = validated(&config, "both");
    // before the first step, of the same weights; added up one by one, not two by two
    assert!((long - both).abs() <= 1e-5 * both, "{long} {both}");
    assert!((long - short).abs() > 1e-3 * short, "{long} {short}");
}

#[test]
fn the_loss_falls_and_the_run_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()));
    let training = &mut config.recipe.training;
    (training.epochs, training.learning_rate) = (12, 3e-3);
    let run = folder.path().join("run");
    let saved = Mutex::new(0);
    let summary = training::start(&run, &config, &Device::Cpu, &AtomicBool::new(false), &|event| {
        if let Event::Saved { .. } = event {
            *saved.lock().unwrap() += 1;
        }
    });
    let summary = summary.unwrap();
    assert_eq!((summary.step, summary.interrupted), (96, false));
    assert!(
        *saved.lock().unwrap() >= 14,
        "the start, 12 validations, and a best one"
    );

    let losses = step_losses(&run);
    assert_eq!(
        losses.iter().map(|l| l.0).collect::<Vec<_>>(),
        (1..=96).collect::<Vec<_>>()
    );
    let mean = |part: &[(u64, f64)]| part.iter().map(|l| l.1).sum::<f64>() / part.len() as f64;
    let (before, after) = (mean(&losses[..10]), mean(&losses[86..]));
    assert!(after < 0.8 * before, "{before} → {after}");

    assert_eq!(Run::open(&run).unwrap().config.recipe.loss, config.recipe.loss);
    let record: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["seed"], 7);
    assert!(
        record["starts"][0]["device"].as_str().unwrap().starts_with("cpu"),
        "{record}"
    );
    let best = Checkpoint::read(&run.join("best.safetensors")).unwrap().state;
    assert_eq!(best.schedule.best, summary.best);
    assert_eq!(best.step, summary.best.unwrap().0);

    let error = train(&run, &config, &Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
}

/// 24 steps are 8 steps, a stop, and 16 more, bit for bit; and another run of 24 is the same again.
fn resumes_exactly(device: &Device, precision: Precision) {
    resumes_exactly_by(device, precision, 0);
}

/// The same in micro-batches of so many examples; 0 is one of all.
fn resumes_exactly_by(device: &Device, precision: Precision, micro_batch: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()));
    let training = &mut config.recipe.training;
    (training.precision, training.micro_batch) = (precision, micro_batch);
    let [whole, again, parts] = ["whole", "again", "parts"].map(|name| folder.path().join(name));
    train(&whole, &config, device).unwrap();
    train(&again, &config, device).unwrap();

    // Stop after the first epoch.
    let stop = AtomicBool::new(false);
    let at = Mutex::new(0);
    let halt = |event: Event<'_>| {
        if let Event::Validated { step, .. } = event
            && step > 0
        {
            *at.lock().unwrap() = step;
            stop.store(true, Ordering::Relaxed);
        }
    };
    let summary = training::start(&parts, &config, device, &stop, &halt).unwrap();
    assert!(summary.interrupted && summary.step == 8, "{summary:?}");
    let log = fs::read_to_string(parts.join("metrics.jsonl")).unwrap();
    // A crash may leave lines of steps that no checkpoint has.
    let stray = log.lines().next().unwrap().replace("\"step\":1,", "\"step\":9,");
    fs::write(parts.join("metrics.jsonl"), format!("{log}{stray}\n{{\"st")).unwrap();
    let summary = training::resume(&parts, None, device, &AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!((summary.step, summary.interrupted), (24, false));

    for name in ["last.safetensors", "best.safetensors"] {
        let read = |run: &Path| fs::read(run.join(name)).unwrap();
        assert!(read(&whole) == read(&again), "{name} of two runs");
        assert!(read(&whole) == read(&parts), "{name} of a resumed run");
    }
    assert_eq!(step_losses(&whole), step_losses(&parts));
}

#[test]
fn resumes_exactly_on_the_cpu() {
    resumes_exactly(&Device::Cpu, Precision::F32);
    resumes_exactly(&Device::Cpu, Precision::F16);
    resumes_exactly_by(&Device::Cpu, Precision::F16, 1);
}

#[test]
fn resumes_exactly_on_a_software_gpu() {
    let found = adapters();
    let Some(adapter) = found.iter().find(|a| a.api == "vulkan" && a.unusable().is_none()) else {
        eprintln!("no Vulkan adapter: skipped");
        return;
    };
    let device = &Device::Gpu(Gpu::open(adapter).unwrap());
    resumes_exactly(device, Precision::F32);
    resumes_exactly(device, Precision::F16);
}

/// What the first steps of a run's starts say of them.
fn start_ups(run: &Path) -> Vec<(u64, StartUp)> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let starts = lines.filter(|line| !line["start_up"].is_null());
    starts
        .map(|line| {
            let start_up = serde_json::from_value(line["start_up"].clone()).unwrap();
            (line["step"].as_u64().unwrap(), start_up)
        })
        .collect()
}

#[test]
fn a_run_keeps_the_variants_that_it_measured_when_it_began() {
    let found = adapters();
    let Some(adapter) = found.iter().find(|a| a.api == "vulkan" && a.unusable().is_none()) else {
        eprintln!("no Vulkan adapter: skipped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let device = |tuning, variants: &str| {
        let variants = VariantFolder::new(folder.path().join(variants));
        let options = Options {
            variants: Some(Arc::new(variants)),
            tuning,
            ..Options::default()
        };
        Device::Gpu(Gpu::open_with(adapter, options).unwrap())
    };
    let mut config = config(&corpus(folder.path()));
    (config.recipe.training.epoch, config.recipe.training.epochs) = (4, 2);
    config.recipe.training.knn_segments = 0;
    let [parts, whole] = ["parts", "whole"].map(|name| folder.path().join(name));

    let stop = AtomicBool::new(false);
    let halt = |event: Event<'_>| {
        if let Event::FirstStep { start_up } = event {
            assert!(start_up.seconds() > start_up.preparing && start_up.first_step > 0.0);
            stop.store(true, Ordering::Relaxed);
        }
    };
    let summary = training::start(&parts, &config, &device(Tuning::On, "measured"), &stop, &halt).unwrap();
    assert_eq!(summary.step, 1);
    let variants = || {
        let mut files = fs::read_dir(parts.join("variants")).unwrap();
        fs::read(files.next().unwrap().unwrap().path()).unwrap()
    };
    let kept = variants();
    let choices: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert!(!choices["variants"].as_object().unwrap().is_empty(), "{choices}");

    // on a device for which nothing is stored, and which would measure
    let device_anew = device(Tuning::On, "anew");
    let summary = training::resume(&parts, None, &device_anew, &AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!(summary.step, 4);
    assert!(!folder.path().join("anew").exists() && variants() == kept);
    let starts = start_ups(&parts);
    assert_eq!(starts.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1, 2]);
    assert!(
        starts[0].1.measured > 0 && starts[1].1.measured == 0,
        "{starts:?}"
    );

    // as if it had never been stopped
    train(&whole, &config, &device(Tuning::Stored, "measured")).unwrap();
    let last = |run: &Path| fs::read(run.join("last.safetensors")).unwrap();
    assert!(last(&whole) == last(&parts));
}

#[test]
fn a_run_stops_in_the_middle_and_can_be_given_more_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()));
    config.recipe.training.epochs = 1;
    let run = folder.path().join("run");
    let stopped = training::start(&run, &config, &Device::Cpu, &AtomicBool::new(true), &|_| {}).unwrap();
    assert!(stopped.interrupted && stopped.step == 0);
    assert_eq!(
        Checkpoint::read(&run.join("last.safetensors"))
            .unwrap()
            .state
            .step,
        0
    );
    let more = training::resume(&run, Some(2), &Device::Cpu, &AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!((more.step, more.steps), (16, 16));
    assert_eq!(step_losses(&run).len(), 16);
}

#[test]
fn one_process_at_a_time_trains_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()));
    config.recipe.training.epochs = 1;
    let run = folder.path().join("run");
    train(&run, &config, &Device::Cpu).unwrap();
    let partial = run.join(".partial-of-a-killed-process");
    fs::write(&partial, "").unwrap();
    let resume = || training::resume(&run, Some(2), &Device::Cpu, &AtomicBool::new(false), &|_| {});

    let before = fs::read(run.join("last.safetensors")).unwrap();
    let other = fs::File::open(run.join("run.lock")).unwrap();
    other.lock().unwrap();
    let error = resume().unwrap_err();
    assert!(
        error.to_string().contains("another process is training it"),
        "{error}"
    );
    assert!(partial.exists());
    assert_eq!(fs::read(run.join("last.safetensors")).unwrap(), before);

    other.unlock().unwrap();
    assert_eq!(resume().unwrap().step, 16);
    assert!(!partial.exists());
}

#[test]
fn a_diverging_run_keeps_its_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&corpus(folder.path()));
    config.recipe.training.epochs = 1;
    let run = folder.path().join("run");
    train(&run, &config, &Device::Cpu).unwrap();

    // Weights near the end of the range, as a runaway update would leave them.
    let network = Network::new(&config.recipe).unwrap();
    let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
    let last = run.join("last.safetensors");
    Checkpoint::read(&last).unwrap().restore(&mut session).unwrap();
    let values = session.flat(Flat::Parameters).unwrap();
    session
        .set_flat(
            Flat::Parameters,
            &values.iter().map(|v| v * 1e37).collect::<Vec<_>>(),
        )
        .unwrap();
    let state = State::new(&config.recipe, 8, &Schedule::new(&config.recipe.training), &[]);
    Snapshot::take(&mut session, state).unwrap().write(&last).unwrap();
    let before = fs::read(&last).unwrap();

    let error = training::resume(&run, Some(2), &Device::Cpu, &AtomicBool::new(false), &|_| {}).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    assert!(
        error.to_string().contains("learning rate") && error.to_string().contains("step 8"),
        "{error}"
    );
    assert!(fs::read(&last).unwrap() == before);
}

#[test]
fn checkpoints_round_trip_and_have_the_names_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&corpus(folder.path()));
    let run = folder.path().join("run");
    train(&run, &config, &Device::Cpu).unwrap();
    let path = run.join("last.safetensors");

    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in [
        "encoder.0.conv.weight",
        "encoder.0.norm.running_mean",
        "decoder.5.deconv.bias",
        "optimizer.first_moment.encoder.0.norm.weight",
        "optimizer.second_moment.decoder.0.deconv.weight",
    ] {
        assert!(file.tensor(name).is_ok(), "{name} is not in {:?}", file.names());
    }
    assert_eq!(
        file.tensor("encoder.0.conv.weight").unwrap().shape(),
        [2, 1, 5, 5]
    );

    let checkpoint = Checkpoint::read(&path).unwrap();
    assert_eq!((checkpoint.state.step, checkpoint.state.seed), (24, 7));
    let network = Network::new(&config.recipe).unwrap();
    let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
    checkpoint.restore(&mut session).unwrap();
    let copy = folder.path().join("copy.safetensors");
    Snapshot::take(&mut session, checkpoint.state.clone())
        .unwrap()
        .write(&copy)
        .unwrap();
    assert!(fs::read(&copy).unwrap() == bytes);
}

#[test]
fn a_checkpoint_that_does_not_fit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let small = recipe(Instrument::Bass);
    let path = common::untrained(&folder.path().join("a"), &small, |_, _| {}).join("last.safetensors");
    let large = Network::new(&common::small(
        "separator",
        Some(Instrument::Bass),
        &["network.width=0.25"],
    ))
    .unwrap();
    let mut session = Session::new(&Device::Cpu, &large.parameters).unwrap();
    let before = session.flat(Flat::Parameters).unwrap();
    let error = Checkpoint::read(&path)
        .unwrap()
        .restore(&mut session)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("'encoder.0.conv.weight' is [2, 1, 5, 5] instead of [4, 1, 5, 5]"),
        "{error}"
    );
    assert!(
        error.contains("more") && error.contains(path.to_str().unwrap()),
        "{error}"
    );
    assert!(session.flat(Flat::Parameters).unwrap() == before);

    let bytes = fs::read(&path).unwrap();
    for (name, content) in [
        ("cut", &bytes[..bytes.len() / 2]),
        ("header", &bytes[..100]),
        ("text", b"hello, I am no checkpoint"),
        ("empty", b""),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = Checkpoint::read(&path).err().unwrap();
        assert!(matches!(&error, TrainError::Checkpoint { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn an_interrupted_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::untrained(&folder.path().join("a"), &recipe(Instrument::Bass), |_, _| {})
        .join("last.safetensors");
    let bytes = fs::read(&path).unwrap();
    let cut = stemwise::files::write_atomically(&path, |file| {
        file.write_all(&bytes[..bytes.len() / 2])?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(cut.is_err());
    assert_eq!(Checkpoint::read(&path).unwrap().state.step, 1);
    let names: Vec<_> = fs::read_dir(folder.path().join("a"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    // config, checkpoint, lock: nothing half-written
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_store_trains_like_its_folder_and_is_not_exchanged_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let (root, store) = (corpus(folder.path()), folder.path().join("store"));
    let prepared = |root: &Path| {
        let options = PrepareOptions::default();
        let summary = prepare(
            &Corpus::open(root).unwrap(),
            &store,
            &options,
            &AtomicBool::new(false),
            &|_| {},
        );
        summary.unwrap().hash.unwrap()
    };
    let hash = prepared(&root);
    let mut config = config(&root);
    config.recipe.training.epochs = 1;
    let [raw, stored] = ["raw", "stored"].map(|name| folder.path().join(name));
    let summary = train(&raw, &config, &Device::Cpu).unwrap();
    assert!(summary.waited <= summary.training && !summary.training.is_zero());
    config.corpus = store.clone();
    train(&stored, &config, &Device::Cpu).unwrap();
    let read = |run: &Path, name: &str| fs::read(run.join(name)).unwrap();
    assert!(read(&raw, "last.safetensors") == read(&stored, "last.safetensors"));
    let record = |run: &Path| serde_json::from_slice::<serde_json::Value>(&read(run, "run.json")).unwrap();
    assert_eq!(record(&stored)["starts"][0]["store"], hash.as_str());
    assert!(record(&raw)["starts"][0]["store"].is_null());

    // the same store again, with a piece less
    fs::remove_dir_all(root.join("train/Track00002")).unwrap();
    assert_ne!(prepared(&root), hash);
    let before = (read(&stored, "config.toml"), read(&stored, "run.json"));
    let resumed = training::resume(&stored, Some(2), &Device::Cpu, &AtomicBool::new(false), &|_| {});
    let error = resumed.unwrap_err();
    assert!(
        matches!(error, TrainError::Run { .. }) && error.to_string().contains(&hash),
        "{error}"
    );
    assert!(
        before == (read(&stored, "config.toml"), read(&stored, "run.json")),
        "a refused resume changes nothing"
    );

    fs::write(stored.join("run.json"), "{").unwrap();
    let resumed = training::resume(&stored, Some(2), &Device::Cpu, &AtomicBool::new(false), &|_| {});
    assert!(resumed.unwrap_err().to_string().contains("run.json"));
}
