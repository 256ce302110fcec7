//! All stages of all papers, one after another, on small networks.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::{
    SMALL, prepared,
    program::{command, done, refused, stemwise, text},
    small,
};
use stemwise::{
    corpus::Instrument,
    generate::synth::{SynthOptions, synthesise},
    gpu::Device,
    train::{
        Checkpoint, LessonCounts, Network, Run, RunConfig, TrainError,
        pipeline::{Standing, stages},
        recipe::{OWN, Overrides, RECIPES},
    },
};

/// Enough pieces of like tempo for pseudo musical pieces, in both splits.
fn store(folder: &Path) -> PathBuf {
    let root = folder.join("corpus");
    let options = SynthOptions {
        seed: 5,
        train: 10,
        validation: 10,
        test: 1,
        seconds: 6.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    prepared(&root, folder.join("store"))
}

/// The arguments of a pipeline of small networks, of one epoch a stage.
fn pipeline(name: &str, store: &Path, out: &Path) -> Command {
    let mut command = command([
        "pipeline",
        name,
        "--corpus",
        store.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--device",
        "cpu",
    ]);
    for setting in SMALL {
        command.args(["--set", setting]);
    }
    command.args(["--set", "training.epochs=1", "--instruments", "drums"]);
    command
}

fn judgements(folder: &Path) -> PathBuf {
    let out = folder.join("judged");
    let corpus = folder.join("corpus");
    let (root, judged) = (corpus.to_str().unwrap(), out.to_str().unwrap());
    let mut arguments = vec![
        "abx",
        "simulate",
        "--corpus",
        root,
        "--out",
        judged,
        "--split",
        "validation",
    ];
    arguments.extend(["--items", "12", "--subjects", "8", "--seed", "1"]);
    done(&stemwise(&arguments));
    let csv = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    csv.into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "csv"))
        .unwrap()
}

