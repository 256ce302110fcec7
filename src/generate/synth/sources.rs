//! The sources of a sound: strings, oscillators and noise. What their values mean is said in `patches.toml`.

use std::f32::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::{
    draw::{between, row},
    dsp::{Hiss, OnePole, Partial, RATE, Svf, blep, fade, interval, left, samples},
};

/// Samples from one step of everything that changes slowly to the next.
pub(super) const SLOW: usize = 16;

/// A note, as its sources see it.
pub(super) struct Tone {
    pub hz: f32,
    /// 0–1.
    pub velocity: f32,
    /// Factor of all decays.
    pub life: f32,
    /// Rate in Hz and depth in cents.
    pub vibrato: [f32; 2],
    /// How long it is held.
    pub seconds: f32,
}

impl Tone {
    /// Frequency factor of the vibrato `t` seconds into the note: it comes in late.
    fn sway(&self, t: f32) -> f32 {
        let [rate, cents] = self.vibrato;
        if cents == 0.0 || t < 0.18 {
            return 1.0;
        }
        let depth = cents * ((t - 0.18) / 0.35).min(1.0);
        interval(depth * (TAU * rate * t).sin())
    }
}

row! {
    /// A piano's strings, in pairs.
    Hammer { soft: f32 = 0.0, hard: f32 = 0.0, at: f32 = 0.1, cents: f32 = 0.0, decay: f32 = 1.0 }
}

impl Hammer {
    /// Stiff strings: partials stretched, the two strings beating and decaying unlike each other, the upper partials
    /// dying first and coming out only under a hard blow.
    pub fn partials(&self, tone: &Tone, rng: &mut ChaCha8Rng) -> Vec<Partial> {
        let stiffness = 3e-4 * (tone.hz / 147.0).clamp(0.25, 20.0);
        let bright = self.soft + self.hard * tone.velocity;
        let mut partials = Vec::with_capacity(48);
        for n in (1..=24u8).map(f32::from) {
            let hz = n * tone.hz * (1.0 + stiffness * n * n).sqrt();
            let comb = (PI * n * self.at).sin().abs() + 0.05;
            let level = comb * (n.powf(-0.7) * (-hz / bright).exp() + 0.02 * tone.velocity / (n * n));
            if hz > 12_000.0 || level < 2e-4 {
                continue;
            }
            // Partials leave the soundboard in any phase; all in one, they would pile up to a spike.
            let level = if rng.random_bool(0.5) { level } else { -level };
            let decay = self.decay * tone.life / (1.0 + 0.12 * n + hz / 4_000.0);
            let beating = hz * interval(self.cents * between(rng, 0.7, 1.3));
            partials.push(Partial::new(hz, level, 0.35 * decay));
            partials.push(Partial::new(beating, 0.55 * level, decay));
        }
        partials
    }
}

row! {
    /// A plucked string (extended Karplus–Strong). The damping is the weight of the previous sample in the loop's
    /// two-point average, 0–0.5.
    Pluck {
        soft: f32 = 0.0, hard: f32 = 0.0, at: f32 = 0.2, noise: f32 = 0.0, damping: f32 = 0.3, decay: f32 = 1.0,
        mute: f32 = 0.0,
    }
}

impl Pluck {
    /// Adds the string to `out`, with amplitude about 1.
    pub fn add_to(&self, out: &mut [f32], tone: &Tone, rng: &mut ChaCha8Rng) {
        let bright = self.soft + self.hard * tone.velocity;
        let (bright, damping, decay) = match tone.seconds < self.mute {
            true => (0.5 * bright, (self.damping + 0.14).min(0.5), 0.35),
            false => (bright, self.damping, self.decay * tone.life),
        };
        // Loop delay: line + damping filter + an all-pass for the fraction.
        let period = (RATE / tone.hz).max(4.0);
        let line = (period - damping - 0.3).floor();
        let fraction = period - damping - line;
        let all_pass = (1.0 - fraction) / (1.0 + fraction);
        let mut string = self.plucked(line as usize, bright, rng);
        let round = left(1.0 / tone.hz, decay);
        let (mut at, mut previous, mut x1, mut y1) = (0, 0.0, 0.0, 0.0);
        for y in out.iter_mut() {
            let x = string[at];
            let damped = round * (x + damping * (previous - x));
            previous = x;
            y1 = all_pass * (damped - y1) + x1;
            x1 = damped;
            string[at] = y1;
            at = if at + 1 == string.len() { 0 } else { at + 1 };
            *y += x;
        }
    }

