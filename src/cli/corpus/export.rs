//! `stemwise corpus export`

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    audio::{SAMPLE_RATE, SampleFormat, WavWriter},
    cli::{
        bar::counted,
        output::{name, note, say},
    },
    corpus::{Mix, PieceOptions, Pieces, Source, Split, track_name},
    eval::{Preset, Setup, write_pseudo_pieces},
    files::IoError,
};

/// Bytes for decoded audio: a piece is heard once, a pseudo piece's stems several times.
const MEMORY: u64 = 1 << 30;

#[derive(Args)]
pub struct Arguments {
    /// Corpus in the Slakh2100 layout, or a store of one
    dir: PathBuf,
    /// The pieces to export
    #[arg(long, value_name = "SPLIT")]
    split: Split,
    /// Folder for the mixes, DIR/Track00001.wav
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Not the pieces, but the pseudo pieces of MES-Pseudo by the protocol of i25, i24 or h25
    #[arg(long, value_name = "PRESET")]
    pseudo: Option<Preset>,
    /// With --pseudo, as in evaluate: length of segments
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, requires = "pseudo")]
    seconds: f64,
    /// With --pseudo, as in evaluate: take at most this many pieces
    #[arg(long, value_name = "N", requires = "pseudo")]
    pieces: Option<usize>,
    /// With --pseudo, as in evaluate: seed of what is drawn
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "pseudo")]
    seed: u64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let source = Source::open(&arguments.dir)?;
    let rate = match &source {
        Source::Store(store) => store.rate(),
        Source::Folder(_) => SAMPLE_RATE,
    };
    let preset = arguments.pseudo.unwrap_or_default();
    let seconds = arguments.seconds * preset.length();
    let options = PieceOptions {
        segment_len: (seconds * f64::from(rate)).round() as usize,
        rate,
        memory: MEMORY,
    };
    let classes = source.tempo_classes()?;
    let pieces = counted("tracks decoded", |count| {
        source.pieces(arguments.split, &options, &classes, count)
    })?;
    let out = &arguments.out;
    if arguments.pseudo.is_none() {
        let written = counted("mixes", |count| write_mixes(&pieces, rate, out, count))?;
        return say(format!("{written} mixes written to {}", name(out)));
    }
    let setup = Setup {
        pieces: arguments.pieces,
        seed: arguments.seed,
        ..Setup::default()
    };
    let done = counted("instruments", |count| {
        write_pseudo_pieces(&pieces, rate, (preset, &setup), out, count)
    })?;
    for (instrument, error) in &done.left_out {
        note(format!("{instrument} is left out: {error}"));
    }
    say(format!(
        "{} pseudo pieces, {:.1} min of music, written to {}",
        done.written,
        done.seconds / 60.0,
        name(out)
    ))
}

/// Writes the mix of every piece.
fn write_mixes(
    pieces: &Pieces,
    rate: u32,
    folder: &Path,
    count: &dyn Fn(usize, usize),
) -> anyhow::Result<usize> {
    fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
    let all = pieces.catalogue().pieces();
    for (piece, i) in all.iter().zip(0..) {
        count(i as usize, all.len());
        let path = folder.join(format!("{}.wav", track_name(piece.id)));
        let mut writer = WavWriter::create(&path, rate, 1, SampleFormat::Float32)?;
        writer.write(&pieces.mix(&Mix::of_piece(i, 0), piece.frames as usize)?)?;
        writer.finish()?;
    }
    Ok(all.len())
}
