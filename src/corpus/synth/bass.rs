//! Bass: what it plays and how it sounds.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    dsp::{OnePole, Oscillator, Pluck, RATE, Svf, Swell, hz, low_cut, release},
    form::{BASS, Bar, Part, Song, Style},
    perform::{Performer, between, hits, pick, render},
    rhythm::kick_of,
    theory::Chord,
};
use crate::corpus::write::Note;

/// Lowest key: E1.
const LOWEST: u8 = 28;

#[derive(Clone, Copy)]
enum Line {
    /// Root in steady eighths or quarters.
    Roots,
    /// Root with the kick drum, a fifth or octave to lead on.
    Kick,
    Octaves,
    Walking,
    Syncopated,
    /// Root and fifth in halves: bossa, ballad, waltz.
    RootFifth,
}

/// The bass line.
pub(super) fn compose(song: &Song, drum_choice: usize, mut rng: ChaCha8Rng) -> Vec<Note> {
    let lines: &[Line] = match song.style {
        Style::Rock | Style::HalfTime => &[Line::Roots, Line::Kick, Line::Roots, Line::Octaves],
        Style::Pop => &[Line::Kick, Line::Roots, Line::Syncopated],
        Style::Funk => &[Line::Syncopated, Line::Kick, Line::Octaves],
        Style::House => &[Line::Octaves, Line::Syncopated, Line::Roots],
        Style::Ballad => &[Line::Kick, Line::RootFifth],
        Style::Shuffle => &[Line::Walking, Line::Walking, Line::Roots],
        Style::Bossa => &[Line::RootFifth, Line::Walking],
        Style::Waltz => &[Line::RootFifth, Line::Walking],
    };
    let (verse, chorus) = (pick(&mut rng, lines), pick(&mut rng, lines));
    let syncopation = pick(
        &mut rng,
        &[
            "X..x..x...x.x...",
            "X.....xx..x...x.",
            "X..X..X...o.X.o.",
            "X.o...x..xx..o..",
        ],
    );
    let tight = between(&mut rng, 0.55, 0.95) as f64;
    let kick = kick_of(song, drum_choice);
    let mut player = Performer::new(song, rng);

    let bars: Vec<&Bar> = song.bars_of(BASS).collect();
    for (i, bar) in bars.iter().enumerate() {
        let level = 0.6 + 0.3 * bar.intensity;
        let Some(first) = bar.chord_at(0.0) else { continue };
        if bar.part == Part::Ending {
            player.play(bar.start, 3.5, first.root_from(LOWEST), level);
            continue;
        }
        let next = bars.get(i + 1).and_then(|b| b.chord_at(0.0)).unwrap_or(first);
        let line = if bar.part == Part::Chorus { chorus } else { verse };
        let beats = song.beats_in_bar();
        match line {
            Line::Roots => {
                let step = if bar.intensity > 0.6 { 0.5 } else { 1.0 };
                for n in 0..(beats / step) as usize {
                    let beat = n as f64 * step;
                    let accent = if beat.fract() == 0.0 { 1.0 } else { 0.85 };
                    root(&mut player, bar, beat, step * tight, level * accent);
                }
            }
            Line::Kick => {
                for (beat, velocity) in hits(kick, beats) {
                    root(
                        &mut player,
                        bar,
                        beat,
                        0.9 * tight,
                        level * (0.4 + 0.6 * velocity),
                    );
                }
                approach(&mut player, bar, next, level);
            }
            Line::Octaves => {
                for n in 0..(2.0 * beats) as usize {
                    let beat = n as f64 / 2.0;
                    let Some(chord) = bar.chord_at(beat) else { continue };
                    let key = chord.root_from(LOWEST) + 12 * (n % 2) as u8;
                    player.play(
                        bar.start + beat,
                        0.5 * tight,
                        key,
                        level * if n % 2 == 0 { 1.0 } else { 0.85 },
                    );
                }
            }
            Line::Walking => walk(&mut player, bar, next, level, tight),
            Line::Syncopated => {
                for (beat, velocity) in hits(syncopation, beats) {
                    let Some(chord) = bar.chord_at(beat) else { continue };
                    let up = match velocity {
                        v if v >= 1.0 => 0,
                        v if v < 0.5 => 12,
                        _ => pick(&mut player.rng, &[0, 0, chord.fifth(), 12]),
                    };
                    let key = chord.root_from(LOWEST) + up;
                    player.play(
                        bar.start + beat,
                        0.6 * tight,
                        key,
                        level * (0.45 + 0.55 * velocity),
                    );
                }
            }
            Line::RootFifth => {
                root(&mut player, bar, 0.0, 1.4, level);
                let half = if beats < 4.0 { 2.0 } else { beats / 2.0 };
                if let Some(chord) = bar.chord_at(half) {
                    let below = chord.root_from(LOWEST) + chord.fifth();
                    let key = if chord == first {
                        below
                    } else {
                        chord.root_from(LOWEST)
                    };
                    let key = if key > LOWEST + 14 { key - 12 } else { key };
                    player.play(bar.start + half, beats - half - 0.1, key, 0.9 * level);
                }
                approach(&mut player, bar, next, level);
            }
        }
    }
    player.finish()
}