/// The checkpoints below a folder, by their path there.
fn checkpoints(runs: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![runs.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "safetensors")
            {
                found.push((path.strip_prefix(runs).unwrap().into(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Every recipe, with everything that it builds on; what is frozen stays as it was; and the pipeline says that it is
/// done.
#[test]
fn every_row_of_the_papers_trains() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let csv = judgements(folder.path());
    let out = folder.path().join("runs");
    let output = pipeline("all", &store, &out)
        .args(["--judgements", csv.to_str().unwrap()])
        .output()
        .unwrap();
    done(&output);
    let listed = text(&output.stdout);

    let judged = format!("data.judgements={:?}", csv.display().to_string());
    let set: Vec<String> = SMALL
        .iter()
        .map(ToString::to_string)
        .chain(["training.epochs=1".into(), judged])
        .collect();
    let overrides = Overrides {
        set,
        ..Overrides::default()
    };
    for (name, _) in RECIPES.iter().filter(|(name, _)| !OWN.contains(name)) {
        let stages = stages(name, &overrides, &[Instrument::Drums], &store, &out).unwrap();
        let last = stages.last().unwrap();
        assert_eq!(last.standing().unwrap(), Standing::Done, "{name}");
        assert!(listed.contains(name), "{listed}");
        let path = last.folder.join("last.safetensors");
        let state = Checkpoint::read(&path).unwrap().state;
        assert!(
            state.step > 0 && state.schedule.start.is_some_and(|scores| scores.loss.is_finite()),
            "{name}"
        );
        assert_eq!(state.simulated, name.contains("-paft"), "{name}");
        let record = Run::open(&last.folder).unwrap().record().unwrap().unwrap();
        let judged = record.starts[0].judged;
        assert_eq!(judged.is_some(), name.contains("-paft"), "{name}");
        if let Some(LessonCounts { trained_on, held_out }) = judged {
            // three in ten are held out; an item counts by several answers
            assert!(trained_on.items > held_out.items && held_out.items > 0, "{name}");
            assert!(trained_on.answers > trained_on.items as u64, "{name}");
        }
        assert_eq!(state.parents.len(), last.config.from.len(), "{name}");
        unchanged(&last.config, &path);
    }
    // a second time, there is nothing to do
    let before = checkpoints(&out);
    done(&pipeline("cascade-ft", &store, &out).output().unwrap());
    assert!(checkpoints(&out) == before);
    // and other settings are not mixed with these
    let output = pipeline("cascade-ft", &store, &out)
        .args(["--set", "training.batch=4"])
        .output()
        .unwrap();
    assert!(
        !output.status.success() && text(&output.stderr).contains("training.batch = 2 (now 4)"),
        "{}",
        text(&output.stderr)
    );
}

/// Parts that the recipe freezes are those of the parents, statistics too; the others are not.
fn unchanged(config: &RunConfig, path: &Path) {
    let mut start = Network::new(&config.recipe).unwrap();
    start.adopt(&config.from).unwrap();
    let end = Checkpoint::read(path).unwrap();
    let mut moved = 0;
    for parameter in start.parameters.iter() {
        let now = end.tensor(&parameter.name, &parameter.shape).unwrap();
        let same = now
            .iter()
            .zip(parameter.initial.iter())
            .all(|(a, b)| a.to_bits() == b.to_bits());
        let frozen = config
            .recipe
            .frozen
            .iter()
            .map(|part| format!("{part:?}.").to_lowercase());
        if parameter.name.starts_with("clean.")
            || frozen
                .into_iter()
                .any(|prefix| parameter.name.starts_with(&prefix))
        {
            assert!(same, "{} of {} changed", parameter.name, config.recipe.name);
        } else {
            moved += usize::from(!same);
        }
    }
    assert!(moved > 4, "{}: only {moved} tensors learnt", config.recipe.name);
}

/// Killed at several places, in the middle of stages, and begun again: the same bits as without.
#[cfg(unix)]
#[test]
fn a_killed_pipeline_ends_as_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let started = std::time::Instant::now();
    done(&pipeline("cascade-ft", &store, &whole).output().unwrap());
    let all = started.elapsed();
    let mut kills = 0;
    for part in 1..40 {
        let mut child = pipeline("cascade-ft", &store, &killed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(all.mul_f64(0.09) + Duration::from_millis(7 * part));
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        let status = child.wait().unwrap();
        if ended && status.success() {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "killed {kills} times only");
    done(&pipeline("cascade-ft", &store, &killed).output().unwrap());
    let (whole, killed) = (checkpoints(&whole), checkpoints(&killed));
    assert_eq!(
        whole.iter().map(|c| &c.0).collect::<Vec<_>>(),
        killed.iter().map(|c| &c.0).collect::<Vec<_>>()
    );
    for ((path, a), (_, b)) in whole.iter().zip(&killed) {
        assert!(a == b, "{}", path.display());
    }
}

#[test]
fn stages_refuse_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let drums = Some(Instrument::Drums);
    let separator = common::untrained(
        &folder.path().join("separator"),
        &small("separator", drums, &[]),
        |_, _| {},
    );
    let clean = common::untrained(
        &folder.path().join("clean"),
        &small("clean", drums, &[]),
        |_, _| {},
    );
    let bass = common::untrained(
        &folder.path().join("bass"),
        &small("separator", Some(Instrument::Bass), &[]),
        |_, _| {},
    );
    let wide = small("separator", drums, &["network.width=0.25"]);
    let wide = common::untrained(&folder.path().join("wide"), &wide, |_, _| {});
    let refused = |recipe: &str, instrument, from: &[&PathBuf]| {
        let config = RunConfig {
            corpus: folder.path().into(),
            renderings: Vec::new(),
            from: from.iter().map(|path| path.to_path_buf()).collect(),
            recipe: small(recipe, instrument, &["data.judgements=a.csv"]),
        };
        let mut network = Network::new(&config.recipe).unwrap();
        network.adopt(&config.from).unwrap_err().to_string()
    };
    for (recipe, instrument, from, expected) in [
        ("cascade", drums, vec![], "a trained separator"),
        ("cascade", drums, vec![&clean], "a trained separator"),
        ("cascade", drums, vec![&bass], "separator' of bass"),
        ("cascade", drums, vec![&wide], "network.width = 0.25 (here 0.125)"),
        ("cascade", drums, vec![&separator, &separator], "leave one out"),
        ("direct-pretraining", None, vec![], "'clean' of bass"),
        (
            "direct",
            None,
            vec![&separator],
            "nothing that 'direct' builds on",
        ),
        ("clean-paft", drums, vec![], "a trained extractor"),
        (
            "cascade",
            drums,
            vec![&folder.path().join("none")],
            "not the folder of a run",
        ),
    ] {
        let message = refused(recipe, instrument, &from);
        assert!(message.contains(expected), "{recipe}: {message}");
    }
    // but a cascade may start from a separator and from Clean
    let config = small("cascade-ft", drums, &[]);
    let mut network = Network::new(&config).unwrap();
    assert_eq!(network.adopt(&[separator, clean]).unwrap().len(), 2);
}

/// Accumulated gradients are those of the whole batch: without batch norm's statistics and dropout, which see
/// micro-batches, four of one example are a batch of four.
#[test]
fn micro_batches_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let losses = |name: &str, micro: usize| {
        let set = [
            "network.dropout=0",
            "training.batch=4",
            &format!("training.micro_batch={micro}"),
            "training.epoch=16",
            "training.epochs=1",
        ];
        let config = RunConfig {
            corpus: store.clone(),
            renderings: Vec::new(),
            from: Vec::new(),
            recipe: small("separator", Some(Instrument::Drums), &set),
        };
        let run = folder.path().join(format!("{name}-{micro}"));
        common::train(&run, &config, &Device::Cpu).unwrap();
        let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let losses: Vec<f64> = lines.filter_map(|line| line["loss"].as_f64()).collect();
        assert_eq!(losses.len(), 4);
        losses
    };
    // the same examples, in other portions: nearly the same losses, as statistics differ
    let (whole, halves, again) = (losses("a", 4), losses("a", 2), losses("b", 2));
    assert_eq!(halves, again);
    for (a, b) in whole.iter().zip(&halves) {
        assert!((a - b).abs() < 0.1 * a && a != b, "{whole:?} {halves:?}");
    }
}

/// A number that is none is traced to the operation that made it, and the checkpoint before it is kept.
#[test]
fn a_loss_that_is_no_number_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    // Weights near the end of the range: the first convolution's output is finite, the second's is not.
    let recipe = small("clean", Some(Instrument::Drums), &["training.epochs=1"]);
    let huge = common::untrained(&folder.path().join("huge"), &recipe, |name, values| {
        if name == "encoder.1.conv.weight" {
            values.fill(1e38);
        }
    });
    let config = RunConfig {
        corpus: store,
        renderings: Vec::new(),
        from: vec![huge],
        recipe,
    };
    let error = common::train(&folder.path().join("run"), &config, &Device::Cpu).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("encoder.1") && message.contains("conv2d"),
        "{message}"
    );
}

/// Without any of Clean, there is nothing that all instruments' network could learn from: said so, not as if it could
/// be named.
#[test]
fn a_pipeline_without_any_instrument_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("corpus");
    let options = SynthOptions {
        seed: 1,
        train: 1,
        validation: 1,
        test: 1,
        seconds: 6.0,
    };
    // one piece is too few for triplets
    synthesise(&root, &options, &|_, _| {}).unwrap();
    let store = prepared(&root, folder.path().join("store"));
    let output = pipeline("direct", &store, &folder.path().join("runs"))
        .output()
        .unwrap();
    refused(
        &output,
        1,
        &[
            "nothing was trained",
            "direct-pretraining: left out",
            "direct: left out",
            "corpus check",
        ],
    );
    assert!(!text(&output.stderr).contains("--from"));
}
