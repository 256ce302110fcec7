//! The one voice that plays every instrument, by its patch.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::{
    draw::{between, row},
    dsp::{Partial, RATE, Svf, fade, interval, left, ring, samples},
    effects::Effects,
    sources::{Hammer, Noise, Pluck, SLOW, Tone, Wave},
};
use crate::generate::write::Note;

/// Seconds that a sound may ring on after its note.
const LONGEST: f32 = 4.0;
/// A drum is sampled this often at each of the strengths at which it is hit, and hits choose among the takes.
const TAKES: u8 = 3;
/// Steps of velocity that are one strength.
const STRENGTH: u8 = 32;

row! {
    /// An instrument or a drum: all of these are explained in `patches.toml`.
    Patch {
        program: u16 = 0,
        name: String = String::new(), key: u8 = 0, level: f32 = 1.0, hz: f32 = 0.0, choked: bool = false,

        lines: Vec<String> = Vec::new(), centre: f32 = 62.0, low: u8 = 36, fret: Option<f32> = None,
        strum: f64 = 0.0, length: f64 = 0.95,

        partials: Vec<[f32; 3]> = Vec::new(), hammer: Option<Hammer> = None, pluck: Option<Pluck> = None,
        waves: Vec<Wave> = Vec::new(), noises: Vec<Noise> = Vec::new(),

        drive: f32 = 0.0, filter: Option<Filter> = None, attack: f32 = 0.0, release: f32 = 0.0, touch: f32 = 0.6,
        scatter: f32 = 0.0, vibrato: [f32; 2] = [0.0; 2],
        effects: Effects = Effects::default(),
    }
}

row! {
    /// A low-pass filter that opens with the sound and closes after the attack.
    Filter {
        base: f32 = 0.0, track: f32 = 0.0, open: f32 = 0.0, sustain: f32 = 1.0, fall: f32 = 1.0, q: f32 = 0.9,
        steep: bool = false,
    }
}

impl Patch {
    /// Sounds a key for `seconds` into `out`, and lets it ring on; without its level and its release.
    fn sound(&self, key: u8, velocity: f32, seconds: f32, rng: &mut ChaCha8Rng, out: &mut Vec<f32>) {
        let drum = self.hz > 0.0;
        let pitch = if drum {
            self.hz
        } else {
            440.0 * interval(100.0 * (key as f32 - 69.0))
        };
        let hz = pitch * interval(self.scatter * between(rng, -1.0, 1.0));
        let tone = Tone {
            hz,
            velocity,
            life: if drum { 1.0 } else { (220.0 / hz).sqrt() },
            vibrato: self.vibrato,
            seconds,
        };
        let tail = if self.release > 0.0 { self.release } else { LONGEST };
        out.clear();
        out.resize(samples(self.lasts(tone.life).min(seconds + tail)), 0.0);

        let partials = self.partials.iter();
        let struck =
            partials.map(|[ratio, level, decay]| Partial::new(ratio * hz, *level, decay * tone.life));
        ring(out, &struck.collect::<Vec<_>>());
        if let Some(hammer) = &self.hammer {
            ring(out, &hammer.partials(&tone, rng));
        }
        if let Some(pluck) = &self.pluck {
            pluck.add_to(out, &tone, rng);
        }
        self.waves.iter().for_each(|wave| wave.add_to(out, &tone, rng));
        self.noises.iter().for_each(|noise| noise.add_to(out, &tone, rng));
        self.shape(out, &tone);
    }

    /// Seconds until the last source has died away.
    fn lasts(&self, life: f32) -> f32 {
        let endless = |decay: f32| if decay > 0.0 { decay } else { f32::INFINITY };
        let partials = self.partials.iter().map(|[_, _, decay]| decay * life);
        let hammer = self.hammer.iter().map(|hammer| hammer.decay * life);
        let pluck = self.pluck.iter().map(|pluck| pluck.decay * life);
        let waves = self.waves.iter().map(|wave| endless(wave.decay) * life);
        let noises = self.noises.iter().map(|noise| noise.delay + endless(noise.decay));
        let sources = partials.chain(hammer).chain(pluck).chain(waves).chain(noises);
        sources.fold(0.0, f32::max)
    }

