//! `stemwise embed`

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicBool},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;

use super::{
    bar::{count, counted, counter},
    built_in::{library_or, models_or},
    device::DeviceArguments,
    interrupt,
    output::{name, note, say},
};
use crate::{
    describe::Describer,
    library::{EmbedOptions, Library, Progress, Summary, embed, export, export_segments},
    train::BuiltIn,
};

/// Time between lines where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Failures that are told one by one; the others are in the list of errors.
const TOLD: usize = 10;

#[derive(Args)]
pub struct Arguments {
    /// Music, and folders of music: WAV, FLAC, MP3, OGG Vorbis, M4A, AIFF, CAF
    #[arg(required = true, value_name = "FILES-OR-FOLDERS")]
    pub paths: Vec<PathBuf>,
    /// A run that describes all instruments, or several of one instrument each, that hear mixes: cascade, direct, h25,
    /// contrast; or built-in:similarity, which is what describes without --model
    #[arg(long = "model", required = !BuiltIn::THERE, value_name = "RUN")]
    pub models: Vec<PathBuf>,
    /// For runs of clean: folder of the stems that another program separated from the files, DIR/SONG/drums.wav, which are
    /// described; see docs/stems.md
    #[arg(long, value_name = "DIR")]
    pub stems: Option<PathBuf>,
    /// Folder of the library; one that is there is added to [default: stemwise/library among the user's data]
    #[arg(long, value_name = "LIBRARY")]
    pub out: Option<PathBuf>,
    /// Drop files that are gone from the given folders
    #[arg(long)]
    pub prune: bool,
    /// Read every file and compare its content, even where it seems to be unchanged
    #[arg(long)]
    pub verify: bool,
    /// Write the library's vectors there, too: drums.npy and so on, and files.csv, a line for each row
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// With --export: the vectors of segments as well, DIR/segments/drums.npy and so on, and segments.csv; the library does
    /// not keep them, so that the given files are heard again
    #[arg(long, requires = "export")]
    pub segments: bool,
    /// Files that are decoded at once [default: one a processor, at most 4]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub device: DeviceArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let stop = interrupt::flag()?;
    let device = arguments.device.open()?;
    let library = library_or("--out", arguments.out.as_deref())?;
    let models = models_or(&arguments.models, BuiltIn::Similarity)?;
    let mut describer = Describer::load(&models, &device)?;
    let jobs = match arguments.jobs {
        Some(jobs) => jobs.get(),
        None => available_parallelism().map_or(1, NonZeroUsize::get).min(4),
    };
    let options = EmbedOptions {
        jobs,
        prune: arguments.prune,
        verify: arguments.verify,
        stems: arguments.stems.clone(),
    };
    let bar = counter("files");
    let logged = Mutex::new(Instant::now());
    let observe = |progress: Progress| {
        let heard = format!("files, {:.0} min of music", progress.seconds / 60.0);
        bar.set_message(heard.clone());
        count(&bar, progress.done, progress.files);
        if let (true, Ok(mut logged)) = (bar.is_hidden(), logged.lock())
            && logged.elapsed() >= LOG_EVERY
        {
            *logged = Instant::now();
            note(format!("{}/{} {heard}", progress.done, progress.files));
        }
    };
    let summary = embed(
        &arguments.paths,
        &library,
        &mut describer,
        &options,
        stop,
        &observe,
    );
    bar.finish_and_clear();
    report(&library, &summary?)?;
    if let Some(folder) = &arguments.export {
        let rows = export(&Library::open(&library)?, folder)?;
        say(format!("{rows} rows written to {}", name(folder)))?;
        if arguments.segments {
            segments(
                arguments,
                &library,
                &mut describer,
                &folder.join("segments"),
                stop,
            )?;
        }
    }
    Ok(())
}

/// Exports the vectors of the segments of the given files.
fn segments(
    arguments: &Arguments,
    library: &Path,
    describer: &mut Describer,
    folder: &Path,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let library = Library::open(library)?;
    let exported = counted("files heard again", |count| {
        export_segments(&library, &arguments.paths, describer, folder, stop, count)
    })?;
    if exported.interrupted {
        bail!("stopped; of segments nothing was written, and the same command goes on");
    }
    for failure in &exported.failures {
        note(format!("{}: {}", failure.path.display(), failure.reason));
    }
    say(format!(
        "{} rows of segments written to {}",
        exported.rows,
        name(folder)
    ))
}

fn report(folder: &Path, summary: &Summary) -> anyhow::Result<()> {
    let library = name(folder);
    for failure in summary.failures.iter().take(TOLD) {
        note(format!("{}: {}", failure.path.display(), failure.reason));
    }
    let failed = summary.failures.len();
    if failed > TOLD {
        note(format!("and {} others", failed - TOLD));
    }
    if !summary.passed.is_empty() {
        let kinds = summary
            .passed
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        note(format!(
            "passed over, as they are not read: {}",
            kinds.collect::<Vec<_>>().join(", ")
        ));
    }
    for (path, channel) in summary.by_channel.iter().take(TOLD) {
        note(cancelled(path, *channel));
    }
    if summary.by_channel.len() > TOLD {
        note(format!("and {} others", summary.by_channel.len() - TOLD));
    }
    for folder in &summary.spared {
        note(format!(
            "{}: there is no music in it now; what the library holds of it is kept, in case its disk is missing",
            folder.display()
        ));
    }
    let parts = [
        (summary.described, "described"),
        (summary.kept, "unchanged"),
        (summary.known, "known by their content"),
        (summary.dropped, "dropped"),
        (failed, "failed"),
    ];
    let parts = parts.iter().filter(|(n, what)| *n > 0 || *what == "described");
    let parts: Vec<String> = parts.map(|(n, what)| format!("{n} {what}")).collect();
    let silent = match summary.silent {
        0 => String::new(),
        n => format!(" ({n} silent)"),
    };
    say(format!(
        "{}{silent}; {library} holds {} files",
        parts.join(", "),
        summary.entries
    ))?;
    if failed > 0 || !summary.passed.is_empty() {
        say(format!(
            "what {}, and why, is in {}",
            if failed > 0 {
                "failed or was passed over"
            } else {
                "was passed over"
            },
            name(&folder.join("errors.jsonl"))
        ))?;
    }
    if summary.interrupted {
        bail!("stopped; what was finished is kept, and the same command goes on");
    }
    match (summary.described + summary.kept + summary.known, failed) {
        (0, 0) => bail!("no music that can be read was found in what was given"),
        (0, _) => bail!("nothing could be described"),
        _ => Ok(()),
    }
}

/// Says that a file is described by one of its channels, counted from 0.
pub fn cancelled(path: &Path, channel: usize) -> String {
    format!(
        "{}: its channels cancel one another; it is described by channel {}, the loudest",
        name(path),
        channel + 1
    )
}
