//! `stemwise corpus check`

use std::{path::PathBuf, sync::atomic::AtomicBool};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        bar,
        output::{name, note, say},
        table::titled,
    },
    corpus::{
        Corpus, ExcludeList, Instrument,
        check::{self, Report, Severity, Summary, TrackReport},
    },
};

#[derive(Args)]
pub struct Arguments {
    /// Corpus in the Slakh2100 layout
    dir: PathBuf,
    /// Write the report to standard output as JSON
    #[arg(long)]
    json: bool,
    /// Add what should be left out to this list; DIR/exclude.txt is honoured by everything that reads DIR
    #[arg(long, value_name = "FILE")]
    exclude: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let corpus = Corpus::open_whole(&arguments.dir)?;
    // whether the lists can be read is better known before a long check than after it
    let honoured = ExcludeList::of_corpus(&arguments.dir)?;
    if let Some(path) = arguments.exclude.as_deref().filter(|path| path.exists()) {
        ExcludeList::read(path)?;
    }
    let report = listen(&corpus)?;
    let summary = report.summary();
    match arguments.json {
        true => print_json(&report, &summary)?,
        false => print(&report, &summary)?,
    }
    let found = report.exclude_list();
    if let Some(path) = &arguments.exclude {
        let added = found.add_to(path)?;
        note(format!("{added} entries added to {}", name(path)));
    }
    let left = found.without(&honoured).entries.len();
    if left > 0 {
        let how = match &arguments.exclude {
            Some(path) => format!("{} lists them", path.display()),
            None => "write a list of them with --exclude".to_string(),
        };
        bail!("stems and tracks to leave out that are not yet: {left}; {how}");
    }
    Ok(())
}

fn listen(corpus: &Corpus) -> anyhow::Result<Report> {
    let never = AtomicBool::new(false); // Ctrl-C ends the program
    match bar::counted("tracks", |count| check::check(corpus, &never, count)) {
        Some(report) => Ok(report),
        None => bail!("stopped before all tracks were checked"),
    }
}

fn print_json(report: &Report, summary: &Summary) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Json<'a> {
        summary: &'a Summary,
        tracks: &'a [TrackReport],
    }
    let tracks = &report.tracks;
    say(serde_json::to_string_pretty(&Json { summary, tracks })?)
}

fn print(report: &Report, summary: &Summary) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for track in &report.tracks {
        for finding in &track.findings {
            rows.push(vec![
                track.path(),
                finding.part.to_string(),
                match finding.severity {
                    Severity::Broken => "broken".into(),
                    Severity::Note => String::new(),
                },
                finding.defect.to_string(),
            ]);
        }
    }
    if !rows.is_empty() {
        say(titled(&["track", "part", "", "finding"], rows))?;
        say("")?;
    }

    let rates = summary.rates.iter();
    let rates: Vec<String> = rates
        .map(|(rate, tracks)| format!("{tracks} at {rate} Hz"))
        .collect();
    say(format!(
        "{} tracks with {} stems, {}; {}",
        summary.tracks,
        summary.stems,
        clock(summary.seconds),
        rates.join(", ")
    ))?;
    match summary.tempo {
        Some(tempo) => say(format!(
            "tempo {:.0} to {:.0} bpm, median {:.0}; unknown of {} tracks",
            tempo.least,
            tempo.most,
            tempo.median,
            summary.tracks - tempo.tracks
        ))?,
        None => say("tempo unknown")?,
    }
    let rows = Instrument::ALL.map(|instrument| {
        let sounding = summary.sounding.get(&instrument).copied().unwrap_or_default();
        vec![
            instrument.to_string(),
            sounding.tracks.to_string(),
            clock(sounding.seconds),
        ]
    });
    say(titled(&["instrument", "tracks", "sounding"], rows))?;
    say(format!("{} broken, {} notes", summary.broken, summary.notes))
}

/// Hours, minutes and seconds.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
