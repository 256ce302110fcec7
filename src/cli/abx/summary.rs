//! `stemwise abx summary`

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{output::say, table::titled},
    corpus::Instrument,
    listening::{Aspect, Condition, Criterion, Judgements, Row, Share, Summary},
    report::{Counted, published_counts},
};

#[derive(Args)]
pub struct Arguments {
    /// Answers in the public CSV format
    file: PathBuf,
    /// In what respect samples were judged: overall, timbre, rhythm or melody
    #[arg(long, value_name = "ASPECT", default_value_t = Aspect::Total)]
    aspect: Aspect,
    /// Keep items of which strictly more than 0.75, or at least 0.8, of the answers agree
    #[arg(long, value_name = "SHARE", default_value_t = Share::MoreThan75)]
    share: Share,
    /// Write the counts to standard output as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let criterion = Criterion {
        aspect: arguments.aspect,
        share: arguments.share,
    };
    let summary = Summary::of(&Judgements::read(&arguments.file)?, criterion);
    if arguments.json {
        return say(serde_json::to_string_pretty(&summary)?);
    }
    print(&summary)?;
    published(criterion)
}

fn print(summary: &Summary) -> anyhow::Result<()> {
    if summary.simulated {
        say("SIMULATED: nobody has listened; these answers are drawn from a stated oracle")?;
    }
    say(format!(
        "{} rows, {} of them dummies; {} subjects; {} answers ({}) are NA",
        summary.rows, summary.dummies, summary.subjects, summary.no_answer, summary.aspect
    ))?;
    say("")?;
    let clear = ["items", "responses"].map(|what| format!("{what} {}", summary.share.sign()));
    let header = [
        "instrument",
        "condition",
        "items",
        "responses",
        &clear[0],
        &clear[1],
        "ceiling %",
        "baseline %",
    ];
    let rows = summary.table.iter().chain(&summary.instruments);
    say(titled(&header, rows.map(line)))
}

/// What the papers counted, of the public answers.
fn published(criterion: Criterion) -> anyhow::Result<()> {
    let counts = published_counts(criterion)?;
    if counts.is_empty() {
        return Ok(());
    }
    say("\nPublished, of the public answers:")?;
    let header = ["table", "condition", "of"]
        .into_iter()
        .chain(Instrument::ALL.map(Instrument::name));
    let rows = counts.into_iter().map(|counts| {
        let of = match counts.of {
            Counted::Items => "items",
            Counted::Responses => "responses",
        };
        let share = counts
            .share
            .map_or(String::new(), |share| format!(" {}", share.sign()));
        let mut line = vec![counts.table, counts.condition.to_string(), format!("{of}{share}")];
        line.extend(
            counts
                .values
                .map(|value| if value.is_empty() { "-".into() } else { value }),
        );
        line
    });
    say(titled(&header.collect::<Vec<_>>(), rows))
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