fn root(player: &mut Performer, bar: &Bar, beat: f64, beats: f64, velocity: f32) {
    if let Some(chord) = bar.chord_at(beat) {
        player.play(bar.start + beat, beats, chord.root_from(LOWEST), velocity);
    }
}

/// Sometimes a step into the next chord on the last eighth.
fn approach(player: &mut Performer, bar: &Bar, next: Chord, level: f32) {
    if player.rng.random_bool(0.35) {
        let target = next.root_from(LOWEST);
        let key = if target > LOWEST + 2 {
            target - pick(&mut player.rng, &[1, 2])
        } else {
            target + 2
        };
        let beat = player.song.beats_in_bar() - 0.5;
        player.play(bar.start + beat, 0.4, key, 0.85 * level);
    }
}

/// Quarter notes: root, chord tones, and a half or whole step into the next root.
fn walk(player: &mut Performer, bar: &Bar, next: Chord, level: f32, tight: f64) {
    let beats = player.song.beats_per_bar as usize;
    for beat in 0..beats {
        let Some(chord) = bar.chord_at(beat as f64) else {
            continue;
        };
        let base = chord.root_from(LOWEST);
        let key = if beat == 0 {
            base
        } else if beat + 1 == beats {
            let target = next.root_from(LOWEST);
            if target > LOWEST + 1 {
                target + 1 - 2 * player.rng.random_range(0..2u8)
            } else {
                target + 1
            }
        } else {
            base + pick(&mut player.rng, chord.intervals())
        };
        let start = bar.start + beat as f64;
        player.play(start, tight, key, level * if beat % 2 == 1 { 1.0 } else { 0.9 });
        if player.rng.random_bool(0.12) {
            player.play(start + 0.5, 0.3, key, 0.6 * level);
        }
    }
}

/// How the bass sounds.
pub(super) struct Patch {
    pub program: u16,
    pub name: &'static str,
    engine: Engine,
    /// 0–1, darker to brighter.
    tone: f32,
    decay: f32,
    position: f32,
}

#[derive(Clone, Copy, PartialEq)]
enum Engine {
    String,
    Fm,
    Saw,
    Sub,
}

const PATCHES: [(u16, &str, Engine, (f32, f32)); 8] = [
    (32, "Acoustic Bass", Engine::String, (0.0, 0.3)),
    (33, "Electric Bass (finger)", Engine::String, (0.2, 0.6)),
    (34, "Electric Bass (pick)", Engine::String, (0.6, 1.0)),
    (35, "Fretless Bass", Engine::String, (0.1, 0.4)),
    (36, "Slap Bass 1", Engine::String, (0.85, 1.0)),
    (37, "Slap Bass 2", Engine::Fm, (0.5, 1.0)),
    (38, "Synth Bass 1", Engine::Saw, (0.2, 1.0)),
    (39, "Synth Bass 2", Engine::Sub, (0.1, 0.8)),
];

impl Patch {
    pub fn draw(style: Style, rng: &mut ChaCha8Rng) -> Self {
        let among: &[usize] = match style {
            Style::Rock | Style::HalfTime => &[1, 2, 2, 1],
            Style::Pop => &[1, 1, 2, 6, 7, 3],
            Style::Funk => &[1, 4, 5, 6, 4],
            Style::House => &[6, 7, 7, 5],
            Style::Ballad => &[1, 3, 0, 7],
            Style::Shuffle | Style::Bossa | Style::Waltz => &[0, 0, 1, 3],
        };
        let (program, name, engine, (low, high)) = PATCHES[pick(rng, among)];
        Patch {
            program,
            name,
            engine,
            tone: between(rng, low, high),
            decay: between(rng, 2.0, 7.0),
            position: between(rng, 0.08, 0.35),
        }
    }

