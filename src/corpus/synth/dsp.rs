//! The sound generators and filters that the instruments are built from. Audio is mono f32 at
//! [`RATE`]; frequencies are in Hz, times in seconds.

use std::f32::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Sample rate of everything synthesised, in Hz.
pub(super) const RATE: f32 = 44_100.0;

/// Frequency of a (fractional) MIDI key.
pub(super) fn hz(key: f32) -> f32 {
    440.0 * ((key - 69.0) / 12.0).exp2()
}

/// Amplitude factor of a level in dB.
pub(super) fn gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// White noise, uniform in −1…1.
pub(super) fn noise(rng: &mut ChaCha8Rng) -> f32 {
    rng.random::<f32>() * 2.0 - 1.0
}

/// The factor per sample under which a signal falls by 60 dB in `t60` seconds.
pub(super) fn decay(t60: f32) -> f32 {
    (-6.907_755 / (t60.max(1e-3) * RATE)).exp()
}

/// First-order low-pass.
#[derive(Clone, Copy, Default)]
pub(super) struct OnePole {
    coefficient: f32,
    state: f32,
}

impl OnePole {
    pub fn new(cutoff: f32) -> Self {
        OnePole {
            coefficient: 1.0 - (-TAU * cutoff / RATE).exp(),
            state: 0.0,
        }
    }

    pub fn low(&mut self, x: f32) -> f32 {
        self.state += self.coefficient * (x - self.state);
        self.state
    }

    pub fn high(&mut self, x: f32) -> f32 {
        x - self.low(x)
    }
}

/// State-variable filter (trapezoidal integrators), stable under modulation.
#[derive(Clone, Copy)]
pub(super) struct Svf {
    a: [f32; 3],
    k: f32,
    state: [f32; 2],
}

impl Svf {
    pub fn new(cutoff: f32, q: f32) -> Self {
        let mut filter = Svf {
            a: [0.0; 3],
            k: 1.0,
            state: [0.0; 2],
        };
        filter.tune(cutoff, q);
        filter
    }

    pub fn tune(&mut self, cutoff: f32, q: f32) {
        let g = (PI * cutoff.clamp(10.0, 0.45 * RATE) / RATE).tan();
        self.k = 1.0 / q;
        let a = 1.0 / (1.0 + g * (g + self.k));
        self.a = [a, g * a, g * g * a];
    }

    fn step(&mut self, x: f32) -> (f32, f32) {
        let [a1, a2, a3] = self.a;
        let v3 = x - self.state[1];
        let band = a1 * self.state[0] + a2 * v3;
        let low = self.state[1] + a2 * self.state[0] + a3 * v3;
        self.state = [2.0 * band - self.state[0], 2.0 * low - self.state[1]];
        (low, band)
    }

    pub fn low(&mut self, x: f32) -> f32 {
        self.step(x).0
    }

    /// Band-pass with unit gain at the centre.
    pub fn band(&mut self, x: f32) -> f32 {
        self.step(x).1 * self.k
    }

    pub fn high(&mut self, x: f32) -> f32 {
        let (low, band) = self.step(x);
        x - self.k * band - low
    }
}

/// Band-limited oscillator (polyBLEP).
pub(super) struct Oscillator {
    phase: f32,
}

impl Oscillator {
    pub fn new(phase: f32) -> Self {
        Oscillator { phase: phase.fract() }
    }

    fn advance(&mut self, step: f32) -> f32 {
        let phase = self.phase;
        self.phase += step;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
        }
        phase
    }

    /// `step` is frequency / rate.
    pub fn saw(&mut self, step: f32) -> f32 {
        let phase = self.advance(step);
        2.0 * phase - 1.0 - blep(phase, step)
    }

    pub fn pulse(&mut self, step: f32, width: f32) -> f32 {
        let phase = self.advance(step);
        let fall = if phase >= width {
            phase - width
        } else {
            phase - width + 1.0
        };
        let level = if phase < width { 1.0 } else { -1.0 };
        level + blep(phase, step) - blep(fall, step) - (2.0 * width - 1.0)
    }

    pub fn sine(&mut self, step: f32) -> f32 {
        (TAU * self.advance(step)).sin()
    }
}

/// What rounds off a unit step at phase 0.
fn blep(phase: f32, step: f32) -> f32 {
    if phase < step {
        let t = phase / step;
        2.0 * t - t * t - 1.0
    } else if phase > 1.0 - step {
        let t = (phase - 1.0) / step;
        t * t + 2.0 * t + 1.0
    } else {
        0.0
    }
}

/// One exponentially decaying sinusoid of a struck body.
#[derive(Clone, Copy)]
pub(super) struct Partial {
    pub hz: f32,
    pub amplitude: f32,
    pub t60: f32,
}

const LANES: usize = 8;

/// Adds a bank of decaying sinusoids (modal synthesis) to `out`. Eight are turned at a time, in
/// arrays of fixed size, which the compiler keeps in vector registers.
pub(super) fn ring(out: &mut [f32], partials: &[Partial]) {
    for group in partials.chunks(LANES) {
        let [mut re, mut im, mut c, mut s] = [[0f32; LANES]; 4];
        let mut life = 0f32;
        for (lane, p) in group.iter().enumerate().filter(|(_, p)| p.hz < 0.45 * RATE) {
            let w = TAU * p.hz / RATE;
            re[lane] = p.amplitude;
            c[lane] = w.cos() * decay(p.t60);
            s[lane] = w.sin() * decay(p.t60);
            life = life.max(p.t60 * (p.amplitude.abs().max(1e-9) / 3e-5).log10().max(0.0) / 3.0);
        }
        for y in out.iter_mut().take((life * RATE) as usize) {
            *y += im.iter().sum::<f32>();
            for lane in 0..LANES {
                let turned = c[lane] * re[lane] - s[lane] * im[lane];
                im[lane] = s[lane] * re[lane] + c[lane] * im[lane];
                re[lane] = turned;
            }
        }
    }
}

