//! From a score to sound: groove, human timing, and mixing the voices of one stem.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{dsp::RATE, form::Song};
use crate::corpus::write::Note;

/// Where the off-beats lie, as a fraction of the beat (eighths) and of the half beat (sixteenths);
/// 0.5 is straight, 2/3 a triplet shuffle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Groove {
    pub eighth: f64,
    pub sixteenth: f64,
}

impl Groove {
    /// Moves a straight position in beats to where it is played.
    pub fn place(self, beat: f64) -> f64 {
        let bend = |fraction: f64, middle: f64| {
            if fraction < 0.5 {
                2.0 * middle * fraction
            } else {
                1.0 - 2.0 * (1.0 - middle) * (1.0 - fraction)
            }
        };
        let halves = (beat * 2.0).floor();
        let straight = (halves + bend(beat * 2.0 - halves, self.sixteenth)) / 2.0;
        straight.floor() + bend(straight - straight.floor(), self.eighth)
    }
}

/// One of `choices`, which must not be empty.
pub(super) fn pick<T: Copy>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}

/// Uniform in `low`…`high`.
pub(super) fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// About normal, standard deviation 1, never beyond ±3.
fn wobble(rng: &mut ChaCha8Rng) -> f32 {
    2.0 * (rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5)
}

/// A player: takes straight notes down and plays them with the groove, a little early or late, a
/// little louder or softer.
pub(super) struct Performer<'a> {
    pub song: &'a Song,
    pub rng: ChaCha8Rng,
    /// Beats by which this player lies behind the beat.
    lag: f64,
    /// Standard deviation of the timing, in beats.
    loose: f64,
    notes: Vec<Note>,
}

impl<'a> Performer<'a> {
    pub fn new(song: &'a Song, mut rng: ChaCha8Rng) -> Self {
        let beats = |ms: f32| ms as f64 / 1000.0 * song.tempo / 60.0;
        let lag = beats(between(&mut rng, -4.0, 8.0));
        let loose = beats(between(&mut rng, 2.0, 7.0));
        Performer {
            song,
            rng,
            lag,
            loose,
            notes: Vec::new(),
        }
    }

    /// A note at `beat` (straight, from the start of the piece) for `beats`, velocity 0–1.
    pub fn play(&mut self, beat: f64, beats: f64, key: u8, velocity: f32) {
        let off = self.lag + self.loose * wobble(&mut self.rng) as f64;
        let start = self.song.groove.place(beat);
        let length = (self.song.groove.place(beat + beats) - start).max(0.03);
        let velocity = velocity * (1.0 + 0.06 * wobble(&mut self.rng));
        self.notes.push(Note {
            start_beats: (start + off).max(0.0),
            beats: length,
            key: key.min(127),
            velocity: (velocity * 127.0).round().clamp(1.0, 127.0) as u8,
        });
    }

    /// The notes, in order of their starts.
    pub fn finish(mut self) -> Vec<Note> {
        self.notes
            .sort_by(|a, b| a.start_beats.total_cmp(&b.start_beats).then(a.key.cmp(&b.key)));
        self.notes
    }
}

/// Steps, velocities (1 accent, 0.75 normal, 0.35 ghost) of a pattern in sixteenths: `X`, `x`, `o`.
pub(super) fn hits(pattern: &str, beats_in_bar: f64) -> impl Iterator<Item = (f64, f32)> {
    let steps = pattern.bytes().enumerate().filter_map(|(i, c)| {
        let velocity = match c {
            b'X' => 1.0,
            b'x' => 0.75,
            b'o' => 0.35,
            _ => return None,
        };
        Some((i as f64 / 4.0, velocity))
    });
    steps.filter(move |(beat, _)| *beat < beats_in_bar)
}

/// Mixes the voices of `notes` into `length` samples. `voice` fills the empty buffer it is given with
/// one note, which is held for the given number of samples and may sound on after that.
pub(super) fn render(
    notes: &[Note],
    tempo: f64,
    length: usize,
    mut voice: impl FnMut(&Note, usize, &mut Vec<f32>),
) -> Vec<f32> {
    let samples = |beats: f64| (beats * 60.0 / tempo * RATE as f64).round() as usize;
    let mut out = vec![0.0; length];
    let mut buffer = Vec::new();
    for note in notes {
        let start = samples(note.start_beats);
        if start < length {
            buffer.clear();
            voice(note, samples(note.beats), &mut buffer);
            out[start..].iter_mut().zip(&buffer).for_each(|(o, v)| *o += v);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swing_moves_off_beats_only() {
        let shuffle = Groove {
            eighth: 2.0 / 3.0,
            sixteenth: 0.5,
        };
        for (straight, played) in [
            (0.0, 0.0),
            (3.0, 3.0),
            (3.5, 3.0 + 2.0 / 3.0),
            (1.25, 1.0 + 1.0 / 3.0),
        ] {
            assert!((shuffle.place(straight) - played).abs() < 1e-9);
        }
        let lazy = Groove {
            eighth: 0.5,
            sixteenth: 0.6,
        };
        assert!((lazy.place(0.5) - 0.5).abs() < 1e-9 && (lazy.place(0.25) - 0.3).abs() < 1e-9);
    }
}
