//! `stemwise report`

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;

use super::{
    bar,
    output::{name, note, say},
    table::bytes,
};
use crate::{
    gpu::Device,
    report::{Progress, ReportOptions, report},
    variants::open_device,
};

#[derive(Args)]
pub struct Arguments {
    /// Runs, folders that 'stemwise evaluate --out' wrote, or folders that hold some
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// The page; one that is there is replaced
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Seed of the songs that are separated to be heard
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Leave out spectrograms and sounds: nothing is separated, and no corpus is needed
    #[arg(long)]
    no_audio: bool,
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'
    #[arg(long)]
    device: Option<String>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = ReportOptions {
        folders: arguments.folders,
        out: arguments.out,
        seed: arguments.seed,
        audio: !arguments.no_audio,
    };
    let device = match options.audio {
        true => open_device(arguments.device.as_deref())?,
        false => Device::Cpu,
    };
    // Ctrl-C ends the program: the page is written in the end, whole
    write(&options, &device, &AtomicBool::new(false))
}

/// Writes a report, with a bar, and says where it is.
pub fn write(options: &ReportOptions, device: &Device, stop: &AtomicBool) -> anyhow::Result<()> {
    let counter = bar::counter("separated");
    let done = report(options, device, stop, &|progress| match progress {
        Progress::Gathering => {}
        Progress::Separating { recipe, done, total } => {
            if counter.is_hidden() {
                note(format!("separating with {recipe}: {} of {total}", done + 1));
            }
            bar::count(&counter, done, total);
        }
    });
    counter.finish_and_clear();
    let done = done?;
    for left in &done.left_out {
        note(format!("left out: {left}"));
    }
    say(format!(
        "{}: {} runs, {} evaluations, {}",
        name(&done.path),
        done.runs,
        done.evaluations,
        bytes(done.bytes)
    ))
}
