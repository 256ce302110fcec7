//! What the models that are built in do with music that none of them was trained on.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::Arguments;
use crate::{
    cli::{embed, evaluate::evaluated, output::say, search, separate, table::titled},
    corpus::{Corpus, Split},
    eval::{Average, EvaluateOptions, Measure, Preset, Ratio, Setup, What},
    library::FOLD,
    metrics::{Ties, decimals},
    train::BuiltIn,
};

/// Files that are shown as the nearest.
const NEAREST: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// Separates one of the corpus's songs and describes them all, with the caller's own files.
pub fn run(arguments: &Arguments, corpus: &Path) -> anyhow::Result<()> {
    let out = arguments.out.join("built-in");
    say("The models that are built in, on a song composed just now:")?;
    score(arguments, corpus)?;
    if !arguments.files.is_empty() {
        separate::run(&separate::Arguments {
            files: arguments.files.clone(),
            models: Vec::new(),
            out: out.join("separated"),
            spectra: None,
            force: true,
            device: arguments.device.clone(),
        })?;
    }
    neighbours(arguments, corpus, &out.join("library"))
}

/// How well a song is separated, beside the best constant gain.
fn score(arguments: &Arguments, corpus: &Path) -> anyhow::Result<()> {
    let options = EvaluateOptions {
        models: vec![BuiltIn::Separator.place()],
        corpus: corpus.into(),
        what: vec![What::Sdr],
        preset: Preset::I25,
        draws: 1,
        split: Split::Test,
        setup: Setup {
            pieces: Some(1),
            segments: None,
            seed: 0,
            ties: Ties::Lowest,
        },
        seconds: 10.0,
        judgements: None,
        criteria: Vec::new(),
        stems: None,
        untrained: false,
        export: None,
    };
    let evaluation = evaluated(&options, &arguments.device.open()?, &AtomicBool::new(false))?;
    let medians = Measure::Separated(Ratio::Sdr, Average::Medians);
    let scores = evaluation.scores.iter().filter(|score| score.measure == medians);
    let rows = scores.map(|score| {
        let gain = score.gain.map_or(String::new(), |gain| decimals(gain, 1));
        vec![score.instrument.to_string(), decimals(score.value, 1), gain]
    });
    say(titled(&["SDR in dB", "separated", "the mix turned down"], rows))
}

/// Which songs are the most like the first, and like each of the caller's own.
fn neighbours(arguments: &Arguments, corpus: &Path, library: &Path) -> anyhow::Result<()> {
    let corpus = Corpus::open(corpus)?;
    let songs = corpus.split(Split::Test).iter().map(|track| track.mix_path());
    let songs = songs.collect::<Result<Vec<PathBuf>, _>>()?;
    embed::run(&embed::Arguments {
        paths: songs.iter().chain(&arguments.files).cloned().collect(),
        models: Vec::new(),
        out: Some(library.into()),
        prune: false,
        verify: false,
        stems: None,
        export: None,
        segments: false,
        jobs: None,
        device: arguments.device.clone(),
    })?;
    for query in songs.iter().take(1).chain(&arguments.files) {
        say(format!("the most like {}:", query.display()))?;
        search::run(&search::Arguments {
            queries: vec![query.clone()],
            library: Some(library.into()),
            focus: Vec::new(),
            count: NEAREST,
            fold: FOLD,
            per_folder: None,
            per_artist: None,
            json: false,
            m3u: None,
            models: Vec::new(),
            device: None,
        })?;
    }
    Ok(())
}