    /// Filter, drive and attack.
    fn shape(&self, out: &mut [f32], tone: &Tone) {
        let rise = 1.0 / (self.attack * RATE).max(1.0);
        let mut low = [Svf::default(); 2];
        for (block, chunk) in out.chunks_mut(SLOW).enumerate() {
            let swell = |i: usize| (rise * (block * SLOW + i) as f32).min(1.0);
            if let Some(filter) = &self.filter {
                filter.apply(&mut low, chunk, tone, (block * SLOW) as f32 / RATE, swell(0));
            }
            if self.drive > 0.0 {
                chunk.iter_mut().for_each(|x| *x = (self.drive * *x).tanh());
            }
            chunk.iter_mut().enumerate().for_each(|(i, x)| *x *= swell(i + 1));
        }
    }

    /// A hit of a drum, its peak at 1.
    fn take(&self, velocity: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut hit = Vec::new();
        self.sound(self.key, velocity, LONGEST, rng, &mut hit);
        let peak = hit.iter().fold(1e-6f32, |peak, x| peak.max(x.abs()));
        hit.iter_mut().for_each(|x| *x /= peak);
        hit
    }

    /// Ends a sound that is held for `hold` samples.
    fn end(&self, sound: &mut Vec<f32>, hold: usize) {
        if self.release > 0.0 {
            sound.truncate(hold + samples(self.release));
            let (fade, mut left) = (fade(self.release), 1.0);
            for x in sound.iter_mut().skip(hold) {
                left *= fade;
                *x *= left;
            }
        }
    }
}

impl Filter {
    /// Filters the samples from `t` seconds on.
    fn apply(&self, low: &mut [Svf; 2], samples: &mut [f32], tone: &Tone, t: f32, swell: f32) {
        let lost = (1.0 - self.sustain) * (1.0 - left(t, self.fall));
        let cutoff = self.base + self.track * tone.hz + self.open * tone.velocity * swell * (1.0 - lost);
        low[0].tune(cutoff, self.q);
        samples.iter_mut().for_each(|x| *x = low[0].low(*x));
        if self.steep {
            low[1].tune(1.5 * cutoff, 0.7);
            samples.iter_mut().for_each(|x| *x = low[1].low(*x));
        }
    }
}

/// The stem of `notes`, in `length` samples. Every note is played by the patches that have its key or no key of their
/// own: the drums of a kit, or the one patch of another instrument.
pub(super) fn render(
    patches: &[Patch],
    notes: &[Note],
    tempo: f64,
    length: usize,
    mut rng: ChaCha8Rng,
) -> Vec<f32> {
    let samples = |beats: f64| (beats * 60.0 / tempo * RATE as f64).round() as usize;
    let mut stem = vec![0.0; length];
    let (mut takes, mut sound) = (BTreeMap::new(), Vec::new());
    for note in notes.iter().filter(|note| samples(note.start_beats) < length) {
        let (hold, velocity) = (samples(note.beats), note.velocity as f32 / 127.0);
        let mine = |patch: &&Patch| patch.key == 0 || patch.key == note.key;
        for patch in patches.iter().filter(mine) {
            if patch.key == 0 {
                patch.sound(note.key, velocity, hold as f32 / RATE, &mut rng, &mut sound);
            } else {
                let which = (note.key, note.velocity / STRENGTH, rng.random_range(0..TAKES));
                let take = takes
                    .entry(which)
                    .or_insert_with(|| patch.take(velocity, &mut rng));
                sound.clone_from(take);
            }
            patch.end(&mut sound, hold);
            let level = patch.level * velocity.powf(patch.touch);
            let sounding = stem[samples(note.start_beats)..].iter_mut();
            sounding.zip(&sound).for_each(|(y, x)| *y += level * x);
        }
    }
    if let Some(patch) = patches.first() {
        patch.effects.apply(&mut stem);
    }
    stem
}
