//! What the residual instruments play: pads, melodies, stabs, figures.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    form::{Bar, Part, Song},
    perform::{Performer, between, hits, pick},
};
use crate::corpus::write::Note;

/// The part an instrument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Held chords.
    Pad,
    /// A tune that follows the chords, made from a motif.
    Melody,
    /// Short chords in a rhythm.
    Stabs,
    /// A broken-chord figure in eighths or sixteenths.
    Figure,
}

/// Rhythms of motifs, over two bars of four beats: (beat, length).
const MOTIFS: [&[(f64, f64)]; 8] = [
    &[
        (0.0, 1.0),
        (1.0, 0.5),
        (1.5, 1.5),
        (4.0, 1.0),
        (5.0, 1.0),
        (6.0, 2.0),
    ],
    &[
        (0.5, 0.5),
        (1.0, 0.5),
        (1.5, 0.5),
        (2.0, 1.5),
        (4.5, 0.5),
        (5.0, 0.5),
        (5.5, 2.0),
    ],
    &[(0.0, 2.0), (2.0, 1.0), (3.0, 1.0), (4.0, 3.0)],
    &[
        (0.0, 0.75),
        (0.75, 0.75),
        (1.5, 0.5),
        (2.0, 1.5),
        (4.0, 0.75),
        (4.75, 0.75),
        (5.5, 2.0),
    ],
    &[
        (1.0, 0.5),
        (1.5, 0.5),
        (2.0, 1.0),
        (3.0, 0.5),
        (3.5, 2.5),
        (6.5, 0.5),
        (7.0, 0.5),
        (7.5, 0.5),
    ],
    &[
        (0.0, 1.5),
        (1.5, 0.5),
        (2.0, 2.0),
        (4.0, 1.5),
        (5.5, 0.5),
        (6.0, 1.5),
    ],
    &[
        (0.0, 0.5),
        (0.5, 0.5),
        (1.0, 1.0),
        (2.5, 1.5),
        (4.0, 0.5),
        (4.5, 0.5),
        (5.0, 1.0),
        (6.5, 1.5),
    ],
    &[(0.0, 3.0), (3.0, 0.5), (3.5, 0.5), (4.0, 2.0), (6.0, 1.0)],
];
const STABS: [&str; 4] = [
    "X..x......X.....",
    "..x...x...X..x..",
    "X.....X.....X...",
    "....X.......X.x.",
];

/// The part of residual instrument `layer` in `role`, around MIDI key `centre`.
pub(super) fn compose(song: &Song, layer: usize, role: Role, centre: u8, rng: ChaCha8Rng) -> Vec<Note> {
    let mut player = Performer::new(song, rng);
    let bars: Vec<&Bar> = song.bars_of(layer).collect();
    match role {
        Role::Pad => pad(&mut player, &bars, centre),
        Role::Melody => melody(&mut player, &bars, centre),
        Role::Stabs => stabs(&mut player, &bars, centre),
        Role::Figure => figure(&mut player, &bars, centre),
    }
    player.finish()
}

fn pad(player: &mut Performer, bars: &[&Bar], centre: u8) {
    let beats = player.song.beats_in_bar();
    let mut voicing = Vec::new();
    for bar in bars {
        for (at, length, chord) in bar.spans(beats) {
            voicing = chord.voice(&voicing, centre);
            for key in &voicing {
                player.play(bar.start + at, 0.99 * length, *key, 0.45 + 0.3 * bar.intensity);
            }
        }
    }
}

fn stabs(player: &mut Performer, bars: &[&Bar], centre: u8) {
    let (rhythm, other) = (pick(&mut player.rng, &STABS), pick(&mut player.rng, &STABS));
    let mut voicing = Vec::new();
    for bar in bars {
        let ending = bar.part == Part::Ending;
        let pattern = if ending {
            "X"
        } else if bar.index % 4 == 3 {
            other
        } else {
            rhythm
        };
        for (beat, velocity) in hits(pattern, player.song.beats_in_bar()) {
            let Some(chord) = bar.chord_at(beat) else { continue };
            voicing = chord.voice(&voicing, centre);
            let length = if ending {
                2.0
            } else {
                pick(&mut player.rng, &[0.25, 0.45, 0.9])
            };
            for key in &voicing {
                player.play(
                    bar.start + beat,
                    length,
                    *key,
                    (0.4 + 0.45 * bar.intensity) * (0.5 + 0.5 * velocity),
                );
            }
        }
    }
}

