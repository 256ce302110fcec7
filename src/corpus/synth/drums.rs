//! The drum kit: every sound is made a few times over per piece, and hits choose among them.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    dsp::{OnePole, Partial, RATE, Svf, decay, low_cut, noise, release, ring},
    perform::{between, pick, render},
    rhythm::key,
};
use crate::corpus::write::Note;

/// Takes of each sound, so that repeated hits are not the same samples.
const TAKES: usize = 3;

/// A kit's sizes, tunings and tones.
pub(super) struct Kit {
    kick: Kick,
    snare: Snare,
    /// Highest tom, Hz.
    tom: f32,
    /// Lowest square of the metallic mix, Hz.
    metal: f32,
    hat_cut: f32,
    open: f32,
    ride: f32,
    crash: f32,
    /// Levels of kick, snare, toms, hats, cymbals.
    levels: [f32; 5],
}

struct Kick {
    hz: f32,
    sweep: f32,
    t60: f32,
    click: f32,
    drive: f32,
}

struct Snare {
    hz: f32,
    tone: f32,
    wires: f32,
    t60: f32,
}

impl Kit {
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        // An electronic kit is longer below and cleaner above.
        let electronic = rng.random_bool(0.35);
        let (t60, drive) = if electronic { (0.8, 2.5) } else { (0.35, 1.4) };
        Kit {
            kick: Kick {
                hz: between(rng, 42.0, 62.0),
                sweep: between(rng, 2.0, 5.0),
                t60: t60 * between(rng, 0.7, 1.4),
                click: between(rng, 0.15, 0.6),
                drive: drive * between(rng, 0.7, 1.3),
            },
            snare: Snare {
                hz: between(rng, 150.0, 250.0),
                tone: between(rng, 0.25, 0.7),
                wires: between(rng, 1500.0, 4000.0),
                t60: between(rng, 0.18, 0.5),
            },
            tom: between(rng, 150.0, 230.0),
            metal: between(rng, 180.0, 420.0),
            hat_cut: between(rng, 5500.0, 9000.0),
            open: between(rng, 0.4, 0.9),
            ride: between(rng, 310.0, 520.0),
            crash: between(rng, 1.6, 3.0),
            levels: [
                between(rng, 0.9, 1.15),
                between(rng, 0.85, 1.2),
                between(rng, 0.6, 0.85),
                between(rng, 0.24, 0.42),
                between(rng, 0.24, 0.38),
            ],
        }
    }

    /// The drum stem.
    pub fn render(&self, notes: &[Note], tempo: f64, length: usize, mut rng: ChaCha8Rng) -> Vec<f32> {
        let mut keys: Vec<u8> = notes.iter().map(|n| n.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let takes: Vec<[Vec<f32>; TAKES]> = keys
            .iter()
            .map(|k| std::array::from_fn(|_| self.sound(*k, &mut rng)))
            .collect();
        let hats: Vec<f64> = notes
            .iter()
            .filter(|n| is_hat(n.key))
            .map(|n| n.start_beats * 60.0 / tempo)
            .collect();
        let mut stem = render(notes, tempo, length, |note, _, out| {
            let Ok(which) = keys.binary_search(&note.key) else {
                return;
            };
            let velocity = note.velocity as f32 / 127.0;
            // A soft hit is duller as well as quieter.
            let mut dull = OnePole::new(1200.0 + 17_000.0 * velocity);
            let take = pick(&mut rng, &[0, 1, 2]);
            out.extend(
                takes[which][take]
                    .iter()
                    .map(|x| velocity.powf(1.6) * dull.low(*x)),
            );
            if is_hat(note.key) {
                let now = note.start_beats * 60.0 / tempo;
                let next = hats.partition_point(|t| *t <= now + 1e-9);
                if let Some(next) = hats.get(next) {
                    let choke = ((next - now) * RATE as f64) as usize;
                    release(out, choke, 0.03);
                    out.truncate(choke + (0.03 * RATE) as usize);
                }
            }
        });
        low_cut(&mut stem, 28.0);
        stem
    }

    fn sound(&self, voice: u8, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let [kick, snare, tom, hat, cymbal] = self.levels;
        let (mut sound, level) = match voice {
            key::KICK => (self.kick.sound(rng), kick),
            key::SNARE => (self.snare.sound(rng), snare),
            key::STICK => (stick(self.snare.hz, rng), 0.6 * snare),
            key::CLAP => (clap(self.snare.wires, rng), 0.8 * snare),
            key::HIGH_TOM => (drum(self.tom, 0.5, rng), tom),
            key::MIDDLE_TOM => (drum(self.tom * 0.74, 0.6, rng), tom),
            key::FLOOR_TOM => (drum(self.tom * 0.52, 0.8, rng), tom),
            key::OPEN_HAT => (self.metallic(self.hat_cut, self.open, 0.6, rng), hat),
            key::CRASH => (self.crash(rng), cymbal),
            key::RIDE => (self.ride(rng), cymbal),
            key::SHAKER => (shaker(rng), 0.5 * hat),
            _ => (self.metallic(self.hat_cut, 0.09, 0.45, rng), hat),
        };
        let peak = sound.iter().fold(1e-6f32, |m, x| m.max(x.abs()));
        sound.iter_mut().for_each(|x| *x *= level / peak);
        sound
    }

    /// Six squares at clashing pitches plus noise, high-passed: the sound of a small cymbal.
    fn metallic(&self, cut: f32, t60: f32, tonal: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        const RATIOS: [f32; 6] = [1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523];
        let steps = RATIOS.map(|r| r * self.metal * 1.8 / RATE);
        let mut phases = RATIOS.map(|_| rng.random::<f32>());
        let mut high = [Svf::new(cut, 0.9), Svf::new(0.8 * cut, 0.7)];
        let (factor, mut level) = (decay(t60), 1.0);
        (0..(t60 * 1.2 * RATE) as usize)
            .map(|_| {
                level *= factor;
                let mut squares = 0.0;
                for (phase, step) in phases.iter_mut().zip(steps) {
                    *phase = (*phase + step).fract();
                    squares += if *phase < 0.5 { 0.3 } else { -0.3 };
                }
                let x = tonal * squares + (1.0 - tonal) * noise(rng);
                let x = high[0].high(x);
                level * high[1].high(x)
            })
            .collect()
    }

    fn crash(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut wash = self.metallic(2_600.0, self.crash, 0.3, rng);
        let bright = self.metallic(6_000.0, 0.5, 0.2, rng);
        wash.iter_mut().zip(bright).for_each(|(w, b)| *w += 1.2 * b);
        // The plate needs a moment to open up.
        wash.iter_mut()
            .take(330)
            .enumerate()
            .for_each(|(i, x)| *x *= (i as f32 / 330.0).sqrt());
        wash
    }

    fn ride(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut sound = self.metallic(5_000.0, 0.8, 0.25, rng);
        sound.iter_mut().for_each(|x| *x *= 0.5);
        let partials: Vec<Partial> = (0..16)
            .map(|i| {
                let ratio = 1.0 + 0.83 * i as f32 + between(rng, -0.12, 0.12);
                let t60 = 1.4 / (1.0 + 0.1 * i as f32);
                Partial {
                    hz: self.ride * ratio,
                    amplitude: 0.06,
                    t60,
                }
            })
            .collect();
        sound.resize((1.3 * RATE) as usize, 0.0);
        ring(&mut sound, &partials);
        sound
    }
}

