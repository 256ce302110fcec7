//! Everything else: pads, strings, organ, leads, brass, flute, mallets.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    dsp::{OnePole, Oscillator, Partial, RATE, Svf, Swell, hz, low_cut, noise, release, ring},
    melody::Role,
    perform::{between, pick, render},
};
use crate::corpus::write::Note;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Engine {
    /// Detuned saws through a low-pass.
    Ensemble,
    Organ,
    Lead,
    Brass,
    Wind,
    Mallet,
}

/// How a residual instrument sounds.
pub(super) struct Patch {
    pub program: u16,
    pub name: &'static str,
    pub role: Role,
    /// Middle of its range, as a MIDI key.
    pub centre: u8,
    engine: Engine,
    /// 0–1, darker to brighter.
    tone: f32,
    attack: f32,
    fade: f32,
    detune: f32,
    vibrato: (f32, f32),
    drawbars: [f32; 8],
}

type Row = (u16, &'static str, Engine, &'static [Role], (u8, u8));

const PATCHES: [Row; 14] = [
    (
        11,
        "Vibraphone",
        Engine::Mallet,
        &[Role::Figure, Role::Melody],
        (67, 74),
    ),
    (12, "Marimba", Engine::Mallet, &[Role::Figure], (62, 72)),
    (
        16,
        "Drawbar Organ",
        Engine::Organ,
        &[Role::Pad, Role::Stabs],
        (60, 66),
    ),
    (
        18,
        "Rock Organ",
        Engine::Organ,
        &[Role::Pad, Role::Stabs],
        (60, 66),
    ),
    (48, "String Ensemble 1", Engine::Ensemble, &[Role::Pad], (62, 72)),
    (50, "SynthStrings 1", Engine::Ensemble, &[Role::Pad], (60, 72)),
    (
        61,
        "Brass Section",
        Engine::Brass,
        &[Role::Stabs, Role::Pad],
        (60, 68),
    ),
    (56, "Trumpet", Engine::Brass, &[Role::Melody], (67, 74)),
    (73, "Flute", Engine::Wind, &[Role::Melody], (74, 82)),
    (75, "Pan Flute", Engine::Wind, &[Role::Melody], (70, 78)),
    (
        80,
        "Lead 1 (square)",
        Engine::Lead,
        &[Role::Melody, Role::Figure],
        (67, 76),
    ),
    (
        81,
        "Lead 2 (sawtooth)",
        Engine::Lead,
        &[Role::Melody, Role::Figure],
        (67, 76),
    ),
    (89, "Pad 2 (warm)", Engine::Ensemble, &[Role::Pad], (58, 68)),
    (
        90,
        "Pad 3 (polysynth)",
        Engine::Ensemble,
        &[Role::Pad, Role::Stabs],
        (60, 70),
    ),
];

impl Patch {
    /// A patch, of another role than `other` if one is given.
    pub fn draw(other: Option<Role>, rng: &mut ChaCha8Rng) -> Self {
        let fits = |roles: &[Role]| roles.iter().any(|role| Some(*role) != other);
        let rows: Vec<Row> = PATCHES.into_iter().filter(|row| fits(row.3)).collect();
        let (program, name, engine, roles, (low, high)) = pick(rng, &rows);
        let roles: Vec<Role> = roles
            .iter()
            .copied()
            .filter(|role| Some(*role) != other)
            .collect();
        let role = pick(rng, &roles);
        let slow = engine == Engine::Ensemble && role == Role::Pad;
        let mut drawbars = [1.0, 0.6, 0.9, 0.6, 0.35, 0.4, 0.3, 0.3];
        drawbars.iter_mut().for_each(|bar| *bar *= between(rng, 0.1, 1.0));
        Patch {
            program,
            name,
            role,
            centre: rng.random_range(low..=high),
            engine,
            tone: between(rng, 0.0, 1.0),
            attack: if slow {
                between(rng, 0.05, 0.25)
            } else {
                between(rng, 0.008, 0.04)
            },
            fade: if slow {
                between(rng, 0.4, 1.0)
            } else {
                between(rng, 0.1, 0.25)
            },
            detune: between(rng, 4.0, 14.0),
            vibrato: (between(rng, 4.5, 6.5), between(rng, 0.08, 0.3)),
            drawbars,
        }
    }

    /// The stem.
    pub fn render(&self, notes: &[Note], tempo: f64, length: usize, mut rng: ChaCha8Rng) -> Vec<f32> {
        let mut stem = render(notes, tempo, length, |note, hold, out| {
            let velocity = note.velocity as f32 / 127.0;
            out.resize(hold + (self.fade.max(0.1) * RATE) as usize, 0.0);
            match self.engine {
                Engine::Ensemble => self.ensemble(note.key, velocity, hold, out, &mut rng),
                Engine::Organ => self.organ(note.key, hold, out, &mut rng),
                Engine::Lead => self.lead(note.key, velocity, hold, out),
                Engine::Brass => self.brass(note.key, velocity, hold, out, &mut rng),
                Engine::Wind => self.wind(note.key, velocity, hold, out, &mut rng),
                Engine::Mallet => self.mallet(note.key, velocity, out, &mut rng),
            }
            let level = 0.3 + 0.7 * velocity;
            out.iter_mut().for_each(|x| *x *= level);
        });
        if self.engine == Engine::Organ {
            self.rotate(&mut stem);
        }
        low_cut(&mut stem, 90.0);
        stem
    }

