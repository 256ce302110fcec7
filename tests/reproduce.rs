//! All rows of the papers' tables from one command.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::SystemTime,
};

use common::{
    SMALL,
    program::{done, refused, stemwise, text},
};
use stemwise::{
    corpus::Instrument,
    eval::{Evaluation, What},
    generate::synth::{SynthOptions, synthesise},
    train::Run,
};

/// A corpus with enough pieces for every protocol's pseudo pieces, and simulated judgements of it.
fn corpus(folder: &Path) -> (PathBuf, PathBuf) {
    let (root, judged) = (folder.join("corpus"), folder.join("judged"));
    let options = SynthOptions {
        seed: 5,
        train: 6,
        validation: 6,
        test: 6,
        seconds: 6.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    let (from, to) = (root.to_str().unwrap(), judged.to_str().unwrap());
    let mut arguments = vec!["abx", "simulate", "--corpus", from, "--out", to];
    arguments.extend(["--items", "12", "--subjects", "8", "--seed", "1"]);
    done(&stemwise(&arguments));
    (root, judged.join("simulated_abx_answers.csv"))
}

fn reproduce(rows: &[&str], corpus: &Path, out: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["reproduce", "--device", "cpu", "--instruments", "drums,bass"];
    arguments.extend([
        "--corpus",
        corpus.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    for setting in SMALL.iter().chain(&["training.epochs=1"]) {
        arguments.extend(["--set", setting]);
    }
    arguments.extend(rows);
    arguments.extend(more);
    stemwise(&arguments)
}

fn evaluation(out: &Path, row: &str) -> Evaluation {
    Evaluation::read(&out.join("evaluations").join(row).join(Evaluation::FILE)).unwrap()
}

/// When every file of the evaluations and runs was written.
fn written(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(written(&path)),
            false => all.push((path.clone(), fs::metadata(&path).unwrap().modified().unwrap())),
        }
    }
    all.sort();
    all
}

#[test]
fn rows_are_trained_evaluated_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, judgements) = corpus(folder.path());
    let out = folder.path().join("out");
    let judged = ["--judgements", judgements.to_str().unwrap(), "--paft-runs", "2"];
    let rows = ["cascade-normal", "clean-paft"];
    done(&reproduce(&rows, &corpus, &out, &judged));

    // what the rows build on are rows, too; every run of PAFT is one
    let evaluations = fs::read_dir(out.join("evaluations")).unwrap();
    let mut names: Vec<String> = evaluations
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "cascade-normal",
            "clean",
            "clean-paft",
            "clean-paft-1",
            "separator"
        ]
    );
    let cascade = evaluation(&out, "cascade-normal");
    assert_eq!(cascade.runs.len(), 2);
    for what in [What::MesNormal, What::Sdr, What::Agreement] {
        let of = |i| {
            cascade
                .scores
                .iter()
                .filter(move |s| s.what == what && s.instrument == i)
        };
        for instrument in [Instrument::Drums, Instrument::Bass] {
            assert!(of(instrument).count() > 0, "{what} of {instrument}");
            assert!(of(instrument).all(|score| score.untrained.is_some()));
        }
        assert_eq!(of(Instrument::Piano).count(), 0);
    }
    let [first, second] = ["clean-paft", "clean-paft-1"].map(|row| evaluation(&out, row));
    assert!(first.simulated && second.simulated);
    let seed = |e: &Evaluation| Run::open(&e.runs[0].folder).unwrap().config.recipe.seed;
    assert_eq!((seed(&first), seed(&second)), (7, 8));
    assert_ne!(first.runs[0].checkpoint, second.runs[0].checkpoint);

    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("mean ± standard deviation of 2 runs") && page.contains("cascade-normal"));

    // once more, nothing is done again
    let before = written(&out.join("runs"));
    let evaluations = written(&out.join("evaluations"));
    let again = reproduce(&rows, &corpus, &out, &judged);
    done(&again);
    assert!(text(&again.stderr).contains("evaluation of clean-paft-1: done before"));
    assert_eq!(written(&out.join("runs")), before);
    assert_eq!(written(&out.join("evaluations")), evaluations);

    // other segments: the evaluations are made anew, of the same runs
    let other = [&judged[..], &["--seconds", "0.8"]].concat();
    done(&reproduce(&["clean"], &corpus, &out, &other));
    assert_eq!(evaluation(&out, "clean").seconds, 0.8);
    assert_eq!(written(&out.join("runs")), before);

    // a broken evaluation is made anew
    fs::write(out.join("evaluations/clean/evaluation.json"), "{").unwrap();
    done(&reproduce(&["clean"], &corpus, &out, &other));
    assert_eq!(evaluation(&out, "clean").seconds, 0.8);

    // what the evaluation would refuse is refused before the training
    let new = folder.path().join("new");
    refused(
        &reproduce(&["clean"], &corpus, &new, &["--seconds", "90"]),
        2,
        &["--seconds"],
    );
    assert!(!new.join("runs").exists());

    // judgements of which some were trained on do not become others in silence
    let clips = judgements.with_file_name("dict_triplet_simulated.json");
    let text = fs::read_to_string(&clips).unwrap();
    fs::write(&clips, text + "\n").unwrap();
    let words = ["clean-paft", "judgements"];
    refused(&reproduce(&rows, &corpus, &out, &judged), 1, &words);
}

#[test]
fn what_cannot_be_reproduced_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (folder.path().join("corpus"), folder.path().join("out"));
    for (rows, more, code, words) in [
        (&["cascade-paft"][..], &[][..], 2, &["--judgements"][..]),
        (&["cascade-paft"], &["--judgements", "no.csv"], 1, &["no.csv"]),
        (&["casacde"], &[], 2, &["did you mean 'cascade'?"]),
        (&["clean"], &["--paft-runs", "0"], 2, &["--paft-runs"]),
        (&["clean"], &["--instrument", "bass"], 2, &["--instruments"]),
        (
            &["clean"],
            &["--set", "claen:seed=1"],
            2,
            &["did you mean 'clean'?"],
        ),
        (&["clean"], &[], 1, &["corpus"]),
    ] {
        refused(&reproduce(rows, &corpus, &out, more), code, words);
        assert!(!out.exists(), "{rows:?} {more:?}");
    }
}