impl Kick {
    /// A sine that falls in pitch, driven a little, and the beater's click.
    fn sound(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let (factor, mut level) = (decay(self.t60), 1.0);
        let mut phase = 0.0f32;
        let mut click = Svf::new(between(rng, 1_500.0, 4_000.0), 0.8);
        (0..(self.t60 * RATE) as usize)
            .map(|i| {
                let t = i as f32 / RATE;
                let pitch = self.hz * (1.0 + self.sweep * (-t / 0.018).exp() + 0.3 * (-t / 0.09).exp());
                phase = (phase + pitch / RATE).fract();
                level *= factor;
                let body = (self.drive * level * (TAU * phase).sin()).tanh() / self.drive.tanh();
                let beater = click.band(noise(rng)) * (-t / 0.004).exp();
                body * (t / 0.001).min(1.0) + self.click * 2.5 * beater
            })
            .collect()
    }
}

impl Snare {
    /// Two modes of the head, and wires rattling under it.
    fn sound(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut out = vec![0.0; ((self.t60 + 0.1) * RATE) as usize];
        let detune = between(rng, 0.985, 1.015);
        let modes = [
            (1.0, 1.0, 0.8),
            (1.59, 0.6, 0.5),
            (2.14, 0.35, 0.35),
            (2.65, 0.2, 0.25),
        ];
        let partials = modes.map(|(ratio, amplitude, t60)| Partial {
            hz: self.hz * ratio * detune,
            amplitude: self.tone * amplitude,
            t60: self.t60 * t60,
        });
        ring(&mut out, &partials);
        let (mut body, mut top) = (Svf::new(self.wires, 0.5), Svf::new(900.0, 0.7));
        let (factor, mut level) = (decay(self.t60), 1.0);
        for (i, y) in out.iter_mut().enumerate() {
            level *= factor;
            let n = noise(rng);
            let hiss = top.high(0.8 * body.band(n) + 0.35 * n);
            let crack = (-(i as f32) / (0.006 * RATE)).exp();
            *y += hiss * (0.9 * level + 1.2 * crack);
        }
        out
    }
}

