//! From what is written to what is played: the notation of `scores.toml`, swing, human timing.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{draw::between, song::Song};
use crate::generate::write::Note;

/// A symbol of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// Position in the line, in sixteenths.
    pub place: usize,
    /// Beats into the bar, and beats that it is held.
    pub beat: f64,
    pub beats: f64,
    /// In lower case.
    pub symbol: char,
    /// 1 for an accent, less for others.
    pub velocity: f32,
}

/// Sixteenths of a bar, as lines are written.
const BAR: usize = 16;

/// The steps of bar `index` of a line, in a bar of `beats`.
pub(super) fn steps(line: &str, index: usize, beats: f64) -> Vec<Step> {
    let bars: Vec<&str> = line.trim_start_matches('~').split(' ').collect();
    let index = index % bars.len();
    let mut steps: Vec<Step> = Vec::new();
    for (i, symbol) in bars[index].chars().take((4.0 * beats) as usize).enumerate() {
        match (symbol, steps.last_mut()) {
            ('.', _) | ('-', None) => {}
            ('-', Some(step)) => step.beats += 0.25,
            _ => steps.push(Step {
                place: BAR * index + i,
                beat: i as f64 / 4.0,
                beats: 0.25,
                symbol: symbol.to_ascii_lowercase(),
                velocity: match symbol {
                    'o' | 'g' => 0.35,
                    '0'..='9' | '?' if i % 4 == 0 => 1.0,
                    _ if symbol.is_uppercase() => 1.0,
                    _ => 0.78,
                },
            }),
        }
    }
    steps
}

/// Moves a straight position in beats to where it is played when the off-beats lie at `eighth` of a beat, and of half a
/// beat at `sixteenth`: 0.5 is straight, 2/3 a triplet shuffle.
fn swing(beat: f64, eighth: f64, sixteenth: f64) -> f64 {
    let bend = |position: f64, middle: f64| {
        let within = position.fract();
        let bent = if within < 0.5 {
            2.0 * middle * within
        } else {
            1.0 - 2.0 * (1.0 - middle) * (1.0 - within)
        };
        position.floor() + bent
    };
    bend(bend(2.0 * beat, sixteenth) / 2.0, eighth)
}

/// Plays straight notes with the swing of the song, a little early or late, a little louder or softer.
pub(super) struct Player<'a> {
    pub song: &'a Song<'a>,
    pub rng: ChaCha8Rng,
    /// Beats by which this player lies behind the beat.
    lag: f64,
    /// Standard deviation of the timing, in beats.
    loose: f64,
    notes: Vec<Note>,
}

impl<'a> Player<'a> {
    pub fn new(song: &'a Song<'a>, mut rng: ChaCha8Rng) -> Self {
        let beats = |ms: f32| ms as f64 / 1000.0 * song.tempo / 60.0;
        let (lag, loose) = (
            beats(between(&mut rng, -4.0, 8.0)),
            beats(between(&mut rng, 2.0, 7.0)),
        );
        Player {
            song,
            rng,
            lag,
            loose,
            notes: Vec::new(),
        }
    }

    /// A note at `beat` (straight, from the start of the piece) for `beats`, velocity 0–1.
    pub fn play(&mut self, beat: f64, beats: f64, key: u8, velocity: f32) {
        let style = &self.song.style;
        let place = |beat| swing(beat, style.eighth, style.sixteenth);
        let off = self.lag + self.loose * wobble(&mut self.rng) as f64;
        let velocity = 127.0 * velocity * (1.0 + 0.06 * wobble(&mut self.rng));
        self.notes.push(Note {
            start_beats: (place(beat) + off).max(0.0),
            beats: (place(beat + beats) - place(beat)).max(0.03),
            key: key.min(127),
            velocity: velocity.round().clamp(1.0, 127.0) as u8,
        });
    }

    /// The notes, in order of their starts.
    pub fn finish(mut self) -> Vec<Note> {
        self.notes
            .sort_by(|a, b| a.start_beats.total_cmp(&b.start_beats).then(a.key.cmp(&b.key)));
        self.notes
    }
}

/// About normal, standard deviation 1, never beyond ±3.
fn wobble(rng: &mut ChaCha8Rng) -> f32 {
    2.0 * (rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swing_moves_off_beats_only() {
        let third = 1.0 / 3.0;
        for (straight, played) in [
            (0.0, 0.0),
            (3.0, 3.0),
            (3.5, 3.0 + 2.0 * third),
            (1.25, 1.0 + third),
        ] {
            assert!((swing(straight, 2.0 * third, 0.5) - played).abs() < 1e-9);
        }
        assert!((swing(0.5, 0.5, 0.6) - 0.5).abs() < 1e-9 && (swing(0.25, 0.5, 0.6) - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_line_is_read_bar_by_bar_and_cut_to_the_metre() {
        let bar = |index, beats| -> Vec<(usize, f64, f64, char)> {
            let steps = steps("R---g.............x- ..m-", index, beats);
            steps
                .iter()
                .map(|s| (s.place, s.beat, s.beats, s.symbol))
                .collect()
        };
        assert_eq!(bar(2, 4.0), [(0, 0.0, 1.0, 'r'), (4, 1.0, 0.25, 'g')]);
        assert_eq!(bar(1, 3.0), [(18, 0.5, 0.5, 'm')]);
    }
}