    /// The bass stem.
    pub fn render(&self, notes: &[Note], tempo: f64, length: usize, mut rng: ChaCha8Rng) -> Vec<f32> {
        let mut stem = render(notes, tempo, length, |note, hold, out| {
            let velocity = note.velocity as f32 / 127.0;
            out.resize(hold + (0.15 * RATE) as usize, 0.0);
            let pitch = hz(note.key as f32);
            match self.engine {
                Engine::String => self.string(pitch, velocity, hold, out, &mut rng),
                Engine::Fm => self.fm(pitch, velocity, hold, out),
                Engine::Saw | Engine::Sub => self.synth(pitch, velocity, hold, out, &mut rng),
            }
            let level = 0.3 + 0.7 * velocity;
            out.iter_mut().for_each(|x| *x *= level);
        });
        low_cut(&mut stem, 30.0);
        stem
    }

    fn string(&self, hz: f32, velocity: f32, hold: usize, out: &mut [f32], rng: &mut ChaCha8Rng) {
        let pluck = Pluck {
            hz,
            position: self.position,
            brightness: 250.0 + (300.0 + 3_500.0 * self.tone * self.tone) * (0.3 + velocity),
            noise: 0.05 + 0.15 * self.tone,
            damping: 0.45 - 0.3 * self.tone,
            t60: self.decay * (55.0 / hz).sqrt(),
        };
        pluck.add_to(out, rng);
        // The body: fundamental warmth, little above the speaker's range.
        let (mut body, mut speaker) = (Svf::new(110.0, 0.8), OnePole::new(2_500.0 + 3_000.0 * self.tone));
        let mut thump = Svf::new(700.0 + 1_500.0 * self.tone, 0.8);
        for (i, x) in out.iter_mut().enumerate() {
            let finger = (-(i as f32) / (0.005 * RATE)).exp();
            let touch = if finger > 1e-4 {
                finger * thump.band(super::dsp::noise(rng))
            } else {
                0.0
            };
            *x = speaker.low(*x + 0.5 * body.low(*x)) + 0.5 * velocity * touch;
        }
        release(out, hold, 0.12);
    }

    fn fm(&self, hz: f32, velocity: f32, hold: usize, out: &mut [f32]) {
        let (mut carrier, mut swell) = (0.0f32, Swell::new(0.003, hold, 0.1));
        let mut modulator = Oscillator::new(0.0);
        for (i, x) in out.iter_mut().enumerate() {
            let t = i as f32 / RATE;
            let index = velocity * (0.8 + 3.2 * self.tone) * (0.3 + (-t / 0.12).exp());
            carrier = (carrier + hz / RATE).fract();
            let wave = (std::f32::consts::TAU * carrier + index * modulator.sine(hz / RATE)).sin();
            *x = 0.7 * wave * swell.level(i) * (0.35 + 0.65 * (-t / (0.3 * self.decay)).exp());
        }
    }

    /// Saw or sub-octave pulse through a low-pass that closes after the attack.
    fn synth(&self, hz: f32, velocity: f32, hold: usize, out: &mut [f32], rng: &mut ChaCha8Rng) {
        let sub = self.engine == Engine::Sub;
        let mut main = Oscillator::new(rng.random::<f32>());
        let mut second = Oscillator::new(rng.random::<f32>());
        let mut low = [Svf::new(500.0, 0.8 + 1.2 * self.tone), Svf::new(500.0, 0.7)];
        let mut swell = Swell::new(0.004, hold, 0.08);
        for (i, x) in out.iter_mut().enumerate() {
            if i % 16 == 0 {
                let t = i as f32 / RATE;
                let cutoff =
                    160.0 + hz + (300.0 + 2_600.0 * self.tone) * velocity * (-t / (0.04 * self.decay)).exp();
                low[0].tune(cutoff, 0.8 + 1.2 * self.tone);
                low[1].tune(1.5 * cutoff, 0.7);
            }
            let wave = if sub {
                0.9 * second.sine(hz / RATE) + 0.35 * main.pulse(hz / RATE, 0.4)
            } else {
                0.5 * main.saw(hz / RATE) + 0.5 * second.saw(1.004 * hz / RATE)
            };
            let filtered = low[0].low(wave);
            *x = (1.3 * low[1].low(filtered)).tanh() * swell.level(i);
        }
    }
}
