//! `stemwise corpus render`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::{
    cli::{
        bar,
        corpus::shares,
        interrupt,
        output::{name, note, say},
    },
    corpus::Instrument,
    generate::render::{Notice, RenderEvent, RenderOptions, Summary, read_split_list, render},
};

#[derive(Args)]
pub struct Arguments {
    /// Folder of General MIDI files, at any depth
    #[arg(long, value_name = "DIR")]
    midi: PathBuf,
    /// SoundFont (SF2); of several, each stem draws one
    #[arg(long = "soundfont", required = true, value_name = "FILE")]
    soundfonts: Vec<PathBuf>,
    /// New folder for the corpus
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Decides which SoundFont plays which stem, and how pieces are arranged
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cut every piece here
    #[arg(long, default_value_t = RenderOptions::default().seconds, value_name = "MAX")]
    seconds: f64,
    /// Weights of training, validation and test
    #[arg(long, default_value = "70,15,15", value_parser = shares, value_name = "A,B,C")]
    splits: [u32; 3],
    /// Table (CSV or TSV) with the columns 'path', below the folder of MIDI files, and 'split'; only what it names
    #[arg(long, value_name = "FILE", conflicts_with = "splits")]
    split_list: Option<PathBuf>,
    /// Loudness of a mix in LUFS; less where it would peak above -1 dBFS
    #[arg(long, default_value_t = RenderOptions::default().loudness, value_name = "LUFS", allow_negative_numbers = true)]
    loudness: f64,
    /// Give stems the reverberation and chorus that the pieces ask for
    #[arg(long)]
    effects: bool,
    /// Only pieces that are written for all of these, as drums,bass
    #[arg(long, value_delimiter = ',', value_name = "INSTRUMENTS")]
    require: Vec<Instrument>,
    /// At most this many pieces
    #[arg(long, value_name = "N")]
    pieces: Option<usize>,
    /// Let other instruments play, and in another key: of one collection, every seed makes new pieces to learn from
    #[arg(long)]
    arrange: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let list = arguments.split_list.as_deref().map(read_split_list).transpose()?;
    let options = RenderOptions {
        seed: arguments.seed,
        seconds: arguments.seconds,
        shares: arguments.splits,
        list,
        loudness: arguments.loudness,
        effects: arguments.effects,
        require: arguments.require,
        pieces: arguments.pieces,
        arrange: arguments.arrange,
    };
    let stop = interrupt::flag()?;
    let (reading, rendering) = (bar::counter("files read"), bar::counter("tracks"));
    let Arguments {
        midi,
        soundfonts,
        out,
        ..
    } = arguments;
    let summary = render(&midi, &soundfonts, &out, &options, stop, &|event| match event {
        RenderEvent::Read { done, total } => {
            bar::count(&reading, done, total);
            if done == total {
                reading.finish_and_clear();
            }
        }
        RenderEvent::Rendered { done, total } => bar::count(&rendering, done, total),
    });
    reading.finish_and_clear();
    rendering.finish_and_clear();
    let Summary {
        written,
        kept,
        splits: [train, validation, test],
        notices,
        interrupted,
    } = summary?;
    for Notice {
        source,
        message,
        skipped,
    } in &notices
    {
        note(format!(
            "{source}{}: {message}",
            if *skipped { " skipped" } else { "" }
        ));
    }
    if interrupted {
        bail!(
            "stopped after {} tracks; the same command continues",
            written + kept
        );
    }
    let skipped = notices.iter().filter(|notice| notice.skipped).count();
    if written + kept == 0 {
        bail!("no track was written, for the reasons above");
    }
    let kept = match kept {
        0 => String::new(),
        kept => format!(", {kept} were there already"),
    };
    say(format!("{written} tracks written to {}{kept}", name(&out)))?;
    say(format!(
        "{train} to train on, {validation} to validate, {test} to test"
    ))?;
    match skipped {
        0 => Ok(()),
        skipped => say(format!(
            "{skipped} files or folders skipped, for the reasons above"
        )),
    }
}