/// A plucked string (extended Karplus–Strong).
pub(super) struct Pluck {
    pub hz: f32,
    /// Where it is plucked, as a fraction of its length.
    pub position: f32,
    /// Cutoff of the excitation: a harder pluck is brighter.
    pub brightness: f32,
    /// Share of noise in the excitation.
    pub noise: f32,
    /// Weight of the previous sample in the loop's two-point average, 0–0.5: how fast treble dies.
    pub damping: f32,
    /// Decay time of the fundamental.
    pub t60: f32,
}

impl Pluck {
    /// Adds the string to `out`, from its first sample, with amplitude about 1.
    pub fn add_to(&self, out: &mut [f32], rng: &mut ChaCha8Rng) {
        // Loop delay: line + damping filter + an all-pass for the fraction.
        let period = (RATE / self.hz).max(4.0);
        let line = (period - self.damping - 0.3).floor();
        let fraction = period - self.damping - line;
        let all_pass = (1.0 - fraction) / (1.0 + fraction);
        let n = line as usize;
        // A pluck at p starts the velocity wave as two levels with mean zero: harmonics sin(nπp)/n.
        let edge = ((self.position * n as f32) as usize).clamp(1, n - 1);
        let (up, down) = (1.0 - edge as f32 / n as f32, -(edge as f32) / n as f32);
        let mut string: Vec<f32> = (0..n)
            .map(|i| (if i < edge { up } else { down }) * (1.0 - self.noise) + self.noise * noise(rng))
            .collect();
        let mut soften = OnePole::new(self.brightness);
        for _ in 0..2 {
            // Twice round: the second pass starts from the first one's end, as the string is a ring.
            string.iter_mut().for_each(|x| *x = soften.low(*x));
        }
        let mean = string.iter().sum::<f32>() / n as f32;
        let power = string.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n as f32;
        let level = 0.4 / power.sqrt().max(0.05);
        string.iter_mut().for_each(|x| *x = (*x - mean) * level);

        let round = 10f32.powf(-3.0 / (self.t60.max(0.02) * self.hz));
        let (mut at, mut previous, mut x1, mut y1) = (0, 0.0, 0.0, 0.0);
        for y in out.iter_mut() {
            let x = string[at];
            let damped = round * (x + self.damping * (previous - x));
            previous = x;
            y1 = all_pass * (damped - y1) + x1;
            x1 = damped;
            string[at] = y1;
            at += 1;
            if at == n {
                at = 0;
            }
            *y += x;
        }
    }
}

/// Fades `voice` out from sample `hold` on, by 60 dB in `t60` seconds.
pub(super) fn release(voice: &mut [f32], hold: usize, t60: f32) {
    let (factor, mut level) = (decay(t60), 1.0);
    for x in voice.iter_mut().skip(hold) {
        level *= factor;
        *x *= level;
    }
}

/// Linear attack, sustain, exponential release: `level(i)` for a note held for `hold` samples.
pub(super) struct Swell {
    attack: f32,
    hold: usize,
    factor: f32,
    released: f32,
}

impl Swell {
    pub fn new(attack: f32, hold: usize, t60: f32) -> Self {
        Swell {
            attack: 1.0 / (attack * RATE).max(1.0),
            hold,
            factor: decay(t60),
            released: 1.0,
        }
    }

    pub fn level(&mut self, i: usize) -> f32 {
        if i >= self.hold {
            self.released *= self.factor;
        }
        ((i + 1) as f32 * self.attack).min(1.0) * self.released
    }
}

/// Second-order high-pass: takes off DC and rumble.
pub(super) fn low_cut(samples: &mut [f32], cutoff: f32) {
    let mut filter = Svf::new(cutoff, 0.7);
    samples.iter_mut().for_each(|x| *x = filter.high(*x));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_plucked_string_is_in_tune() {
        for hz in [41.2, 110.0, 329.6, 880.0] {
            let mut out = vec![0.0; 44_100];
            let pluck = Pluck {
                hz,
                position: 0.2,
                brightness: 2e3,
                noise: 0.2,
                damping: 0.3,
                t60: 6.0,
            };
            pluck.add_to(&mut out, &mut ChaCha8Rng::seed_from_u64(1));
            // Correlate with sines around the wanted frequency; the nearest must win.
            let power = |f: f32| {
                let (re, im) = out.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, x)| {
                    let w = std::f64::consts::TAU * f as f64 * i as f64 / RATE as f64;
                    (re + *x as f64 * w.cos(), im + *x as f64 * w.sin())
                });
                re * re + im * im
            };
            let cents = (-30..=30).step_by(2).max_by(|a, b| {
                let at = |c: i32| power(hz * (c as f32 / 1200.0).exp2());
                at(*a).total_cmp(&at(*b))
            });
            assert!(
                cents.is_some_and(|c| c.abs() <= 8),
                "{hz} Hz is off by {cents:?} cents"
            );
        }
    }
}
