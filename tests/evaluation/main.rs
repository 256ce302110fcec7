//! The papers' protocols: that they ask what they say, and their command.

mod command;
#[path = "../common/mod.rs"]
mod common;
mod protocols;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use common::{
    SMALL, identity, noise, prepared,
    program::{done, refused, stemwise},
    small, untrained,
};
use stemwise::{
    corpus::{Catalogue, Excerpt, Instrument, Mix, Piece, SoundingStarts, Split, TempoClasses},
    eval::{
        Average, EvalError, Evaluation, Heldout, K, Measure, Point, Preset, Ratio, Setup, Subject, What,
        correlation, figures, identification, leak, mes_normal, mes_pseudo, presence,
    },
    generate::synth::{SynthOptions, synthesise},
    listening::{Condition, Criterion, Share},
    metrics::{Embeddings, Ties, nearest_others},
};

/// A store with a test split, or without.
fn store(folder: &Path, test: u32) -> PathBuf {
    let root = folder.join(format!("corpus{test}"));
    let options = SynthOptions {
        seed: 5,
        train: 5,
        validation: 5,
        test,
        seconds: 6.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    prepared(&root, folder.join(format!("store{test}")))
}

/// Evaluates on the processor with segments of a second.
fn evaluate(runs: &[&Path], store: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["evaluate", "--corpus", store.to_str().unwrap(), "--device", "cpu"];
    for run in runs {
        arguments.extend(["--model", run.to_str().unwrap()]);
    }
    if !more.contains(&"--seconds") {
        arguments.extend(["--seconds", "1"]);
    }
    arguments.extend(more);
    stemwise(&arguments)
}

fn read(folder: &Path) -> Evaluation {
    Evaluation::read(&folder.join(Evaluation::FILE)).unwrap()
}
