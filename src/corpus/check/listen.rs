//! What a file sounds like, from one pass over its samples.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner, num_complex::Complex32};

use crate::{corpus::silence::AMPLITUDE, signal::hann};

/// Slices a second; sounding and steadiness are judged by these.
pub(super) const SLICES: u32 = 10;
/// 16 bits' largest sample; a float may lie above it.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;
/// A run of as many samples at full scale is clipped: one alone may be a peak that was normalised to it.
const CLIPPED_RUN: u64 = 4;

/// Noise and tones do not get louder and softer: between the 10th and the 90th percentile of its slices' level, such a
/// stem moves by no more than this, in dB. Of the stems of real pieces the steadiest organ moves by 1, drums by 7.
const STEADY: f32 = 3.0;
/// Sounding blocks, of about 0.75 s, without which a stem is too short to be judged.
const LEAST_BLOCKS: usize = 5;
/// The share of blocks (and, for a tone, of the file) that must show what the stem is taken for.
const MOST: f32 = 0.9;
/// Bins that are averaged before the flatness is taken, for which white noise then gives 0.99. A roll on closed
/// hi-hats reaches 0.75, a whole drum kit 0.8 in single blocks.
const BAND: usize = 64;
/// Least flatness of white noise: the geometric mean of the power in all bands up to 90 % of the Nyquist frequency,
/// over the arithmetic mean.
const FLATNESS: f32 = 0.85;
/// Bins on either side of a peak that belong to it: a Hann window's main lobe, and some.
const LOBE: usize = 3;
/// Least share of the power that a tone has in its peak. A whistle or a synthetic bass that holds one note from
/// beginning to end reaches 0.97.
const PURITY: f32 = 0.98;

/// What was heard.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// Length of the file.
    pub frames: u64,
    /// Samples in runs at full scale, and such runs.
    pub clipped: (u64, u64),
    /// Whether it sounds, by tenths of a second: its samples span [`AMPLITUDE`].
    pub sounding: Vec<bool>,
    pub character: Character,
}

/// What kind of sound a whole file is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Character {
    /// The highest and the lowest sample lie less than [`AMPLITUDE`] apart.
    Silent,
    /// All that sounds is steady white noise.
    Noise { flatness: f32 },
    /// One steady sine from beginning to end.
    Tone { hz: f32 },
    /// Anything else.
    Music,
}

/// Listens to mono samples of one file, piece by piece; holds a block of about 0.75 s, and a few bytes for every tenth
/// of a second.
pub(super) struct Listener {
    rate: u32,
    frames: u64,
    span: Span,
    run: u64,
    clipped: (u64, u64),
    slice: Slice,
    slices: Vec<Slice>,
    block: Vec<f32>,
    spectrum: Spectrum,
    blocks: Vec<Block>,
}

#[derive(Clone, Copy, Default)]
struct Slice {
    span: Span,
    energy: f32,
    frames: usize,
}

/// The lowest and the highest sample.
#[derive(Clone, Copy)]
struct Span(f32, f32);

impl Default for Span {
    fn default() -> Self {
        Span(f32::MAX, f32::MIN)
    }
}

impl Span {
    fn extend(&mut self, samples: &[f32]) {
        for &x in samples {
            *self = Span(self.0.min(x), self.1.max(x));
        }
    }

    fn sounds(self) -> bool {
        self.1 - self.0 >= AMPLITUDE
    }
}

struct Block {
    flatness: f32,
    /// The strongest bin, and its share of the power with its neighbours.
    peak: usize,
    purity: f32,
}

impl Listener {
    pub fn new(rate: u32, planner: &mut FftPlanner<f32>) -> Self {
        let block = 1 << (f64::from(rate) * 0.75).log2().round() as u32;
        Self {
            rate,
            frames: 0,
            span: Span::default(),
            run: 0,
            clipped: (0, 0),
            slice: Slice::default(),
            slices: Vec::new(),
            block: Vec::with_capacity(block),
            spectrum: Spectrum::new(block, planner),
            blocks: Vec::new(),
        }
    }

