//! `stemwise corpus synth`

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{
        bar,
        output::{name, say},
    },
    generate::synth::{SynthOptions, synthesise},
};

#[derive(Args)]
pub struct Arguments {
    /// New folder for the corpus
    dir: PathBuf,
    /// The corpus is a function of the seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tracks to train on
    #[arg(long, default_value_t = 20, value_name = "TRACKS")]
    train: u32,
    /// Tracks to validate on
    #[arg(long, default_value_t = 4, value_name = "TRACKS")]
    validation: u32,
    /// Tracks to test on
    #[arg(long, default_value_t = 4, value_name = "TRACKS")]
    test: u32,
    /// Length of every track
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        dir,
        seed,
        train,
        validation,
        test,
        seconds,
    } = arguments;
    let options = SynthOptions {
        seed,
        train,
        validation,
        test,
        seconds,
    };
    let progress = bar::counter("tracks");
    let summary = synthesise(&dir, &options, &|done, total| bar::count(&progress, done, total));
    progress.finish_and_clear();
    let summary = summary?;
    let kept = if summary.kept > 0 {
        format!(", {} were there already", summary.kept)
    } else {
        String::new()
    };
    say(format!(
        "{} tracks written to {}{kept}",
        summary.written,
        name(&dir)
    ))
}
