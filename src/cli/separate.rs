//! `stemwise separate`

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;

use super::{
    built_in::models_or,
    device::DeviceArguments,
    interrupt,
    output::{describe, note, say},
};
use crate::{
    corpus::Instrument,
    metrics::decimals,
    separate::{Outputs, Report, SeparateError, Separators, WindowOptions, separate_file, stem_paths, sweep},
    train::BuiltIn,
};

#[derive(Args)]
pub struct Arguments {
    /// Songs: WAV, FLAC, MP3, OGG Vorbis, M4A, AIFF or CAF, of any rate, length and number of channels
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A run of 'stemwise train separator'; several for several instruments; or built-in:separator, which is what
    /// separates without --model
    #[arg(long = "model", required = !BuiltIn::THERE, value_name = "RUN")]
    pub models: Vec<PathBuf>,
    /// Folder for the stems: DIR/SONG/INSTRUMENT.wav, RF64 beyond 4 GiB
    #[arg(long, value_name = "DIR", default_value = "separated")]
    pub out: PathBuf,
    /// Write what the models hear and the masks that they give there, too, as NumPy arrays: DIR/SONG/mix.npy (complex),
    /// log-mel.npy and INSTRUMENT.mask.npy
    #[arg(long, value_name = "DIR")]
    pub spectra: Option<PathBuf>,
    /// Overwrite what is there already
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub device: DeviceArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let device = arguments.device.open()?;
    let models = models_or(&arguments.models, BuiltIn::Separator)?;
    let mut separators = Separators::load(&models, &device, WindowOptions::default())?;
    separators.stop_at(interrupt::flag()?);
    sweep(&arguments.out);
    let (mut done, mut failures) = (0, Vec::new());
    let mut names = BTreeMap::new();
    for file in &arguments.files {
        match separate(file, arguments, &mut separators, &mut names) {
            Ok(report) => {
                print(&file.display().to_string(), &report)?;
                done += 1;
            }
            Err(error) if is_interruption(&error) => {
                tell(&failures);
                bail!(
                    "stopped in {}, of which nothing was written; {done} of {} files are separated",
                    file.display(),
                    arguments.files.len()
                )
            }
            Err(error) => failures.push((file, error)),
        }
    }
    match failures.as_slice() {
        [] => Ok(()),
        [(file, error)] if arguments.files.len() == 1 => {
            let (file, text) = (file.display().to_string(), describe(error));
            bail!(if text.contains(&file) {
                text
            } else {
                format!("{file}: {text}")
            })
        }
        _ => {
            tell(&failures);
            bail!(
                "{} of {} files could not be separated",
                failures.len(),
                arguments.files.len()
            )
        }
    }
}

/// Separates one file. `names` are the stems of those before it, and whose they are.
fn separate<'a>(
    file: &'a Path,
    arguments: &Arguments,
    separators: &mut Separators,
    names: &mut BTreeMap<Vec<PathBuf>, &'a Path>,
) -> anyhow::Result<Report> {
    // two songs of one name would overwrite each other's stems
    let paths = stem_paths(file, &arguments.out, &separators.instruments())?;
    if let Some(other) = names.insert(paths, file) {
        bail!("its stems would have the names of those of {}", other.display());
    }
    let bar = super::bar::counter("seconds");
    let outputs = Outputs {
        stems: &arguments.out,
        spectra: arguments.spectra.as_deref(),
        overwrite: arguments.force,
    };
    let report = separate_file(separators, file, outputs, &mut |done, total| {
        super::bar::count(&bar, done as usize, total.unwrap_or(done) as usize)
    });
    bar.finish_and_clear();
    Ok(report?)
}

fn is_interruption(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SeparateError::Interrupted))
}

fn tell(failures: &[(&PathBuf, anyhow::Error)]) {
    for (file, error) in failures {
        note(format!("{}: {}", file.display(), describe(error)));
    }
}

/// Says what was written.
pub fn print(file: &str, report: &Report) -> anyhow::Result<()> {
    let Report {
        stems,
        seconds,
        channels,
        rate,
        remainder,
    } = report;
    say(format!(
        "{file}: {seconds:.1} s, {channels} channel(s), {rate} Hz"
    ))?;
    for stem in stems {
        let level = stem.level.map_or("silent".into(), |level| {
            format!("{} dB of the mix", decimals(level, 1))
        });
        say(format!("  {} ({level})", stem.path.display()))?;
    }
    if let Some(remainder) = remainder.map(|level| decimals(level, 1)) {
        let all = stems.len() == Instrument::ALL.len();
        say(match all {
            true => format!("  the mix less the sum of its stems: {remainder} dB"),
            false => format!("  the rest of the mix: {remainder} dB"),
        })?;
    }
    Ok(())
}