    pub fn push(&mut self, samples: &[f32]) {
        self.frames += samples.len() as u64;
        self.span.extend(samples);
        self.count_clipped(samples);
        let slice = (self.rate / SLICES) as usize;
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(slice - self.slice.frames));
            self.slice.span.extend(now);
            self.slice.energy += now.iter().map(|x| x * x).sum::<f32>();
            self.slice.frames += now.len();
            if self.slice.frames == slice {
                self.slices.push(std::mem::take(&mut self.slice));
            }
            rest = later;
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.spectrum.window.len() - self.block.len()));
            self.block.extend_from_slice(now);
            if self.block.len() == self.spectrum.window.len() {
                self.blocks.extend(self.spectrum.judge(&self.block));
                self.block.clear();
            }
            rest = later;
        }
    }

    fn count_clipped(&mut self, samples: &[f32]) {
        for &x in samples {
            if x.abs() >= FULL_SCALE {
                self.run += 1;
                continue;
            }
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        if self.run >= CLIPPED_RUN {
            self.clipped = (self.clipped.0 + self.run, self.clipped.1 + 1);
        }
        self.run = 0;
    }

    pub fn finish(mut self) -> Heard {
        self.end_run();
        if self.slice.frames > 0 {
            self.slices.push(self.slice);
        }
        Heard {
            frames: self.frames,
            clipped: self.clipped,
            sounding: self.slices.iter().map(|slice| slice.span.sounds()).collect(),
            character: self.character(),
        }
    }

    fn character(&self) -> Character {
        if !self.span.sounds() {
            return Character::Silent;
        }
        let sounding = self.slices.iter().filter(|slice| slice.span.sounds());
        let levels = sounding.map(|s| 10.0 * (s.energy / s.frames as f32).max(1e-20).log10());
        let levels = sorted(levels.collect());
        let steady = percentile(&levels, 0.9) - percentile(&levels, 0.1) <= STEADY;
        if !steady || self.blocks.len() < LEAST_BLOCKS {
            return Character::Music;
        }
        let most = |count: usize, of: usize| count as f32 >= MOST * of as f32;
        let blocks = self.blocks.len();

        let mut peaks: Vec<usize> = self.blocks.iter().map(|b| b.peak).collect();
        peaks.sort_unstable();
        let peak = peaks[blocks / 2];
        let pure = self
            .blocks
            .iter()
            .filter(|b| b.purity >= PURITY && b.peak.abs_diff(peak) <= 1);
        if most(pure.count(), blocks) && most(levels.len(), self.slices.len()) {
            let hz = peak as f32 * self.rate as f32 / self.spectrum.window.len() as f32;
            return Character::Tone { hz };
        }
        let flat = self.blocks.iter().filter(|b| b.flatness >= FLATNESS).count();
        if most(flat, blocks) {
            let flatness = sorted(self.blocks.iter().map(|b| b.flatness).collect());
            return Character::Noise {
                flatness: percentile(&flatness, 0.5),
            };
        }
        Character::Music
    }
}

fn sorted(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_unstable_by(f32::total_cmp);
    values
}