/// A tom: low modes that sag in pitch a little, and the stick.
fn drum(hz: f32, t60: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut phases = [0.0f32; 3];
    let mut stick = Svf::new(1_800.0, 0.8);
    (0..(t60 * RATE) as usize)
        .map(|i| {
            let t = i as f32 / RATE;
            let bend = 1.0 + 0.25 * (-t / 0.05).exp();
            let mut x = stick.band(noise(rng)) * 0.5 * (-t / 0.006).exp();
            let modes = [(1.0, 1.0, 1.0), (1.59, 0.35, 0.6), (2.3, 0.18, 0.35)];
            for (phase, (ratio, amplitude, life)) in phases.iter_mut().zip(modes) {
                *phase = (*phase + hz * ratio * bend / RATE).fract();
                x += amplitude * (-6.9 * t / (t60 * life)).exp() * (TAU * *phase).sin();
            }
            x
        })
        .collect()
}

fn stick(hz: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut out = vec![0.0; (0.12 * RATE) as usize];
    let partials = [(2.2, 0.3, 0.06), (8.3, 1.0, 0.05), (12.1, 0.5, 0.03)];
    ring(
        &mut out,
        &partials.map(|(r, amplitude, t60)| Partial {
            hz: hz * r,
            amplitude,
            t60,
        }),
    );
    for (i, y) in out.iter_mut().take(200).enumerate() {
        *y += 0.6 * noise(rng) * (-(i as f32) / 40.0).exp();
    }
    out
}

/// Several hands, a few milliseconds apart.
fn clap(cut: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut band = Svf::new(0.45 * cut + 400.0, 1.2);
    let onsets = [0.0, 0.010, 0.021, between(rng, 0.028, 0.034)];
    (0..(0.25 * RATE) as usize)
        .map(|i| {
            let t = i as f32 / RATE;
            let hands = onsets.iter().enumerate().filter(|(_, o)| t >= **o).map(|(k, o)| {
                let t60 = if k == 3 { 0.03 } else { 0.003 };
                (-(t - o) / t60).exp()
            });
            band.band(noise(rng)) * hands.sum::<f32>()
        })
        .collect()
}

fn shaker(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut band = Svf::new(between(rng, 5_500.0, 7_500.0), 1.5);
    (0..(0.09 * RATE) as usize)
        .map(|i| {
            let t = i as f32 / RATE;
            band.band(noise(rng)) * (t / 0.018).min(1.0) * (-t / 0.022).exp()
        })
        .collect()
}

fn is_hat(voice: u8) -> bool {
    matches!(voice, key::CLOSED_HAT | key::OPEN_HAT)
}
