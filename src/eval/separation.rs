//! Separation: how much of a separated stem is the stem?
//!
//! A piece's mix is separated as a whole, with the mixture's phase, and every stem that comes out is judged beside the
//! rest of the mix by BSS Eval v4 (museval): SDR, ISR, SIR and SAR in frames of one second. Frames in which the
//! instrument is silent do not count. Both usual summaries are given: the median over pieces of the median over frames
//! (the evaluation campaigns), and the mean of means (the papers' tables: Table 4 of Imamura et al. 2025).
//!
//! Three estimates that separate nothing stand beside them, over the same frames: the mix itself, the mix times the gain
//! that leaves the least error of the piece ([`best_gain`]), and silence, whose SDR is 0 dB.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{EvalError, Setup, draw};
use crate::{
    corpus::{Excerpt, Instrument, Pieces},
    metrics::{BssEval, MetricsError, bss_eval, mean_of_means, median_of_medians, signal_to_distortion},
};

/// The ratios of one instrument in dB, `[pieces][frames]`.
#[derive(Default)]
pub(super) struct Ratios {
    /// In the order of [`Ratio::ALL`](super::Ratio::ALL).
    pub of: [Vec<Vec<f64>>; 4],
    /// SDR of the mix.
    pub mix: Vec<Vec<f64>>,
    /// SDR of the mix times the piece's best gain.
    pub gain: Vec<Vec<f64>>,
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

/// The gain `g` with which a mix `m` is nearest to a stem `s`: `Σ s·m / Σ m²` leaves the least `Σ (s − g·m)²`.
fn best_gain(stem: &[f32], mix: &[f32]) -> f64 {
    let sum =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let energy = sum(mix, mix);
    if energy > 0.0 {
        sum(stem, mix) / energy
    } else {
        0.0
    }
}

/// What separating gave.
pub(super) struct Separation {
    /// Numbers of the pieces, in the order of the ratios.
    pub pieces: Vec<u32>,
    /// By instrument, in the order in which they were asked for.
    pub of: Vec<(Instrument, Ratios)>,
}

/// Gives the stems of a piece, whose mix it may hear, in the order in which the instruments were asked for.
pub(super) type Estimate<'a> = &'a mut dyn FnMut(u32, &[f32]) -> Result<Vec<Vec<f32>>, EvalError>;

/// Judges the estimates of pieces, which are at `rate` Hz.
pub(super) fn separation(
    (pieces, rate): (&Pieces, u32),
    instruments: &[Instrument],
    estimate: Estimate<'_>,
    setup: &Setup,
    progress: &dyn Fn(usize, usize),
    stop: &AtomicBool,
) -> Result<Separation, EvalError> {
    let catalogue = pieces.catalogue();
    let chosen = draw::some(
        (0..catalogue.pieces().len() as u32).collect(),
        setup.pieces,
        setup.seed,
    );
    let mut all: Vec<(Instrument, Ratios)> = instruments.iter().map(|&i| (i, Ratios::default())).collect();
    let frame = rate as usize;
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
        let estimates = estimate(piece, &mix)?;
        for ((instrument, ratios), estimate) in all.iter_mut().zip(&estimates) {
            if let Some((_, stem)) = stems.iter().find(|(other, _)| other == instrument) {
                judge(ratios, &mix, stem, estimate, frame)?;
            }
        }
    }
    progress(chosen.len(), chosen.len());
    let id = |&piece: &u32| catalogue.pieces()[piece as usize].id;
    Ok(Separation {
        pieces: chosen.iter().map(id).collect(),
        of: all,
    })
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
    let gain = best_gain(stem, mix);
    let scaled: Vec<f64> = mix.iter().map(|&x| gain * f64::from(x)).collect();
    let counts = |frames: Vec<f64>| -> Vec<f64> {
        let same = frames.into_iter().zip(&measured.sdr[0]);
        same.map(|(ratio, sdr)| if sdr.is_nan() { f64::NAN } else { ratio })
            .collect()
    };
    let wide: Vec<f64> = stem.iter().copied().map(f64::from).collect();
    let mut baseline = signal_to_distortion(&[stem], &[mix], frame)?;
    ratios.mix.push(counts(baseline.swap_remove(0)));
    let mut baseline = signal_to_distortion(&[&wide], &[&scaled], frame)?;
    ratios.gain.push(counts(baseline.swap_remove(0)));
    let BssEval { sdr, isr, sir, sar } = measured;
    for (tracks, mut sources) in ratios.of.iter_mut().zip([sdr, isr, sir, sar]) {
        tracks.push(sources.swap_remove(0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stem and rest as loud as each other and at right angles: the mix errs by the rest; half of it by half of either.
    #[test]
    fn the_best_gain_leaves_the_least_error() {
        let frame = 64;
        let turn = |of: [f32; 2]| -> Vec<f32> { of.into_iter().cycle().take(2 * frame).collect() };
        let (stem, mix) = (turn([0.5, 0.0]), turn([0.5, 0.5]));
        assert_eq!(best_gain(&stem, &mix), 0.5);
        assert_eq!(best_gain(&stem, &turn([0.0; 2])), 0.0);
        let mut ratios = Ratios::default();
        judge(&mut ratios, &mix, &stem, &turn([0.5, 0.25]), frame).unwrap();
        let close = |frames: &[f64], wanted: f64| frames.iter().all(|x| (x - wanted).abs() < 1e-9);
        assert!(close(&ratios.mix[0], 0.0), "{:?}", ratios.mix);
        assert!(close(&ratios.gain[0], 10.0 * 2f64.log10()), "{:?}", ratios.gain);
        assert_eq!(ratios.gain[0].len(), 2);
        // no other gain is as good
        for gain in [0.45f32, 0.55] {
            let estimate: Vec<f32> = mix.iter().map(|x| gain * x).collect();
            let sdr = signal_to_distortion(&[&stem], &[&estimate], frame).unwrap();
            assert!(sdr[0][0] < ratios.gain[0][0]);
        }
    }
}
