//! `stemwise abx simulate`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::{
    cli::{
        bar,
        output::{name, note, say},
    },
    corpus::{Corpus, Split, Store},
    listening::{CSV_FILE, JSON_FILE, SimulateOptions, simulate},
};

#[derive(Args)]
pub struct Arguments {
    /// Corpus in the Slakh2100 layout
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// New folder for the judgements
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Split whose pieces are compared
    #[arg(long, default_value_t = SimulateOptions::default().split)]
    split: Split,
    /// Items of every instrument and condition
    #[arg(long, default_value_t = SimulateOptions::default().items, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    items: u32,
    /// Subjects; each judges every item
    #[arg(long, default_value_t = SimulateOptions::default().subjects, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    subjects: u32,
    /// How unsure subjects are; at 0 they always follow the oracle
    #[arg(long, default_value_t = SimulateOptions::default().noise, value_name = "P", value_parser = noise,
        allow_negative_numbers = true)]
    noise: f64,
    /// Decides everything that is drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn noise(text: &str) -> Result<f64, String> {
    let noise = text
        .parse()
        .ok()
        .filter(|noise: &f64| noise.is_finite() && *noise >= 0.0);
    noise.ok_or_else(|| "a number from 0 on is expected, as 0.5".into())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = &arguments.corpus;
    if Store::is_at(root) {
        bail!(
            "{} is a store, which does not keep the programs that simulated subjects go by: give the folder of the \
             corpus that it was made of",
            root.display()
        );
    }
    let options = SimulateOptions {
        split: arguments.split,
        items: arguments.items,
        subjects: arguments.subjects,
        noise: arguments.noise,
        seed: arguments.seed,
    };
    let corpus = Corpus::open(root)?;
    let simulation = bar::counted("tracks listened to", |count| {
        simulate(&corpus, &arguments.out, &options, count)
    })?;
    for (instrument, condition) in &simulation.missing {
        note(format!(
            "no {condition} items of {instrument}: it sounds in too few pieces of the split '{}'",
            options.split
        ));
    }
    say(format!(
        "{} items in {} rows, SIMULATED, in {} and {}",
        simulation.items,
        simulation.rows,
        name(&arguments.out.join(CSV_FILE)),
        name(&arguments.out.join(JSON_FILE))
    ))
}
