//! What everyone but the drummer plays.

use std::array;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    draw::pick,
    player::{Player, Step, steps},
    song::{Bar, MATERIALS, Song},
    tables::Line,
    theory::Chord,
    voice::Patch,
};
use crate::generate::write::Note;

/// Steps by which a tune moves on the scale.
const CONTOUR: [i32; 8] = [-2, -1, -1, 0, 1, 1, 2, 3];

/// A line and what was drawn for each of its sixteenths.
struct Part<'a> {
    line: &'a Line,
    luck: [usize; 64],
}

struct Hands<'a> {
    player: Player<'a>,
    patch: &'a Patch,
    /// The chord as it was last held.
    voicing: Vec<u8>,
    /// Where the tune is: steps above the tonic.
    degree: i32,
}

/// The part of `layer`, which `patch` is to sound: lines of one of `kinds` for each material of the song.
pub(super) fn compose(
    song: &Song,
    layer: usize,
    patch: &Patch,
    kinds: &[String],
    mut rng: ChaCha8Rng,
) -> Vec<Note> {
    let parts: [Part; MATERIALS] = array::from_fn(|_| Part {
        line: song.tables.line(kinds, &mut rng),
        luck: array::from_fn(|_| rng.random_range(0..CONTOUR.len())),
    });
    let player = Player::new(song, rng);
    let mut hands = Hands {
        player,
        patch,
        voicing: Vec::new(),
        degree: 0,
    };
    let bars: Vec<&Bar> = song.bars_of(layer).collect();
    for (i, bar) in bars.iter().enumerate() {
        if bar.index % 2 == 0 {
            // A phrase of two bars starts where the tune began, or a little above in louder sections.
            hands.degree = if bar.part.strength > 0.9 { 2 } else { 0 };
        }
        let part = &parts[bar.part.material];
        for line in part.line {
            hands.bar(bar, bars.get(i + 1).unwrap_or(bar), line, &part.luck);
        }
    }
    hands.player.finish()
}

impl Hands<'_> {
    fn bar(&mut self, bar: &Bar, next: &Bar, line: &str, luck: &[usize; 64]) {
        let song = self.player.song;
        let beats = song.style.beats as f64;
        let mut steps = steps(line, bar.index, beats);
        if bar.ends {
            // The last bar is the first symbol, held; of a ghost or a broken chord, all of it.
            steps.truncate(1);
            for step in &mut steps {
                let whole = matches!(step.symbol, 'o' | '?' | '0'..='5');
                let symbol = if whole { 'x' } else { step.symbol };
                *step = Step {
                    beat: 0.0,
                    beats,
                    symbol,
                    velocity: 1.0,
                    ..*step
                };
            }
        }
        for step in steps {
            for &(from, to, chord) in &bar.chords {
                // What is held over a change of chords is struck again, but for a tune.
                let (start, mut end) = (step.beat.max(from), (step.beat + step.beats).min(to));
                if start >= end || (start > step.beat && step.symbol == 'm') {
                    continue;
                }
                if step.symbol == 'm' {
                    end = step.beat + step.beats;
                } else if line.starts_with('~') {
                    end = to.min(start + 2.0);
                }
                let part = Step {
                    beat: start,
                    beats: end - start,
                    ..step
                };
                let keys = self.keys(bar, next, chord, &part, luck[step.place % luck.len()]);
                self.strike(bar, &part, &keys);
            }
        }
    }

    /// The keys that a step strikes while `chord` sounds.
    fn keys(&mut self, bar: &Bar, next: &Bar, chord: Chord, step: &Step, luck: usize) -> Vec<u8> {
        let centre = self.patch.centre as u8;
        let low = self.patch.low;
        let root = chord.root_from(low);
        let rng = &mut self.player.rng;
        match step.symbol {
            'r' | 'g' => vec![root],
            'f' => vec![root + chord.fifth()],
            'q' => vec![root + 12],
            't' => vec![root + pick(rng, chord.intervals)],
            'p' => vec![root, root + chord.fifth(), root + 12],
            'k' => {
                let kick = self.player.song.beats[bar.part.material].get("kick");
                let kicks =
                    kick.is_some_and(|line| steps(line, bar.index, 4.0).iter().any(|s| s.beat == step.beat));
                if kicks { vec![root] } else { Vec::new() }
            }
            'a' if rng.random_bool(0.6) => {
                let target = next.chord_at(0.0).root_from(low + 2);
                vec![*pick(rng, &[target - 2, target - 1, target + 1])]
            }
            'm' => vec![self.tune(bar, chord, step, CONTOUR[luck], centre)],
            'a' => Vec::new(),
            _ => self.chord(chord, step.symbol, luck, centre),
        }
    }

    /// The next note of the tune. In every fourth bar the contour is turned over.
    fn tune(&mut self, bar: &Bar, chord: Chord, step: &Step, contour: i32, centre: u8) -> u8 {
        let turn = if bar.index % 4 == 3 { -1 } else { 1 };
        self.degree = (self.degree + turn * contour).clamp(-5, 8);
        let key = self.player.song.step(self.degree, centre);
        if step.velocity == 1.0 {
            chord.nearest_tone(key)
        } else {
            key
        }
    }

    /// The chord as it is held, or the part of it that a symbol strikes.
    fn chord(&mut self, chord: Chord, symbol: char, luck: usize, centre: u8) -> Vec<u8> {
        self.voicing = match self.patch.fret {
            Some(fret) => chord.grip(fret as u8),
            None => chord.voice(&self.voicing, centre),
        };
        let voices = &self.voicing;
        let voice = |i: usize| vec![voices.get(i).copied().unwrap_or(voices[0] + 12)];
        match symbol.to_digit(10) {
            Some(digit) => voice(digit as usize),
            None if symbol == '?' => voice(luck % 4),
            // An up stroke, and a hand that only scratches, do not reach the low strings.
            None if matches!(symbol, 'u' | 'o') => voices[voices.len().saturating_sub(4)..].to_vec(),
            None => voices.clone(),
        }
    }

    fn strike(&mut self, bar: &Bar, step: &Step, keys: &[u8]) {
        let stagger = match step.symbol {
            'd' | 'u' => self.patch.strum * self.player.song.tempo / 60.0,
            _ => 0.0,
        };
        let length = if step.symbol == 'o' {
            0.08
        } else {
            step.beats * self.patch.length
        };
        let velocity = (0.3 + 0.7 * step.velocity) * (0.5 + 0.4 * bar.strength);
        for (i, key) in keys.iter().enumerate() {
            let turn = if step.symbol == 'u' { keys.len() - 1 - i } else { i };
            let late = turn as f64 * stagger;
            // The top voice of a chord is a little louder.
            let voice = if i + 1 == keys.len() { 1.0 } else { 0.9 };
            self.player.play(
                bar.start + step.beat + late,
                (length - late).max(0.05),
                *key,
                velocity * voice,
            );
        }
    }
}
