//! Filters and other small parts of the sound. Audio is mono f32 at [`RATE`]; frequencies are in Hz, times in seconds,
//! and a decay is the time in which a signal falls by 60 dB.

use std::f32::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Sample rate of everything synthesised, in Hz.
pub(super) const RATE: f32 = 44_100.0;

/// Amplitude factor of a level in dB.
pub(super) fn gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Frequency factor of an interval in cents.
pub(super) fn interval(cents: f32) -> f32 {
    (cents / 1200.0).exp2()
}

/// Samples in a time.
pub(super) fn samples(seconds: f32) -> usize {
    (seconds * RATE) as usize
}

/// White noise, uniform in −1…1: a congruential generator, several times as fast as one that must surprise.
pub(super) struct Hiss(u32);

impl Hiss {
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        Hiss(rng.random())
    }

    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 as i32 >> 8) as f32 / (1 << 23) as f32
    }
}

/// What is left after `t` seconds of a signal with this decay.
pub(super) fn left(t: f32, decay: f32) -> f32 {
    (-6.907_755 * t / decay.max(1e-3)).exp()
}

/// What is left of it from one sample to the next.
pub(super) fn fade(decay: f32) -> f32 {
    left(1.0 / RATE, decay)
}

/// First-order low-pass.
#[derive(Clone, Copy)]
pub(super) struct OnePole {
    coefficient: f32,
    state: f32,
}

impl OnePole {
    pub fn new(cutoff: f32) -> Self {
        let coefficient = 1.0 - (-TAU * cutoff / RATE).exp();
        OnePole {
            coefficient,
            state: 0.0,
        }
    }

    pub fn low(&mut self, x: f32) -> f32 {
        self.state += self.coefficient * (x - self.state);
        self.state
    }
}

/// State-variable filter (trapezoidal integrators), stable under modulation.
#[derive(Clone, Copy, Default)]
pub(super) struct Svf {
    a: [f32; 3],
    k: f32,
    state: [f32; 2],
}

impl Svf {
    pub fn new(cutoff: f32, q: f32) -> Self {
        let mut filter = Svf::default();
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

/// What rounds off a unit step at phase 0 of an oscillator that moves by `step` (frequency / rate) a sample: polyBLEP.
pub(super) fn blep(phase: f32, step: f32) -> f32 {
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
    pub level: f32,
    pub decay: f32,
}

impl Partial {
    pub fn new(hz: f32, level: f32, decay: f32) -> Self {
        Partial { hz, level, decay }
    }
}

/// Adds a bank of decaying sinusoids (modal synthesis) to `out`. Eight are turned at a time, in arrays of fixed size,
/// which the compiler keeps in vector registers.
pub(super) fn ring(out: &mut [f32], partials: &[Partial]) {
    const LANES: usize = 8;
    for group in partials.chunks(LANES) {
        let [mut re, mut im, mut c, mut s] = [[0f32; LANES]; 4];
        let mut life = 0f32;
        for (lane, p) in group.iter().enumerate().filter(|(_, p)| p.hz < 0.45 * RATE) {
            let (sin, cos) = (TAU * p.hz / RATE).sin_cos();
            re[lane] = p.level;
            c[lane] = cos * fade(p.decay);
            s[lane] = sin * fade(p.decay);
            life = life.max(p.decay * (p.level.abs().max(1e-9) / 3e-5).log10().max(0.0) / 3.0);
        }
        for y in out.iter_mut().take(samples(life)) {
            *y += im.iter().sum::<f32>();
            for lane in 0..LANES {
                let turned = c[lane] * re[lane] - s[lane] * im[lane];
                im[lane] = s[lane] * re[lane] + c[lane] * im[lane];
                re[lane] = turned;
            }
        }
    }
}
