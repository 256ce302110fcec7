//! Conversion between sample rates, with the filter's delay taken out.

use rubato::{Fft, FixedSync, Indexing, Resampler as _, audioadapter_buffers::direct::InterleavedSlice};

use super::AudioError;

/// Least length of the filter on the side of the lower rate, in samples. The pass band then ends
/// at about 99 % of the lower Nyquist frequency.
const FILTER: usize = 2048;

/// `round(n · to / from)`: the length of `n` samples after resampling.
pub fn resampled_len(n: u64, from: u32, to: u32) -> u64 {
    let (n, from, to) = (u128::from(n), u128::from(from), u128::from(to));
    ((2 * n * to + from) / (2 * from).max(1)) as u64
}

/// `samples` at the rate `to` instead of `from` (Hz): [`resampled_len`] samples, sample 0 at the same time as before.
///
/// # Errors
/// As [`Resampler::new`].
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, AudioError> {
    let mut resampler = Resampler::new(from, to)?;
    let mut out = Vec::with_capacity(resampled_len(samples.len() as u64, from, to) as usize);
    resampler.push(samples, &mut out)?;
    resampler.finish(&mut out)?;
    Ok(out)
}

/// Resamples one channel of any length in constant memory. The result does not depend on how the signal is
/// cut into pieces, and equals [`resample`]'s.
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` between equal rates.
    engine: Option<Engine>,
    pushed: u64,
    /// Samples handed out so far.
    emitted: u64,
}

struct Engine {
    fft: Fft<f32>,
    /// Input waiting for a whole block.
    pending: Vec<f32>,
    output: Vec<f32>,
    /// Samples of the filter's delay still to be dropped.
    delay: usize,
}

impl Resampler {
    /// A resampler from the rate `from` to `to`, in Hz.
    ///
    /// # Errors
    /// [`AudioError::Resample`] if either rate is zero, or so odd that the filter has no reasonable length.
    pub fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let fail = |reason: String| AudioError::Resample { from, to, reason };
        if from == 0 || to == 0 {
            return Err(fail("a rate is zero".into()));
        }
        let engine = if from == to {
            None
        } else {
            let (block_in, block_out) = resampling_block(from, to);
            if block_in.max(block_out) > 1 << 22 {
                return Err(fail(
                    "the rates are too far apart or have no common divisor".into(),
                ));
            }
            let fft = Fft::new(from as usize, to as usize, block_in, 1, FixedSync::Both);
            let fft = fft.map_err(|error| fail(error.to_string()))?;
            debug_assert_eq!((fft.fft_size_in(), fft.fft_size_out()), (block_in, block_out));
            let delay = fft.output_delay();
            Some(Engine {
                fft,
                pending: Vec::with_capacity(block_in),
                output: vec![0.0; block_out],
                delay,
            })
        };
        Ok(Self {
            from,
            to,
            engine,
            pushed: 0,
            emitted: 0,
        })
    }

    /// Takes `samples` and appends to `out` what can be computed so far.
    ///
    /// # Errors
    /// [`AudioError::Resample`], which does not occur for what [`Resampler::new`] accepted.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), AudioError> {
        self.pushed += samples.len() as u64;
        self.feed(samples, out)
    }

    /// Ends the signal and appends the rest to `out`: [`resampled_len`] samples in all.
    ///
    /// # Errors
    /// As [`Resampler::push`].
    pub fn finish(mut self, out: &mut Vec<f32>) -> Result<(), AudioError> {
        let total = resampled_len(self.pushed, self.from, self.to);
        let Some(engine) = &self.engine else { return Ok(()) };
        let silence = vec![0.0; engine.fft.fft_size_in()];
        while self.emitted < total {
            self.feed(&silence, out)?;
        }
        out.truncate(out.len() - (self.emitted - total) as usize);
        Ok(())
    }

    fn feed(&mut self, mut samples: &[f32], out: &mut Vec<f32>) -> Result<(), AudioError> {
        let Some(engine) = &mut self.engine else {
            out.extend_from_slice(samples);
            self.emitted += samples.len() as u64;
            return Ok(());
        };
        let block = engine.fft.fft_size_in();
        let fail = |reason: String| AudioError::Resample {
            from: self.from,
            to: self.to,
            reason,
        };
        while !samples.is_empty() {
            let (head, rest) = samples.split_at(samples.len().min(block - engine.pending.len()));
            engine.pending.extend_from_slice(head);
            samples = rest;
            if engine.pending.len() < block {
                break;
            }
            let produced = engine.process().map_err(&fail)?;
            engine.pending.clear();
            let skipped = engine.delay.min(produced);
            engine.delay -= skipped;
            out.extend_from_slice(&engine.output[skipped..produced]);
            self.emitted += (produced - skipped) as u64;
        }
        Ok(())
    }
}

impl Engine {
    /// Filters the block in `pending` into `output`; returns the number of samples written.
    fn process(&mut self) -> Result<usize, String> {
        let (frames_in, frames_out) = (self.pending.len(), self.output.len());
        let input =
            InterleavedSlice::new(self.pending.as_slice(), 1, frames_in).map_err(|e| e.to_string())?;
        let output = InterleavedSlice::new_mut(self.output.as_mut_slice(), 1, frames_out);
        let mut output = output.map_err(|e| e.to_string())?;
        let done = self
            .fft
            .process_into_buffer(&input, &mut output, Some(&Indexing::new()));
        done.map(|(_, produced)| produced).map_err(|e| e.to_string())
    }
}

/// Input and output samples of one block. Signals cut at multiples of it are resampled alike, wherever
/// the cut is. Both are even, so that the filter is centred on a sample.
pub(super) fn resampling_block(from: u32, to: u32) -> (usize, usize) {
    let divisor = gcd(from, to);
    let (from, to) = ((from / divisor) as usize, (to / divisor) as usize);
    let times = FILTER.div_ceil(from.min(to)).next_multiple_of(2);
    (from * times, to * times)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [(u32, u32); 6] = [
        (48_000, 44_100),
        (44_100, 48_000),
        (16_000, 44_100),
        (44_100, 16_000),
        (22_050, 44_100),
        (44_056, 44_100),
    ];

    fn sine(rate: u32, hertz: f64, n: usize) -> Vec<f32> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..n).map(|i| (0.5 * (step * i as f64).sin()) as f32).collect()
    }

    #[test]
    fn a_sine_keeps_its_phase_and_amplitude() {
        for (from, to) in RATES {
            let n = from as usize; // one second
            let out = resample(&sine(from, 997.0, n), from, to).unwrap();
            let ideal = sine(to, 997.0, to as usize);
            assert_eq!(out.len(), ideal.len());
            let (block, edge) = (resampling_block(from, to).1, ideal.len());
            // The filter looks half a block ahead and back, into silence at the ends.
            let inside = block.min(edge / 3)..edge - block.min(edge / 3);
            let error = inside.map(|i| (out[i] - ideal[i]).abs()).fold(0.0, f32::max);
            assert!(error < 1e-4, "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn an_impulse_stays_where_it_is() {
        for (from, to) in RATES {
            let at = from as usize / 2;
            let mut signal = vec![0.0; from as usize];
            signal[at] = 1.0;
            let out = resample(&signal, from, to).unwrap();
            let peak = (0..out.len())
                .max_by(|&a, &b| out[a].abs().total_cmp(&out[b].abs()))
                .unwrap();
            assert!(peak.abs_diff(to as usize / 2) <= 1, "{from} -> {to}: {peak}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_removed() {
        let out = resample(&sine(44_100, 9_000.0, 44_100), 44_100, 16_000).unwrap();
        let rest = out[4000..12_000].iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(rest < 1e-4, "{rest}");
    }

    #[test]
    fn lengths_are_exact_and_pieces_make_no_difference() {
        for (from, to) in RATES.into_iter().chain([(44_100, 44_100)]) {
            for n in [0, 1, 2, 100, 4410, 30_001] {
                let signal = sine(from, 440.0, n);
                let whole = resample(&signal, from, to).unwrap();
                assert_eq!(
                    whole.len(),
                    (n as f64 * f64::from(to) / f64::from(from)).round() as usize
                );
                for piece in [1, 777, 50_000] {
                    let (mut resampler, mut out) = (Resampler::new(from, to).unwrap(), Vec::new());
                    for part in signal.chunks(piece) {
                        resampler.push(part, &mut out).unwrap();
                    }
                    resampler.finish(&mut out).unwrap();
                    assert!(out == whole, "{from} -> {to}, {n} samples in pieces of {piece}");
                }
            }
        }
    }

    #[test]
    fn impossible_rates_are_errors() {
        assert!(matches!(
            Resampler::new(0, 44_100),
            Err(AudioError::Resample { .. })
        ));
        assert!(matches!(
            Resampler::new(1, 4_000_000_007),
            Err(AudioError::Resample { .. })
        ));
    }
}
