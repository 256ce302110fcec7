//! What the drummer plays.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    draw::pick,
    player::{Player, steps},
    song::{Bar, DRUMS, Song},
    voice::Patch,
};
use crate::generate::write::Note;

struct Drummer<'a> {
    player: Player<'a>,
    kit: &'a [Patch],
}

/// The drum part.
pub(super) fn compose(song: &Song, kit: &[Patch], rng: ChaCha8Rng) -> Vec<Note> {
    let mut drummer = Drummer {
        player: Player::new(song, rng),
        kit,
    };
    // In loud sections the time may move from the hi-hat to the ride.
    let time = *pick(&mut drummer.player.rng, &["hat", "ride"]);
    for bar in song.bars_of(DRUMS) {
        drummer.bar(bar, time);
    }
    let mut notes = drummer.player.finish();
    choke(&mut notes, kit);
    notes
}

impl Drummer<'_> {
    fn hit(&mut self, beat: f64, name: &str, velocity: f32) {
        if let Some(drum) = self.kit.iter().find(|drum| drum.name == name) {
            self.player.play(beat, 0.25, drum.key, velocity);
        }
    }

    fn bar(&mut self, bar: &Bar, time: &str) {
        if bar.ends {
            self.hit(bar.start, "kick", 0.95);
            self.hit(bar.start, "crash", 0.9);
            return;
        }
        let song = self.player.song;
        let beats = song.style.beats as f64;
        let (loud, quiet) = (bar.strength > 0.9, bar.strength < 0.6);
        let level = 0.55 + 0.45 * bar.strength;
        let fill = self.fill_from(bar, beats);
        if bar.index == 0 && (loud || self.player.rng.random_bool(0.5)) {
            self.hit(bar.start, "crash", 0.85 * level);
        }
        for (name, line) in &song.beats[bar.part.material] {
            for step in steps(line, bar.index, beats) {
                let ghost = step.symbol == 'o' && step.velocity < 0.5;
                if step.beat >= fill || (quiet && ghost && name == "snare") {
                    continue;
                }
                let (drum, softer) = match (name.as_str(), step.symbol) {
                    ("hat", 'o') if !ghost => ("open", 0.8),
                    ("hat", _) => (if loud { time } else { "hat" }, 0.8),
                    ("shaker", _) => ("shaker", 0.6),
                    ("snare", _) if !ghost => (song.style.backbeat.as_str(), 1.0),
                    (other, _) => (other, 1.0),
                };
                self.hit(bar.start + step.beat, drum, softer * step.velocity * level);
            }
        }
        self.fill(bar, fill, beats);
    }

    /// The beat from which the drummer fills the bar, its end if she does not.
    fn fill_from(&mut self, bar: &Bar, beats: f64) -> f64 {
        let (likely, longest) = match (bar.closes, bar.index % 4) {
            (true, _) => (0.85, 2.0),
            (false, 3) => (0.35, 1.0),
            _ => (0.0, 1.0),
        };
        let long = *pick(&mut self.player.rng, &[1.0, longest, longest]);
        if self.player.rng.random_bool(likely) {
            beats - long
        } else {
            beats
        }
    }

    /// Plays a fill from beat `from` to the bar's end, getting louder.
    fn fill(&mut self, bar: &Bar, from: f64, end: f64) {
        for beat in (0..(end - from) as usize).map(|n| from + n as f64) {
            let fill = pick(&mut self.player.rng, &self.player.song.tables.scores.fills);
            self.hit(bar.start + beat, "kick", 0.65);
            for (i, symbol) in fill.chars().enumerate() {
                let drum = match symbol {
                    's' => "snare",
                    'h' => "high tom",
                    'm' => "middle tom",
                    'f' => "floor tom",
                    _ => continue,
                };
                let at = beat + i as f64 / 4.0;
                let rise = ((at - from) / (end - from)) as f32;
                self.hit(
                    bar.start + at,
                    drum,
                    (0.6 + 0.3 * rise) * (0.6 + 0.4 * bar.strength),
                );
            }
        }
    }
}

/// Lets every note of a choked drum last until the next one.
fn choke(notes: &mut [Note], kit: &[Patch]) {
    let mut next = f64::INFINITY;
    for note in notes.iter_mut().rev() {
        if kit.iter().any(|drum| drum.choked && drum.key == note.key) {
            note.beats = (next - note.start_beats).clamp(0.03, 4.0);
            next = note.start_beats;
        }
    }
}