    /// Frequency factor of the vibrato `t` seconds into a note: it comes in late.
    fn sway(&self, t: f32, lfo: f32) -> f32 {
        let depth = self.vibrato.1 * ((t - 0.18) / 0.35).clamp(0.0, 1.0);
        1.0 + depth * lfo * 0.0578
    }

    fn ensemble(&self, key: u8, velocity: f32, hold: usize, out: &mut [f32], rng: &mut ChaCha8Rng) {
        let spread = [-1.0, 0.15, 1.0].map(|d| hz(key as f32 + d * self.detune / 100.0) / RATE);
        let mut saws = spread.map(|_| Oscillator::new(rng.random::<f32>()));
        let mut drift = Oscillator::new(rng.random::<f32>());
        let mut low = Svf::new(1_000.0, 0.8);
        let mut swell = Swell::new(self.attack, hold, self.fade);
        let mut bend = 1.0;
        for (i, x) in out.iter_mut().enumerate() {
            let level = swell.level(i);
            if i % 32 == 0 {
                bend = 1.0 + 0.0012 * drift.sine(32.0 * self.vibrato.0 / RATE);
                low.tune(
                    (700.0 + 4_500.0 * self.tone * velocity) * (0.4 + 0.6 * level),
                    0.9,
                );
            }
            let sum: f32 = saws
                .iter_mut()
                .zip(spread)
                .map(|(saw, step)| saw.saw(step * bend))
                .sum();
            *x = 0.4 * level * low.low(sum);
        }
    }

    fn organ(&self, key: u8, hold: usize, out: &mut [f32], rng: &mut ChaCha8Rng) {
        const HARMONICS: [f32; 8] = [0.5, 1.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0];
        // Undamped modes are plain sines, and cheap; the tonewheels are never quite in phase.
        let partials: Vec<Partial> = HARMONICS
            .iter()
            .zip(self.drawbars)
            .map(|(h, bar)| Partial {
                hz: h * hz(key as f32) * (1.0 + 3e-4 * noise(rng)),
                amplitude: 0.35 * bar,
                t60: 600.0,
            })
            .collect();
        ring(out, &partials);
        let mut swell = Swell::new(0.006, hold, 0.06);
        let mut click = Svf::new(2_500.0, 1.0);
        for (i, x) in out.iter_mut().enumerate() {
            let tap = if i < 300 {
                0.3 * self.tone * click.band(noise(rng))
            } else {
                0.0
            };
            *x = (*x + tap) * swell.level(i);
        }
    }

    /// A rotating loudspeaker: a swaying delay and level, after a warm valve.
    fn rotate(&self, stem: &mut [f32]) {
        let mut line = [0f32; 128];
        let mut horn = Oscillator::new(0.0);
        let mut cabinet = OnePole::new(4_000.0 + 4_000.0 * self.tone);
        let rate = if self.tone > 0.5 { 6.3 } else { 0.9 } / RATE;
        for (i, x) in stem.iter_mut().enumerate() {
            line[i % 128] = (*x * (0.6 + self.tone)).tanh();
            let turn = horn.sine(rate);
            let back = 30.0 + 12.0 * turn;
            let (whole, part) = (back as usize, back.fract());
            let at = |d: usize| line[(i + 128 - d) % 128];
            let moved = at(whole) * (1.0 - part) + at(whole + 1) * part;
            *x = cabinet.low(moved * (1.0 + 0.2 * turn));
        }
    }

    fn lead(&self, key: u8, velocity: f32, hold: usize, out: &mut [f32]) {
        let (mut main, mut second) = (Oscillator::new(0.0), Oscillator::new(0.37));
        let mut lfo = Oscillator::new(0.0);
        let mut low = Svf::new(2_000.0, 1.2);
        let mut swell = Swell::new(self.attack, hold, self.fade);
        let step = hz(key as f32) / RATE;
        let apart = (self.detune / 1200.0).exp2();
        for (i, x) in out.iter_mut().enumerate() {
            let t = i as f32 / RATE;
            if i % 32 == 0 {
                low.tune(
                    800.0 + 5_000.0 * self.tone * velocity * (0.4 + 0.6 * (-t / 0.25).exp()),
                    1.4,
                );
            }
            let step = step * self.sway(t, lfo.sine(self.vibrato.0 / RATE));
            let wave = if self.program == 80 {
                main.pulse(step, 0.35 + 0.15 * self.tone) + 0.4 * second.pulse(step * apart, 0.5)
            } else {
                main.saw(step) + 0.8 * second.saw(step * apart)
            };
            *x = 0.4 * low.low(wave) * swell.level(i) * (0.75 + 0.25 * (-t / 0.2).exp());
        }
    }