fn figure(player: &mut Performer, bars: &[&Bar], centre: u8) {
    let step = if player.song.tempo < 115.0 {
        pick(&mut player.rng, &[0.25, 0.5])
    } else {
        0.5
    };
    let order: [usize; 8] = std::array::from_fn(|_| player.rng.random_range(0..4));
    let rest = player.rng.random_range(3..8);
    let ring = pick(&mut player.rng, &[0.8, 1.6]);
    for bar in bars {
        if bar.part == Part::Ending {
            if let Some(chord) = bar.chord_at(0.0) {
                player.play(bar.start, 2.0, chord.nearest_tone(centre), 0.8);
            }
            continue;
        }
        for n in 0..(player.song.beats_in_bar() / step) as usize {
            let beat = n as f64 * step;
            let Some(chord) = bar.chord_at(beat).filter(|_| n % 8 != rest) else {
                continue;
            };
            let voicing = chord.voice(&[], centre);
            let i = order[n % 8];
            let key = if i < voicing.len() {
                voicing[i]
            } else {
                voicing[0] + 12
            };
            let accent = if n % 4 == 0 { 1.0 } else { 0.8 };
            player.play(
                bar.start + beat,
                ring * step,
                key,
                (0.5 + 0.35 * bar.intensity) * accent,
            );
        }
    }
}

/// Phrases of two bars: the motif's rhythm and contour, anchored on the chord of the moment, varied at
/// every other phrase's end. Strong beats are chord tones.
fn melody(player: &mut Performer, bars: &[&Bar], centre: u8) {
    let song = player.song;
    let beats = song.beats_in_bar();
    let draw = |p: &mut Performer| {
        let rhythm = pick(&mut p.rng, &MOTIFS);
        let contour: Vec<i32> = rhythm
            .iter()
            .map(|_| pick(&mut p.rng, &[-2, -1, -1, 0, 1, 1, 2, 3]))
            .collect();
        (rhythm, contour)
    };
    let (verse, chorus) = (draw(player), draw(player));
    let legato = between(&mut player.rng, 0.8, 1.0) as f64;
    let mut last = centre;
    let mut degree = 0i32;
    for bar in bars {
        if bar.part == Part::Ending {
            if let Some(chord) = bar.chord_at(0.0) {
                player.play(bar.start, 3.0, chord.nearest_tone(last), 0.8);
            }
            continue;
        }
        let (rhythm, contour) = if bar.part == Part::Chorus { &chorus } else { &verse };
        let second = bar.index % 2 == 1;
        if !second {
            // Phrases start where the tune began, or a little above in louder sections.
            degree = if bar.part == Part::Chorus { 2 } else { 0 };
        }
        let varied = bar.index % 4 == 3;
        for (&(at, length), step) in rhythm.iter().zip(contour) {
            // Motifs are written over two bars of four.
            let beat = if second { at - 4.0 } else { at };
            if beat < 0.0 || beat >= beats || (second != (at >= 4.0)) {
                continue;
            }
            degree += if varied { -step } else { *step };
            degree = degree.clamp(-5, 8);
            let mut key = song.key.step(degree, centre);
            let strong = beat.fract() == 0.0 || length >= 1.0;
            if let Some(chord) = bar.chord_at(beat).filter(|_| strong) {
                key = chord.nearest_tone(key);
            }
            let accent = if beat == 0.0 { 1.0 } else { 0.88 };
            let length = length.min(beats - beat + 1.0) * legato;
            player.play(
                bar.start + beat,
                length,
                key,
                (0.55 + 0.35 * bar.intensity) * accent,
            );
            last = key;
        }
    }
}
