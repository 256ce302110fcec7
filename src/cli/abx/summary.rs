//! `stemwise abx summary`

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{output::say, table::titled},
    listening::{Condition, Judgements, Row, Summary},
};

#[derive(Args)]
pub struct Arguments {
    /// Answers in the public CSV format
    file: PathBuf,
    /// Write the counts to standard output as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let summary = Summary::of(&Judgements::read(&arguments.file)?);
    match arguments.json {
        true => say(serde_json::to_string_pretty(&summary)?),
        false => print(&summary),
    }
}

fn print(summary: &Summary) -> anyhow::Result<()> {
    if summary.simulated {
        say("SIMULATED: nobody has listened; these answers are drawn from a stated oracle")?;
    }
    say(format!(
        "{} rows, {} of them dummies; {} subjects; {} answers on the whole are NA",
        summary.rows, summary.dummies, summary.subjects, summary.no_answer
    ))?;
    say("")?;
    let header = [
        "instrument",
        "condition",
        "items",
        "responses",
        "items >75 %",
        "responses >75 %",
        "ceiling %",
        "baseline %",
    ];
    let rows = summary.table.iter().chain(&summary.instruments);
    say(titled(&header, rows.map(line)))
}

fn line(row: &Row) -> Vec<String> {
    let percent = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.2}"));
    let baseline = match row.condition {
        Condition::AllDiff => "n/a".to_string(),
        Condition::OneShared => percent(row.baseline),
    };
    vec![
        row.part.map_or("all five".to_string(), |part| part.to_string()),
        row.condition.to_string(),
        row.items.to_string(),
        row.responses.to_string(),
        row.clear_items.to_string(),
        row.clear_responses.to_string(),
        percent(row.ceiling),
        baseline,
    ]
}