    /// Brass gets brighter as it gets louder: the filter follows the swell.
    fn brass(&self, key: u8, velocity: f32, hold: usize, out: &mut [f32], rng: &mut ChaCha8Rng) {
        let players = if self.program == 61 { 2 } else { 1 };
        let mut saws: Vec<Oscillator> = (0..players)
            .map(|_| Oscillator::new(rng.random::<f32>()))
            .collect();
        let mut lfo = Oscillator::new(0.0);
        let mut low = [Svf::new(500.0, 1.0), Svf::new(500.0, 0.6)];
        let mut swell = Swell::new(0.025 + 0.5 * self.attack, hold, 0.1);
        let step = hz(key as f32) / RATE;
        for (i, x) in out.iter_mut().enumerate() {
            let t = i as f32 / RATE;
            let level = swell.level(i);
            if i % 16 == 0 {
                let blat = 1.0 + 0.5 * (-t / 0.08).exp();
                let open = 350.0 + (1_600.0 + 3_500.0 * self.tone) * velocity * level * level * blat;
                low[0].tune(open, 1.0);
                low[1].tune(1.6 * open, 0.6);
            }
            // The lip finds the pitch from a little below.
            let scoop = 1.0 - 0.012 * (-t / 0.03).exp();
            let step = step * scoop * self.sway(t, lfo.sine(self.vibrato.0 / RATE));
            let sum: f32 = saws
                .iter_mut()
                .enumerate()
                .map(|(k, s)| s.saw(step * (1.0 + 0.003 * k as f32)))
                .sum();
            let filtered = low[0].low(0.6 * sum);
            *x = low[1].low(filtered) * level;
        }
    }

    /// A few harmonics and the breath around them.
    fn wind(&self, key: u8, velocity: f32, hold: usize, out: &mut [f32], rng: &mut ChaCha8Rng) {
        let f0 = hz(key as f32);
        let mut phase = 0.0f32;
        let mut lfo = Oscillator::new(0.0);
        let mut breath = Svf::new(f0, 3.0);
        let mut air = Svf::new(3_500.0, 0.7);
        let mut swell = Swell::new(0.03 + self.attack, hold, 0.12);
        let breathy = if self.program == 75 { 0.5 } else { 0.18 } * (0.5 + self.tone);
        for (i, x) in out.iter_mut().enumerate() {
            let t = i as f32 / RATE;
            let turn = lfo.sine(self.vibrato.0 / RATE);
            phase = (phase + f0 / RATE * self.sway(t, turn)).fract();
            let (s, c) = (std::f32::consts::TAU * phase).sin_cos();
            // Second and third harmonic from the first by double and triple angles.
            let (h2, h3) = (2.0 * s * c, s * (3.0 - 4.0 * s * s));
            let tone = s + (0.15 + 0.45 * velocity * self.tone) * h2 + 0.18 * velocity * h3;
            let n = noise(rng);
            let chiff = 1.0 + 2.5 * (-t / 0.03).exp();
            let wind = breathy * chiff * (0.7 * breath.band(n) + 0.12 * air.band(n));
            *x = (0.6 * tone * (1.0 + 0.12 * turn) + wind) * swell.level(i);
        }
    }

    /// Bars of metal or wood: few modes, tuned 1 : 4 : 10, the upper ones gone at once.
    fn mallet(&self, key: u8, velocity: f32, out: &mut Vec<f32>, rng: &mut ChaCha8Rng) {
        let f0 = hz(key as f32);
        let metal = self.program == 11;
        let t60 = if metal { 3.5 } else { 0.9 } * (440.0 / f0).sqrt() * (0.7 + 0.6 * self.tone);
        if metal {
            let held = out.len();
            out.resize(held + (0.5 * RATE) as usize, 0.0);
        } else {
            out.resize((t60 * RATE) as usize, 0.0);
        }
        let hard = velocity * (0.3 + 0.7 * self.tone);
        let modes = [
            (1.0, 0.7, 1.0),
            (3.98, 0.35 * hard, 0.35),
            (10.2, 0.2 * hard, 0.12),
            (2.0, 0.05, 0.6),
        ];
        ring(
            out,
            &modes.map(|(r, amplitude, life)| Partial {
                hz: f0 * r,
                amplitude,
                t60: t60 * life,
            }),
        );
        let mut knock = Svf::new(1_200.0 + 2_000.0 * self.tone, 0.8);
        for (i, x) in out.iter_mut().take(600).enumerate() {
            *x += 0.4 * hard * knock.band(noise(rng)) * (-(i as f32) / 90.0).exp();
        }
        let end = out.len().saturating_sub((0.4 * RATE) as usize);
        release(out, end, 0.4);
    }
}
