//! Stems that another program separated: pseudo pieces that are written for it, and what a model of clean stems makes of
//! its stems of them.
//!
//! A pseudo piece is a file: its segments one behind the other, in the order of [`mes_pseudo`](super::mes_pseudo()). Which
//! segments there are is what the *clean* stems say, so that all programs are asked the same.

use std::{
    fs,
    ops::Range,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{EvalError, Preset, Setup, Subject, mes_pseudo, neighbours::Questions};
use crate::{
    audio::{SampleFormat, WavWriter},
    corpus::{Catalogue, Instrument, Mix, Pieces, SeparatedStems, track_name},
    describe::{Describer, Heard},
    files::IoError,
};

/// Segments that are described at once.
const SEGMENTS: usize = 8;

/// What [`write_pseudo_pieces`] did.
#[derive(Debug, Default)]
pub struct PseudoPieces {
    /// Files written.
    pub written: usize,
    /// Seconds of music in them.
    pub seconds: f64,
    /// Instruments that there are too few pieces for, and why.
    pub left_out: Vec<(Instrument, EvalError)>,
}

/// Writes the mixes of all pseudo pieces of MES-Pseudo into `folder`, for a program that separates: 32-bit float WAV files at
/// `rate` Hz, called `i25-drums-Track00003-Track00007.wav` after preset, target instrument, the piece that gives it and the
/// piece that gives the rest. `progress` is called with the instruments done and their number.
///
/// # Errors
/// [`EvalError::TooFew`] if no instrument has enough pieces; files that cannot be read or written.
pub fn write_pseudo_pieces(
    pieces: &Pieces,
    rate: u32,
    (preset, setup): (Preset, &Setup),
    folder: &Path,
    progress: &dyn Fn(usize, usize),
) -> Result<PseudoPieces, EvalError> {
    fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
    let catalogue = pieces.catalogue();
    let mut done = PseudoPieces::default();
    for (i, target) in Instrument::ALL.into_iter().enumerate() {
        progress(i, Instrument::ALL.len());
        let questions = match mes_pseudo::questions(catalogue, target, preset, setup) {
            Ok(questions) => questions,
            Err(error) if error.is_local() => {
                done.left_out.push((target, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        for segments in pseudo_pieces(&questions) {
            let mixes = &questions.mixes[segments];
            let Some(first) = mixes.first() else { continue };
            let path = folder.join(format!("{}.wav", name(preset, target, catalogue, first)));
            let mut writer = WavWriter::create(&path, rate, 1, SampleFormat::Float32)?;
            for mix in mixes {
                writer.write(&pieces.mix(mix, catalogue.segment_len())?)?;
            }
            writer.finish()?;
            done.written += 1;
            done.seconds += (mixes.len() * catalogue.segment_len()) as f64 / f64::from(rate);
        }
    }
    match done.left_out.pop() {
        Some((_, error)) if done.written == 0 => Err(error),
        last => {
            done.left_out.extend(last);
            Ok(done)
        }
    }
}

/// The segments of each pseudo piece.
fn pseudo_pieces(questions: &Questions) -> Vec<Range<usize>> {
    let groups = questions.groups.as_deref().unwrap_or_default();
    let mut start = 0;
    let mut range = |same: &[u32]| {
        let range = start..start + same.len();
        start = range.end;
        range
    };
    groups.chunk_by(|a, b| a == b).map(&mut range).collect()
}

/// What a pseudo piece is called, given one of its segments.
fn name(preset: Preset, target: Instrument, catalogue: &Catalogue, mix: &Mix) -> String {
    let track = |of_target: bool| {
        let mut sources = mix.sources.iter().flatten();
        let source = sources.find(|excerpt| (excerpt.instrument == target) == of_target);
        source.map_or(String::new(), |excerpt| {
            track_name(catalogue.pieces()[excerpt.piece as usize].id)
        })
    };
    format!("{preset}-{target}-{}-{}", track(true), track(false))
}

/// A model of clean stems that hears pseudo pieces as another program separated them.
pub(super) struct OnStems<'a> {
    pub describer: &'a mut Describer,
    pub stems: &'a SeparatedStems,
    pub catalogue: &'a Catalogue,
    pub preset: Preset,
    /// What is asked, in its order.
    pub questions: &'a Questions,
    pub progress: &'a dyn Fn(usize, usize),
    pub stop: &'a AtomicBool,
}

impl Subject for OnStems<'_> {
    fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        let rate = self.describer.front_end().sample_rate;
        let samples = self.catalogue.segment_len();
        let mut vectors = Vec::new();
        for segments in pseudo_pieces(self.questions) {
            if self.stop.load(Relaxed) {
                return Err(EvalError::Interrupted);
            }
            (self.progress)(segments.start, mixes.len());
            let name = name(self.preset, instrument, self.catalogue, &mixes[segments.start]);
            let frames = (segments.len() * samples) as u64;
            let stem = self.stems.whole(&name, instrument, rate, frames)?;
            let stem: Vec<i16> = stem.iter().map(|x| (x * 32768.0).round() as i16).collect(); // saturates
            for chunk in stem.chunks(SEGMENTS * samples) {
                let heard = chunk.chunks_exact(samples).map(|segment| {
                    let mut stems = [None; 5];
                    stems[instrument as usize] = Some(segment);
                    Heard::Stems(stems)
                });
                let heard: Vec<Heard<'_>> = heard.collect();
                vectors.extend(self.describer.describe_one(instrument, &heard, samples)?);
            }
        }
        (self.progress)(mixes.len(), mixes.len());
        Ok(vectors)
    }

    fn describe_all(&mut self, _mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        Err(EvalError::Unfit {
            what: "a description of all instruments",
            message: "takes one network, and not one on each stem".into(),
        })
    }
}