    /// A string of `n` samples at the moment of the pluck.
    fn plucked(&self, n: usize, bright: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        // A pluck at p starts the velocity wave as two levels with mean zero: harmonics sin(nπp)/n.
        let edge = ((self.at * n as f32) as usize).clamp(1, n - 1);
        let share = edge as f32 / n as f32;
        let wave = |i| if i < edge { 1.0 - share } else { -share };
        let mut hiss = Hiss::new(rng);
        let pluck = |i| wave(i) * (1.0 - self.noise) + self.noise * hiss.next();
        let mut string: Vec<f32> = (0..n).map(pluck).collect();
        let mut soften = OnePole::new(bright);
        for _ in 0..2 {
            // Twice round: the second pass starts from the first one's end, as the string is a ring.
            string.iter_mut().for_each(|x| *x = soften.low(*x));
        }
        let mean = string.iter().sum::<f32>() / n as f32;
        let power = string.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n as f32;
        let level = 0.4 / power.sqrt().max(0.05);
        string.iter_mut().for_each(|x| *x = (*x - mean) * level);
        string
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    Sine,
    Saw,
    Pulse,
}

row! {
    /// A band-limited oscillator.
    Wave {
        shape: Shape = Shape::Sine, width: f32 = 0.5, ratio: f32 = 1.0, cents: f32 = 0.0, level: f32 = 1.0,
        decay: f32 = 0.0, bend: [f32; 2] = [0.0, 1.0], fm: [f32; 2] = [0.0, 1.0],
    }
}

impl Wave {
    pub fn add_to(&self, out: &mut [f32], tone: &Tone, rng: &mut ChaCha8Rng) {
        let step = tone.hz * self.ratio * interval(self.cents) / RATE;
        let fade = if self.decay > 0.0 {
            fade(self.decay * tone.life)
        } else {
            1.0
        };
        // A struck sine starts at zero, a chorus of others anywhere.
        let (mut phase, mut level) = (rng.random(), self.level);
        if let Shape::Sine = self.shape {
            phase = 0.0;
        }
        for (block, chunk) in out.chunks_mut(SLOW).enumerate() {
            let t = (block * SLOW) as f32 / RATE;
            let step = step * (1.0 + self.bend[0] * (-t / self.bend[1]).exp()) * tone.sway(t);
            let index = self.fm[0] * tone.velocity * (0.3 + left(t, self.fm[1]));
            for x in chunk {
                let turn = TAU * phase;
                let wave = match self.shape {
                    Shape::Sine if index > 0.0 => (turn + index * turn.sin()).sin(),
                    Shape::Sine => turn.sin(),
                    Shape::Saw => 2.0 * phase - 1.0 - blep(phase, step),
                    Shape::Pulse => self.pulse(phase, step),
                };
                *x += level * wave;
                level *= fade;
                phase += step;
                phase -= if phase >= 1.0 { 1.0 } else { 0.0 };
            }
        }
    }

    fn pulse(&self, phase: f32, step: f32) -> f32 {
        let high = phase < self.width;
        let since = phase - self.width + if high { 1.0 } else { 0.0 };
        let level = if high { 1.0 } else { -1.0 };
        level + blep(phase, step) - blep(since, step) - (2.0 * self.width - 1.0)
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pass {
    Band,
    High,
}

row! {
    /// Filtered noise.
    Noise {
        pass: Pass = Pass::Band, hz: f32 = 0.0, track: f32 = 0.0, q: f32 = 0.8, level: f32 = 1.0, delay: f32 = 0.0,
        attack: f32 = 0.0, decay: f32 = 0.0, metal: [f32; 2] = [0.0; 2],
    }
}

/// Pitches that clash as those of a cymbal do, eight for the sake of vector registers.
const METAL: [f32; 8] = [1.0, 1.2312, 1.342, 1.6532, 1.9523, 2.1523, 2.417, 2.7391];

impl Noise {
    pub fn add_to(&self, out: &mut [f32], tone: &Tone, rng: &mut ChaCha8Rng) {
        let hz = self.hz + self.track * tone.hz;
        let mut filters = [Svf::new(hz, self.q), Svf::new(0.8 * hz, 0.7)];
        let [lowest, share] = self.metal;
        let steps = METAL.map(|ratio| ratio * lowest / RATE);
        let mut phases = METAL.map(|_| rng.random::<f32>());
        let (fade, length) = match self.decay {
            0.0 => (1.0, out.len()),
            decay => (fade(decay), samples(1.2 * decay)),
        };
        let rise = 1.0 / (self.attack * RATE).max(1.0);
        let (mut hiss, mut level) = (Hiss::new(rng), self.level);
        for (i, y) in out.iter_mut().skip(samples(self.delay)).take(length).enumerate() {
            let mut x = (1.0 - share) * hiss.next();
            if share > 0.0 {
                for (phase, step) in phases.iter_mut().zip(&steps) {
                    *phase += step;
                    *phase -= if *phase >= 1.0 { 1.0 } else { 0.0 };
                }
                let squares = phases.map(|phase| if phase < 0.5 { 0.25 } else { -0.25 });
                x += share * squares.iter().sum::<f32>();
            }
            let [first, second] = &mut filters;
            let passed = match self.pass {
                Pass::Band => first.band(x),
                Pass::High => second.high(first.high(x)),
            };
            *y += level * (i as f32 * rise).min(1.0) * passed;
            level *= fade;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_plucked_string_is_in_tune() {
        let text = "soft = 2000\nhard = 0\nat = 0.2\nnoise = 0.2\ndamping = 0.3\ndecay = 6";
        let pluck: Pluck = toml::from_str(text).unwrap();
        for hz in [41.2, 110.0, 329.6, 880.0] {
            let mut out = vec![0.0; 44_100];
            let tone = Tone {
                hz,
                velocity: 1.0,
                life: 1.0,
                vibrato: [0.0; 2],
                seconds: 1.0,
            };
            pluck.add_to(&mut out, &tone, &mut ChaCha8Rng::seed_from_u64(1));
            // Correlate with sines around the wanted frequency; the nearest must win.
            let power = |cents: i32| {
                let w = std::f64::consts::TAU * (hz * interval(cents as f32)) as f64 / RATE as f64;
                let (re, im) = out.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, x)| {
                    (
                        re + *x as f64 * (w * i as f64).cos(),
                        im + *x as f64 * (w * i as f64).sin(),
                    )
                });
                re * re + im * im
            };
            let best = (-30..=30)
                .step_by(2)
                .max_by(|a, b| power(*a).total_cmp(&power(*b)));
            assert!(
                best.is_some_and(|cents| cents.abs() <= 8),
                "{hz} Hz is off by {best:?} cents"
            );
        }
    }
}
