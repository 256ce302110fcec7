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
    let dir = arguments.dir;
    let options = SynthOptions {
        seed: arguments.seed,
        train: arguments.train,
        validation: arguments.validation,
        test: arguments.test,
        seconds: arguments.seconds,
    };
    let summary = bar::counted("tracks", |count| synthesise(&dir, &options, count))?;
    let kept = match summary.kept {
        0 => String::new(),
        kept => format!(", {kept} were there already"),
    };
    say(format!(
        "{} tracks written to {}{kept}",
        summary.written,
        name(&dir)
    ))
}
