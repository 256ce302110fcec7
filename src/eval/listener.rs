//! What is evaluated, and how sound reaches the models.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{EvalError, What};
use crate::{
    corpus::{Instrument, Mix, Pieces},
    describe::{Describer, Heard},
};

/// Segments whose sound is in memory at a time: five stems of 10 s each are 35 MB.
const SEGMENTS: usize = 8;

/// Describes what is heard: trained runs, or a test's idea of a model.
pub trait Subject {
    /// The vectors of segments in an instrument's sub-space, `[mixes, dimensions]`.
    ///
    /// # Errors
    /// Anything that prevents it.
    fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError>;

    /// All sub-spaces in a row, in the order of [`Instrument::ALL`], `[mixes, 5 · dimensions]`.
    ///
    /// # Errors
    /// Anything that prevents it.
    fn describe_all(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError>;

    /// The probability that each instrument sounds, in the order of [`Instrument::ALL`], `[mixes, 5]`.
    ///
    /// # Errors
    /// [`EvalError::Unfit`] unless the subject says so; anything that prevents it.
    fn presence(&mut self, _mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        let message = "takes a run that says which instruments sound: contrast".into();
        Err(EvalError::Unfit {
            what: What::Presence.name(),
            message,
        })
    }
}

/// Models that hear pieces of a corpus.
pub(super) struct Listener<'a> {
    pub describer: &'a mut Describer,
    pub pieces: &'a Pieces,
    /// Called with the segments described and their number.
    pub progress: &'a dyn Fn(usize, usize),
    pub stop: &'a AtomicBool,
}

impl Listener<'_> {
    /// Reads the mixes a few at a time and gives them to `describe`.
    fn hear(
        &mut self,
        mixes: &[Mix],
        only: Option<Instrument>,
        mut describe: impl FnMut(&mut Describer, &[Heard<'_>], usize) -> Result<Vec<f32>, EvalError>,
    ) -> Result<Vec<f32>, EvalError> {
        let samples = self.pieces.catalogue().segment_len();
        let mut sound = vec![0i16; SEGMENTS * 5 * samples];
        let mut vectors = Vec::new();
        for (done, chunk) in (0..).step_by(SEGMENTS).zip(mixes.chunks(SEGMENTS)) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(EvalError::Interrupted);
            }
            (self.progress)(done, mixes.len());
            let stems = chunk.iter().flat_map(|mix| mix.sources);
            for (out, excerpt) in sound.chunks_exact_mut(samples).zip(stems) {
                if let Some(excerpt) = excerpt.filter(|e| only.is_none_or(|only| e.instrument == only)) {
                    self.pieces.read(excerpt, out)?;
                }
            }
            let heard: Vec<Heard> = chunk
                .iter()
                .zip(sound.chunks_exact(5 * samples))
                .map(|(mix, sound)| {
                    let stem = |i: usize| mix.sources[i].map(|_| &sound[i * samples..(i + 1) * samples]);
                    Heard::Stems([stem(0), stem(1), stem(2), stem(3), stem(4)])
                })
                .collect();
            vectors.extend(describe(self.describer, &heard, samples)?);
        }
        (self.progress)(mixes.len(), mixes.len());
        Ok(vectors)
    }
}

impl Subject for Listener<'_> {
    fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        // of a mix, a model of clean stems hears one
        let only = self.describer.hears_stems().then_some(instrument);
        self.hear(mixes, only, |describer, heard, samples| {
            Ok(describer.describe_one(instrument, heard, samples)?)
        })
    }

    fn describe_all(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        self.hear(mixes, None, |describer, heard, samples| {
            Ok(describer.describe(heard, samples)?)
        })
    }

    fn presence(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        self.hear(mixes, None, |describer, heard, samples| {
            Ok(describer.hear(heard, samples)?.presence.unwrap_or_default())
        })
    }
}
