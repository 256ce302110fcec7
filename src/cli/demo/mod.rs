//! `stemwise demo`

mod built_in;

use std::{path::PathBuf, time::Instant};

use clap::Args;

use super::{bar, device::DeviceArguments, output::say, recipe::RecipeArguments, reproduce};
use crate::{
    corpus::Instrument,
    generate::synth::{SynthOptions, synthesise},
    train::BuiltIn,
};

/// The least that makes every protocol possible.
const CORPUS: SynthOptions = SynthOptions {
    seed: 1,
    train: 12,
    validation: 6,
    test: 10,
    seconds: 30.0,
};
/// The last rows of the papers' tables, and with them what they build on.
const ROWS: [&str; 2] = ["cascade-ft", "direct-reconst"];
const INSTRUMENTS: [Instrument; 2] = [Instrument::Drums, Instrument::Bass];
/// What keeps the demo within minutes on two processor cores.
const SETTINGS: [&str; 5] = [
    "training.epochs=8",
    "separator:training.epochs=24",
    "cascade:data.segment_seconds=1.0",
    "cascade:training.validation=32",
    "direct-reconst:training.epochs=9",
];

#[derive(Args)]
pub struct Arguments {
    /// Songs of your own, to be separated and compared by the models that are built in
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder for corpus, runs, evaluations and the report; what is finished there is kept
    #[arg(long, value_name = "DIR", default_value = "stemwise-demo")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let corpus = arguments.out.join("corpus");
    bar::counted("tracks synthesised", |count| synthesise(&corpus, &CORPUS, count))?;
    if BuiltIn::THERE || !arguments.files.is_empty() {
        built_in::run(&arguments, &corpus)?;
        say("Now for models of your own:")?;
    }
    reproduce::run(&reproduce::Arguments {
        rows: ROWS.map(String::from).to_vec(),
        corpus,
        out: arguments.out,
        instruments: INSTRUMENTS.to_vec(),
        paft_runs: 1,
        seconds: None,
        pieces: None,
        recipe: RecipeArguments {
            precision: None,
            instrument: None,
            preset: Some("tiny".into()),
            set: SETTINGS.map(String::from).to_vec(),
            judgements: None,
        },
        device: arguments.device,
    })?;
    say(format!(
        "The demo took {:.0} s. It shows that everything works; after so few steps on synthesised music, the scores say \
         little more.",
        started.elapsed().as_secs_f64()
    ))
}
