//! Separation: how much of a separated stem is the stem?
//!
//! A piece's mix is separated as a whole, with the mixture's phase, and every stem that comes out is judged beside the
//! rest of the mix by BSS Eval v4 (museval): SDR, ISR, SIR and SAR in frames of one second. Frames in which the
//! instrument is silent do not count. Both usual summaries are given: the median over pieces of the median over frames
//! (the evaluation campaigns), and the mean of means (the papers' tables: Table 4 of Imamura et al. 2025). What is
//! given for chance is the mix itself, taken for the stem.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{EvalError, draw};
use crate::{
    corpus::{Excerpt, Instrument, Pieces},
    metrics::{BssEval, MetricsError, bss_eval, mean_of_means, median_of_medians, signal_to_distortion},
    separate::{Separators, separate_signal},
};

/// The ratios of one instrument in dB, `[pieces][frames]`.
#[derive(Default)]
pub(super) struct Ratios {
    /// In the order of [`Ratio::ALL`](super::Ratio::ALL).
    pub of: [Vec<Vec<f64>>; 4],
    /// SDR of the mix.
    pub mix: Vec<Vec<f64>>,
}

impl Ratios {
    /// In the order of [`Average::ALL`](super::Average::ALL); `None` where there is no frame, or a ratio is infinite.
    pub fn averages(tracks: &[Vec<f64>]) -> [Option<f64>; 2] {
        [median_of_medians(tracks), mean_of_means(tracks)].map(|value| value.filter(|x| x.is_finite()))
    }

    /// Pieces and frames that count.
    pub fn count(tracks: &[Vec<f64>]) -> (usize, usize) {
        let frames = tracks
            .iter()
            .map(|track| track.iter().filter(|x| !x.is_nan()).count());
        let frames: Vec<usize> = frames.filter(|&count| count > 0).collect();
        (frames.len(), frames.iter().sum())
    }
}

/// Separates at most `limit` pieces. By instrument, in the order of [`Separators::instruments`].
pub(super) fn separation(
    separators: &mut Separators,
    pieces: &Pieces,
    limit: Option<usize>,
    seed: u64,
    progress: &dyn Fn(usize, usize),
    stop: &AtomicBool,
) -> Result<Vec<(Instrument, Ratios)>, EvalError> {
    let catalogue = pieces.catalogue();
    let chosen = draw::some((0..catalogue.pieces().len() as u32).collect(), limit, seed);
    let instruments = separators.instruments();
    let mut all: Vec<(Instrument, Ratios)> = instruments.iter().map(|&i| (i, Ratios::default())).collect();
    let frame = separators.rate() as usize;
    for (done, &piece) in chosen.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(EvalError::Interrupted);
        }
        progress(done, chosen.len());
        let frames = catalogue.pieces()[piece as usize].frames as usize;
        let mut mix = vec![0f32; frames];
        let mut pcm = vec![0i16; frames];
        let mut stems = Vec::new();
        for instrument in Instrument::ALL {
            let start = 0;
            let excerpt = Excerpt {
                piece,
                instrument,
                start,
            };
            pieces.read(excerpt, &mut pcm)?;
            let stem: Vec<f32> = pcm.iter().map(|&x| f32::from(x) / 32768.0).collect();
            mix.iter_mut().zip(&stem).for_each(|(sum, x)| *sum += x);
            if instruments.contains(&instrument) {
                stems.push((instrument, stem));
            }
        }
        let estimates = separate_signal(separators, &mix)?;
        for ((instrument, ratios), estimate) in all.iter_mut().zip(&estimates) {
            if let Some((_, stem)) = stems.iter().find(|(other, _)| other == instrument) {
                judge(ratios, &mix, stem, estimate, frame)?;
            }
        }
    }
    progress(chosen.len(), chosen.len());
    Ok(all)
}

/// Judges a stem beside the rest of the mix.
fn judge(
    ratios: &mut Ratios,
    mix: &[f32],
    stem: &[f32],
    estimate: &[f32],
    frame: usize,
) -> Result<(), EvalError> {
    let rest = |stem: &[f32]| -> Vec<f32> { mix.iter().zip(stem).map(|(x, s)| x - s).collect() };
    let (others, left) = (rest(stem), rest(estimate));
    let measured = match bss_eval(&[stem, &others], &[estimate, &left], frame) {
        Ok(measured) => measured,
        // one of the two is made of the other: only the SDR is defined
        Err(MetricsError::Dependent) => {
            let sdr = signal_to_distortion(&[stem, &others], &[estimate, &left], frame)?;
            let unknown = sdr.iter().map(|frames| vec![f64::NAN; frames.len()]);
            let unknown: Vec<Vec<f64>> = unknown.collect();
            BssEval {
                sdr,
                isr: unknown.clone(),
                sir: unknown.clone(),
                sar: unknown,
            }
        }
        Err(error) => return Err(error.into()),
    };
    // the mix, over the same frames
    let mut baseline = signal_to_distortion(&[stem], &[mix], frame)?.swap_remove(0);
    for (mix, sdr) in baseline.iter_mut().zip(&measured.sdr[0]) {
        *mix = if sdr.is_nan() { f64::NAN } else { *mix };
    }
    ratios.mix.push(baseline);
    let BssEval { sdr, isr, sir, sar } = measured;
    for (tracks, mut sources) in ratios.of.iter_mut().zip([sdr, isr, sir, sar]) {
        tracks.push(sources.swap_remove(0));
    }
    Ok(())
}
