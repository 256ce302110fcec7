//! Where stems get their room, level and names.

use rand_chacha::ChaCha8Rng;

use super::{
    draw::between,
    dsp::{OnePole, RATE, fade, gain, samples},
};
use crate::{
    corpus::{DRUM_PROGRAM, general_midi},
    generate::write::{NewStem, Note},
};

/// Room and mixing desk of one piece.
pub(super) struct Studio {
    room: Room,
    rng: ChaCha8Rng,
    /// The stems, in the order they came in.
    pub stems: Vec<NewStem>,
}

impl Studio {
    pub fn draw(tempo: f64, mut rng: ChaCha8Rng) -> Self {
        // Slow pieces stand in larger rooms.
        let slow = ((140.0 - tempo as f32) / 70.0).clamp(0.0, 1.0);
        let room = Room {
            size: between(&mut rng, 0.6, 1.2) + 0.3 * slow,
            decay: between(&mut rng, 0.3, 0.9) + 0.6 * slow,
            damping: between(&mut rng, 2_500.0, 7_000.0),
        };
        Studio {
            room,
            rng,
            stems: Vec::new(),
        }
    }

    /// Puts a stem into the room, at `level` dB (give or take a little) while it sounds.
    pub fn add(&mut self, program: u16, level: f32, notes: Vec<Note>, mut samples: Vec<f32>) {
        let rng = &mut self.rng;
        let inst_class = general_midi::class(program);
        // Low instruments stay dry.
        let wet = if inst_class == "Bass" {
            0.03
        } else {
            between(rng, 0.08, 0.3)
        };
        // Microphone and desk colour every stem of every piece a little differently.
        let (mut low, above) = (
            OnePole::new(between(rng, 500.0, 1_800.0)),
            gain(between(rng, -5.0, 7.0)),
        );
        for x in &mut samples {
            let below = low.low(*x);
            *x = below + above * (*x - below);
        }
        self.room.apply(&mut samples, wet);
        let level = gain(level + between(rng, -1.5, 1.5)) / active_rms(&samples).max(1e-6);
        samples.iter_mut().for_each(|x| *x *= level);
        fade_out(&mut samples);
        self.stems.push(NewStem {
            program,
            program_name: general_midi::program_name(program.min(DRUM_PROGRAM)).into(),
            inst_class: inst_class.into(),
            plugin_name: format!("stemwise_{}", inst_class.to_lowercase().replace(' ', "_")),
            samples,
            notes,
        });
    }
}

/// The room a piece is played in.
#[derive(Clone, Copy)]
struct Room {
    /// Scale of the delays, about 0.6 (booth) to 1.6 (hall).
    size: f32,
    decay: f32,
    /// Cutoff of what the walls give back.
    damping: f32,
}

impl Room {
    /// Adds `wet` times the room's answer to `samples`: a feedback network of four delays.
    fn apply(&self, samples: &mut [f32], wet: f32) {
        let delays = [1_117.0, 1_361.0, 1_583.0, 1_877.0].map(|d: f32| (d * self.size) as usize + 1);
        let feedback = delays.map(|d| 0.5 * fade(self.decay).powi(d as i32));
        let mut lines = delays.map(|d| vec![0f32; d]);
        let mut walls = [OnePole::new(self.damping); 4];
        let mut at = [0usize; 4];
        for sample in samples.iter_mut() {
            let mut out = [0f32; 4];
            for k in 0..4 {
                out[k] = walls[k].low(lines[k][at[k]]);
            }
            let sum: f32 = out.iter().sum();
            for k in 0..4 {
                // Householder matrix: lossless, mixes every line into every other.
                lines[k][at[k]] = *sample + 2.0 * feedback[k] * (out[k] - 0.5 * sum);
                at[k] = if at[k] + 1 == delays[k] { 0 } else { at[k] + 1 };
            }
            *sample += wet * (out[0] - out[1] + out[2] - out[3]);
        }
    }
}

/// Takes the last 50 ms down to silence.
fn fade_out(stem: &mut [f32]) {
    let length = stem.len().min(samples(0.05));
    let last = stem.iter_mut().rev().take(length);
    last.enumerate().for_each(|(i, x)| *x *= i as f32 / length as f32);
}

/// RMS over the 50 ms blocks that sound (within 40 dB of the loudest); 0 for silence.
fn active_rms(samples: &[f32]) -> f32 {
    let blocks = samples.chunks((0.05 * RATE) as usize);
    let power = blocks.map(|block| block.iter().map(|x| x * x).sum::<f32>() / block.len() as f32);
    let powers: Vec<f32> = power.collect();
    let floor = powers.iter().fold(0.0f32, |a, b| a.max(*b)) * 1e-4;
    let (sum, count) = powers
        .iter()
        .filter(|p| **p > floor)
        .fold((0.0, 0), |(s, n), p| (s + p, n + 1));
    (sum / count.max(1) as f32).sqrt()
}
