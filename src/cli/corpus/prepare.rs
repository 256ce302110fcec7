//! `stemwise corpus prepare`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::{
    audio::SAMPLE_RATE,
    cli::{
        bar, interrupt,
        output::{name, note, say},
        table::bytes,
    },
    corpus::{
        Corpus,
        store::{Event, Plan, PrepareOptions, Summary, prepare},
    },
};

/// A corpus of another kind may be beyond full scale everywhere.
const CLIPPED_LINES: usize = 10;

#[derive(Args)]
pub struct Arguments {
    /// Corpus in the Slakh2100 layout
    dir: PathBuf,
    /// Folder for the store: a new one, or one to be continued or brought up to date
    #[arg(long, value_name = "STORE")]
    out: PathBuf,
    /// Leave out tracks that cannot be read
    #[arg(long)]
    skip_broken: bool,
    /// Sample rate of the store, in Hz
    #[arg(long, default_value_t = SAMPLE_RATE, value_parser = clap::value_parser!(u32).range(1_000..=768_000))]
    rate: u32,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = PrepareOptions {
        rate: arguments.rate,
        skip_broken: arguments.skip_broken,
    };
    let stop = interrupt::flag()?;
    let corpus = Corpus::open(&arguments.dir)?;
    let (looking, preparing) = (bar::counter("tracks looked at"), bar::counter("tracks prepared"));
    let observe = |event| match event {
        Event::Looked { done, total } => bar::count(&looking, done, total),
        Event::Planned(plan) => {
            looking.finish_and_clear();
            announce(&plan);
        }
        Event::Prepared { done, total } => bar::count(&preparing, done, total),
    };
    let summary = prepare(&corpus, &arguments.out, &options, stop, &observe);
    looking.finish_and_clear();
    preparing.finish_and_clear();
    let summary = summary?;
    report(&summary);

    let (out, total) = (name(&arguments.out), corpus.tracks().len());
    let (done, broken) = (summary.written + summary.kept, summary.failures.len());
    match summary.hash {
        Some(hash) => say(format!("{done} tracks in {out}, hash {hash}")),
        None if summary.interrupted => {
            bail!(
                "stopped, {} tracks prepared; the same command continues",
                summary.written
            )
        }
        None => bail!(
            "{broken} of {total} tracks cannot be read, so {out} is not finished; repair them, or leave them out \
             with --skip-broken; the other {done} need not be prepared again"
        ),
    }
}

fn announce(plan: &Plan) {
    let changed = match plan.changed {
        0 => String::new(),
        changed => format!(" ({changed} changed)"),
    };
    let broken = match plan.tracks - plan.kept - plan.missing {
        0 => String::new(),
        broken => format!(", {broken} cannot be read"),
    };
    note(format!(
        "{} tracks: {} are there already, {} to prepare{changed}{broken}; that needs {} of disk, {} are free",
        plan.tracks,
        plan.kept,
        plan.missing,
        bytes(plan.needed),
        bytes(plan.free)
    ));
}

/// What the user should know of the tracks.
fn report(summary: &Summary) {
    for failure in &summary.failures {
        note(format!(
            "{}/Track{:05}: {}",
            failure.split, failure.id, failure.error
        ));
    }
    for c in summary.clipped.iter().take(CLIPPED_LINES) {
        note(format!(
            "{}/Track{:05}: {} samples of {} are beyond full scale and cut to it",
            c.split, c.id, c.samples, c.instrument
        ));
    }
    if summary.clipped.len() > CLIPPED_LINES {
        note(format!(
            "and {} more such instruments",
            summary.clipped.len() - CLIPPED_LINES
        ));
    }
    if summary.heard_tempo > 0 {
        note(format!(
            "{} tracks have no usable all_src.mid: their tempo was found in their sound, and may be half or twice what is felt",
            summary.heard_tempo
        ));
    }
    if summary.without_tempo > 0 {
        note(format!(
            "{} tracks have no usable all_src.mid, and no tempo was found in their sound: they belong to no tempo class",
            summary.without_tempo
        ));
    }
    if summary.removed > 0 {
        note(format!(
            "{} tracks removed, as the corpus has them no longer",
            summary.removed
        ));
    }
}
