//! The tables for people: `evaluation.md`.

use std::fmt::Write;

use super::{Evaluation, Measure, Score, Unit, What};
use crate::corpus::Instrument;

/// An evaluation as Markdown: for every protocol what it is, what a good number looks like, and a table.
pub fn markdown(evaluation: &Evaluation) -> String {
    let mut text = String::from("# Evaluation\n\n");
    for run in &evaluation.runs {
        let instrument = run
            .instrument
            .map_or(String::new(), |instrument| format!(" ({instrument})"));
        let short = run.checkpoint.get(..12).unwrap_or(&run.checkpoint);
        let _ = writeln!(
            text,
            "- `{}`: {}{instrument}, checkpoint {short}",
            run.folder.display(),
            run.recipe
        );
    }
    let store = evaluation.store.as_deref().map_or(String::new(), |hash| {
        format!(", store {}", hash.get(..12).unwrap_or(hash))
    });
    let _ = writeln!(
        text,
        "- corpus `{}`{store}, split {}, seed {}, on {}",
        evaluation.corpus.display(),
        evaluation.split,
        evaluation.seed,
        evaluation.device
    );
    if let Some(stems) = &evaluation.stems {
        let _ = writeln!(text, "- stems of another program in `{}`", stems.folder.display());
    }
    if let Some(ties) = evaluation.ties {
        let _ = writeln!(text, "- tied votes of neighbours: the {ties} label");
    }
    if evaluation.simulated {
        text.push_str("\n**Simulated judgements: nobody listened. Agreement and models trained on them say nothing about ears.**\n");
    }
    for what in What::ALL {
        let scores: Vec<&Score> = evaluation
            .scores
            .iter()
            .filter(|score| score.what == what)
            .collect();
        if scores.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n{}\n\n", what.title(), what.explanation());
        table(&mut text, &scores);
        match what {
            What::Identification => confusion(&mut text, evaluation),
            What::Correlation => across(&mut text, evaluation),
            _ => {}
        }
    }
    if !evaluation.left_out.is_empty() {
        text.push_str("\n## Left out\n\n");
        for left in &evaluation.left_out {
            let _ = writeln!(text, "- {}: {}", left.what.title(), left.reason);
        }
    }
    text
}

/// A column for every instrument, a row for every measure, and below it what it is to be compared with.
fn table(text: &mut String, scores: &[&Score]) {
    let instruments: Vec<Instrument> = Instrument::ALL
        .into_iter()
        .filter(|i| scores.iter().any(|score| score.instrument == *i))
        .collect();
    head(text, &instruments);
    let mut measures: Vec<Measure> = Vec::new();
    for score in scores {
        if !measures.contains(&score.measure) {
            measures.push(score.measure);
        }
    }
    for measure in measures {
        let of = |instrument: Instrument| {
            let mut scores = scores.iter();
            scores.find(|score| score.instrument == instrument && score.measure == measure)
        };
        let row = |text: &mut String, name: &str, cell: &dyn Fn(&Score) -> Option<String>| {
            let cells: Vec<Option<String>> =
                instruments.iter().map(|&i| of(i).and_then(|s| cell(s))).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or("–".into()));
                let _ = writeln!(text, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
            }
        };
        row(text, &measure.to_string(), &|score| {
            Some(format!("**{}**", score.unit.text(score.value)))
        });
        row(text, "95 % interval", &|score| {
            let [low, high] = score.interval?;
            Some(format!("{}–{}", score.unit.text(low), score.unit.text(high)))
        });
        row(text, "standard deviation of draws", &|s| {
            s.spread.map(|x| s.unit.text(x))
        });
        row(text, "untrained", &|s| s.untrained.map(|x| s.unit.text(x)));
        let separated = measure.what() == What::Sdr;
        let chance = if separated { "the mix itself" } else { "chance" };
        row(text, chance, &|s| s.chance.map(|x| s.unit.text(x)));
        row(text, "the mix, best gain", &|s| s.gain.map(|x| s.unit.text(x)));
        row(text, "silence", &|s| s.silence.map(|x| s.unit.text(x)));
        row(text, "trivial", &|s| s.trivial.map(|x| s.unit.text(x)));
        row(text, "ceiling", &|s| s.ceiling.map(|x| s.unit.text(x)));
        row(text, "n", &|score| {
            Some(format!("{} of {}", score.n, score.pieces))
        });
    }
}

fn head(text: &mut String, instruments: &[Instrument]) {
    let names: Vec<&str> = instruments.iter().map(|instrument| instrument.name()).collect();
    let _ = writeln!(text, "| | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(names.len()));
}

fn confusion(text: &mut String, evaluation: &Evaluation) {
    text.push_str("\nStems of an instrument (row) by what they were taken for (column):\n\n");
    head(text, &Instrument::ALL);
    for (instrument, row) in Instrument::ALL.into_iter().zip(&evaluation.confusion) {
        let cells: Vec<String> = row.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "| {instrument} | {} |", cells.join(" | "));
    }
}

fn across(text: &mut String, evaluation: &Evaluation) {
    text.push_str("\nTwo sub-spaces, mix in (beside the diagonal, low is good):\n\n");
    head(text, &Instrument::ALL);
    for (instrument, row) in Instrument::ALL.into_iter().zip(&evaluation.across) {
        let cells = row
            .iter()
            .map(|r| r.map_or("–".into(), |r| Unit::Correlation.text(r)));
        let _ = writeln!(
            text,
            "| {instrument} | {} |",
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
}