/// Of ascending values; 0 of none.
fn percentile(sorted: &[f32], share: f32) -> f32 {
    let index = (sorted.len().saturating_sub(1) as f32 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

/// Power spectra under a Hann window.
struct Spectrum {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    bins: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Spectrum {
    fn new(size: usize, planner: &mut FftPlanner<f32>) -> Self {
        let fft = planner.plan_fft_forward(size);
        Self {
            window: (0..size).map(|n| hann(n, size) as f32).collect(),
            bins: vec![Complex32::ZERO; size],
            scratch: vec![Complex32::ZERO; fft.get_inplace_scratch_len()],
            fft,
        }
    }

    /// `None` for a silent block.
    fn judge(&mut self, block: &[f32]) -> Option<Block> {
        let mut span = Span::default();
        span.extend(block);
        if !span.sounds() {
            return None;
        }
        for ((bin, x), w) in self.bins.iter_mut().zip(block).zip(&self.window) {
            *bin = Complex32::new(x * w, 0.0);
        }
        self.fft.process_with_scratch(&mut self.bins, &mut self.scratch);
        let power: Vec<f32> = self.bins[..block.len() / 2]
            .iter()
            .map(|x| x.norm_sqr())
            .collect();

        // The lowest bins hold the offset of the signal.
        let total: f32 = power[2..].iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let peak = (2..power.len()).max_by(|&a, &b| power[a].total_cmp(&power[b]))?;
        let lobe = &power[(peak - LOBE.min(peak - 2))..(peak + LOBE + 1).min(power.len())];

        let bands = power[2..].chunks_exact(BAND).map(|band| band.iter().sum::<f32>());
        let bands: Vec<f32> = bands.take(power.len() / BAND * 9 / 10).collect();
        let count = bands.len().max(1) as f32;
        let log = bands.iter().map(|x| x.max(f32::MIN_POSITIVE).ln()).sum::<f32>() / count;
        let mean = bands.iter().sum::<f32>() / count;
        Some(Block {
            flatness: log.exp() / mean.max(f32::MIN_POSITIVE),
            peak,
            purity: lobe.iter().sum::<f32>() / total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 44_100;

    fn hear_at(rate: u32, samples: &[f32]) -> Heard {
        let mut listener = Listener::new(rate, &mut FftPlanner::new());
        samples.chunks(4096).for_each(|chunk| listener.push(chunk));
        listener.finish()
    }

    fn hear(seconds: f32, sample: impl FnMut(f32) -> f32) -> Heard {
        let times = (0..(seconds * RATE as f32) as usize).map(|n| n as f32 / RATE as f32);
        let quantised = |x: f32| (x * 32_768.0).round().clamp(-32_768.0, 32_767.0) / 32_768.0;
        hear_at(RATE, &times.map(sample).map(quantised).collect::<Vec<_>>())
    }

    /// Uniform in ±1.
    fn noise() -> impl FnMut() -> f32 {
        let mut state = 1u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        }
    }

    fn sine(hz: f32, t: f32) -> f32 {
        (std::f64::consts::TAU * f64::from(hz) * f64::from(t)).sin() as f32
    }

    #[test]
    fn steady_white_noise_is_noise_and_shaped_noise_is_music() {
        let mut white = noise();
        for level in [0.9, 0.05, 0.0005] {
            let heard = hear(6.0, |_| level * white()).character;
            assert!(
                matches!(heard, Character::Noise { flatness } if flatness > 0.95),
                "{heard:?}"
            );
        }
        // silent before it begins
        let late = hear(20.0, |t| if t < 12.0 { 0.0 } else { 0.1 * white() }).character;
        assert!(matches!(late, Character::Noise { .. }), "{late:?}");
        let slow: Vec<f32> = (0..100_000).map(|_| 0.1 * white()).collect();
        assert!(matches!(
            hear_at(16_000, &slow).character,
            Character::Noise { .. }
        ));

        let riser = hear(8.0, |t| 0.1 * t * white()).character;
        assert_eq!(riser, Character::Music, "gets louder");
        let hats = hear(8.0, |t| (-20.0 * (t % 0.25)).exp() * white()).character;
        assert_eq!(hats, Character::Music, "struck");
        let mut last = 0.0;
        let coloured = hear(8.0, |_| {
            let x = white();
            0.3 * (x - std::mem::replace(&mut last, x))
        });
        assert_eq!(
            coloured.character,
            Character::Music,
            "high, as a shaker held down"
        );
        let bass = |t: f32| (-6.0 * (t % 0.25)).exp() * sine(50.0, t);
        let hiss = hear(8.0, |t| 0.1 * bass(t) + 0.1 * sine(45.0, t) + 1e-4 * white()).character;
        assert_eq!(hiss, Character::Music, "a deep bass over hiss");
        let short = hear(20.0, |t| if t > 2.0 { 0.0 } else { white() }).character;
        assert_eq!(short, Character::Music, "a burst");
    }

    #[test]
    fn one_sine_throughout_is_a_tone_and_held_notes_are_music() {
        for hz in [41.2, 440.0, 15_000.0] {
            let heard = hear(8.0, |t| 0.3 * sine(hz, t)).character;
            assert!(
                matches!(heard, Character::Tone { hz: at } if (at - hz).abs() < 1.5),
                "{hz}: {heard:?}"
            );
        }
        let mut white = noise();
        let hum = hear(8.0, |t| 0.3 * sine(50.0, t) + 0.01 * white()).character;
        assert!(
            matches!(hum, Character::Tone { .. }),
            "with a little noise: {hum:?}"
        );

        let held = hear(12.0, |t| if t < 8.0 { 0.3 * sine(55.0, t) } else { 0.0 }).character;
        assert_eq!(held, Character::Music, "ends");
        let decaying = hear(8.0, |t| (-0.2 * t).exp() * sine(55.0, t)).character;
        assert_eq!(decaying, Character::Music, "dies away");
        let pulsing = hear(8.0, |t| (-6.0 * (t % 0.25)).exp() * sine(41.2, t)).character;
        assert_eq!(pulsing, Character::Music, "one key, struck again and again");
        let line = hear(8.0, |t| 0.3 * sine([41.2, 43.7, 49.0][t as usize % 3], t)).character;
        assert_eq!(line, Character::Music, "a line of sines");
        let organ = hear(8.0, |t| 0.2 * (sine(220.0, t) + sine(440.0, t) + sine(660.0, t))).character;
        assert_eq!(organ, Character::Music, "harmonics");
    }

    #[test]
    fn silence_clipping_and_sounding_seconds() {
        assert_eq!(
            hear(1.0, |t| 3e-5 * sine(9.0, t) + 0.25).character,
            Character::Silent
        );
        assert_eq!(hear_at(RATE, &[]).character, Character::Silent);
        let half = hear(2.0, |t| if t < 1.0 { 0.1 * sine(99.0, t) } else { 0.0 });
        assert_eq!(half.character, Character::Music, "too short to be judged");
        assert_eq!(half.sounding.len(), 20);
        assert_eq!(half.sounding.iter().filter(|&&s| s).count(), 10);
        assert_eq!(half.frames, 88_200);
        assert_eq!(
            hear(1.0, |t| sine(440.0, t)).clipped,
            (0, 0),
            "normalised to full scale"
        );
        let loud = hear(1.0, |t| 1.5 * sine(100.0, t)).clipped;
        assert_eq!(loud.1, 200, "{loud:?}");
        assert!((0.4..0.6).contains(&(loud.0 as f32 / RATE as f32)), "{loud:?}");
    }
}
