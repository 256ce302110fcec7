//! Piano and electric piano.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    dsp::{Oscillator, Partial, RATE, Svf, hz, low_cut, noise, release, ring},
    form::{Bar, PIANO, Part, Song, Style},
    perform::{Performer, between, hits, pick, render},
};
use crate::corpus::write::Note;

#[derive(Clone, Copy)]
enum Pattern {
    /// Chords held for the bar or struck on each beat.
    Block,
    Pulse,
    Arpeggio,
    /// Low–high–middle–high.
    Broken,
    Comping(&'static str),
}

const COMPING: [&str; 5] = [
    "x..x..x.....x...",
    "..x...x...x..x..",
    "X.....x...x.....",
    "x...x..x..x.x...",
    "..x..x....x..x..",
];

/// The piano part.
pub(super) fn compose(song: &Song, mut rng: ChaCha8Rng) -> Vec<Note> {
    let comping = Pattern::Comping(pick(&mut rng, &COMPING));
    let choices: &[Pattern] = match song.style {
        Style::Funk | Style::Bossa | Style::Shuffle => &[comping, comping, Pattern::Block],
        Style::House => &[comping, Pattern::Pulse],
        Style::Ballad | Style::Waltz => &[Pattern::Arpeggio, Pattern::Broken, Pattern::Block],
        _ => &[
            Pattern::Block,
            Pattern::Pulse,
            Pattern::Arpeggio,
            Pattern::Broken,
            comping,
        ],
    };
    let (verse, chorus) = (pick(&mut rng, choices), pick(&mut rng, choices));
    let left_hand = rng.random_bool(0.6);
    let centre = rng.random_range(58..67);
    let mut player = Performer::new(song, rng);
    let mut voicing = Vec::new();

    let bars: Vec<&Bar> = song.bars_of(PIANO).collect();
    for bar in bars {
        let level = 0.45 + 0.4 * bar.intensity;
        let pattern = match bar.part {
            Part::Ending => Pattern::Block,
            Part::Chorus => chorus,
            _ => verse,
        };
        for (at, length, chord) in bar.spans(song.beats_in_bar()) {
            voicing = chord.voice(&voicing, centre);
            let start = bar.start + at;
            let octave = centre - 24;
            match pattern {
                Pattern::Block => strike(&mut player, &voicing, start, 0.97 * length, level),
                Pattern::Pulse => {
                    for beat in 0..length as usize {
                        let accent = if beat % 2 == 0 { 1.0 } else { 0.88 };
                        strike(&mut player, &voicing, start + beat as f64, 0.85, level * accent);
                    }
                }
                Pattern::Arpeggio | Pattern::Broken => {
                    let up_down = [0, 1, 2, 3, 2, 1, 2, 3];
                    let broken = [0, 2, 1, 2, 0, 2, 1, 2];
                    let order = if matches!(pattern, Pattern::Broken) {
                        broken
                    } else {
                        up_down
                    };
                    for n in 0..(2.0 * length) as usize {
                        let i = order[n % 8];
                        let key = if i < voicing.len() {
                            voicing[i]
                        } else {
                            voicing[0] + 12
                        };
                        let accent = if n % 4 == 0 { 1.0 } else { 0.82 };
                        // The pedal carries a note to the end of its chord.
                        let ring = (length - n as f64 / 2.0).min(2.0);
                        player.play(start + n as f64 / 2.0, ring, key, level * accent);
                    }
                }
                Pattern::Comping(rhythm) => {
                    for (beat, velocity) in hits(rhythm, song.beats_in_bar()) {
                        if beat >= at && beat < at + length {
                            let hold = pick(&mut player.rng, &[0.22, 0.4, 0.7]);
                            strike(
                                &mut player,
                                &voicing,
                                bar.start + beat,
                                hold,
                                level * (0.5 + 0.5 * velocity),
                            );
                        }
                    }
                }
            }
            if left_hand && !matches!(pattern, Pattern::Comping(_)) {
                let root = chord.root_from(octave - 6);
                player.play(start, 0.95 * length, root, 0.9 * level);
                if length >= 3.0 && bar.intensity > 0.6 {
                    player.play(start + 2.0, length - 2.1, root + chord.fifth(), 0.75 * level);
                }
            }
        }
    }
    player.finish()
}

/// A chord, its top voice a little louder.
fn strike(player: &mut Performer, voicing: &[u8], start: f64, beats: f64, velocity: f32) {
    for (i, key) in voicing.iter().enumerate() {
        let voice = if i + 1 == voicing.len() { 1.0 } else { 0.88 };
        player.play(start, beats, *key, velocity * voice);
    }
}

/// How the keys sound.
pub(super) struct Patch {
    pub program: u16,
    pub name: &'static str,
    engine: Engine,
    /// 0–1, darker to brighter.
    tone: f32,
    /// Scale of the decay times.
    sustain: f32,
    /// Cents between the two strings of a note.
    detune: f32,
    /// Where the hammer hits, as a fraction of the string.
    hammer: f32,
    /// Tremolo of the electric pianos: Hz, depth.
    tremolo: (f32, f32),
}

#[derive(Clone, Copy, PartialEq)]
enum Engine {
    Strings,
    Tines,
}

/// Program, name, engine, range of the tone, detuning.
type Row = (u16, &'static str, Engine, (f32, f32), f32);

const PATCHES: [Row; 6] = [
    (0, "Acoustic Grand Piano", Engine::Strings, (0.2, 0.6), 0.7),
    (1, "Bright Acoustic Piano", Engine::Strings, (0.6, 1.0), 0.9),
    (2, "Electric Grand Piano", Engine::Strings, (0.4, 0.8), 1.6),
    (3, "Honky-tonk Piano", Engine::Strings, (0.4, 0.8), 9.0),
    (4, "Electric Piano 1", Engine::Tines, (0.1, 0.7), 0.0),
    (5, "Electric Piano 2", Engine::Tines, (0.4, 1.0), 0.0),
];

impl Patch {
    pub fn draw(style: Style, rng: &mut ChaCha8Rng) -> Self {
        let among: &[usize] = match style {
            Style::Funk | Style::Bossa => &[4, 4, 5, 0],
            Style::House => &[1, 2, 4, 5],
            Style::Shuffle => &[0, 1, 3, 4],
            _ => &[0, 0, 1, 1, 2, 4, 5],
        };
        let (program, name, engine, (low, high), detune) = PATCHES[pick(rng, among)];
        Patch {
            program,
            name,
            engine,
            tone: between(rng, low, high),
            sustain: between(rng, 0.6, 1.5),
            detune: detune * between(rng, 0.6, 1.4),
            hammer: between(rng, 0.09, 0.16),
            tremolo: (between(rng, 3.5, 6.5), pick(rng, &[0.0, 0.15, 0.3])),
        }
    }

    /// The piano stem.
    pub fn render(&self, notes: &[Note], tempo: f64, length: usize, mut rng: ChaCha8Rng) -> Vec<f32> {
        let mut stem = render(notes, tempo, length, |note, hold, out| {
            let velocity = note.velocity as f32 / 127.0;
            out.resize(hold + (0.3 * RATE) as usize, 0.0);
            match self.engine {
                Engine::Strings => self.strings(note.key, velocity, out, &mut rng),
                Engine::Tines => self.tines(note.key, velocity, out),
            }
            release(out, hold, 0.25);
            let level = velocity.powf(1.4);
            out.iter_mut().for_each(|x| *x *= level);
        });
        if self.engine == Engine::Tines && self.tremolo.1 > 0.0 {
            let mut lfo = Oscillator::new(0.0);
            let (rate, depth) = self.tremolo;
            stem.iter_mut()
                .for_each(|x| *x *= 1.0 - depth * (0.5 + 0.5 * lfo.sine(rate / RATE)));
        }
        low_cut(&mut stem, 45.0);
        stem
    }

    /// Stiff strings in pairs: partials stretched, the two strings beating and decaying unlike each
    /// other, the upper partials dying first and coming out only under a hard blow.
    fn strings(&self, key: u8, velocity: f32, out: &mut [f32], rng: &mut ChaCha8Rng) {
        let f0 = hz(key as f32);
        let stiffness = 3e-4 * ((key as f32 - 50.0) / 12.0).exp2().clamp(0.25, 20.0);
        let bright =
            500.0 + (1_200.0 + 3_000.0 * self.tone) * velocity + 5_000.0 * self.tone * velocity * velocity;
        let t0 = self.sustain * 9.0 * (-(key as f32 - 40.0) / 26.0).exp2().min(1.6);
        let mut partials = Vec::with_capacity(48);
        for n in 1..=24 {
            let n = n as f32;
            let f = n * f0 * (1.0 + stiffness * n * n).sqrt();
            let comb = (std::f32::consts::PI * n * self.hammer).sin().abs() + 0.05;
            // Partials leave the soundboard in any phase; all in one, they would pile up to a spike.
            let comb = if rng.random_bool(0.5) { comb } else { -comb };
            let amplitude = comb / n.powf(0.7) * (-f / bright).exp() + 0.02 * velocity * comb / (n * n);
            if f > 12_000.0 || amplitude.abs() < 2e-4 {
                continue;
            }
            let t60 = t0 / (1.0 + 0.12 * n + f / 4_000.0);
            let apart = (self.detune * between(rng, 0.7, 1.3) / 1200.0).exp2();
            partials.push(Partial {
                hz: f,
                amplitude,
                t60: 0.35 * t60,
            });
            partials.push(Partial {
                hz: f * apart,
                amplitude: 0.55 * amplitude,
                t60,
            });
        }
        ring(out, &partials);
        // The hammer's knock on the board.
        let mut knock = Svf::new(350.0 + 900.0 * self.tone, 0.8);
        for (i, x) in out.iter_mut().take(3_000).enumerate() {
            *x += 0.35 * velocity * knock.band(noise(rng)) * (-(i as f32) / 420.0).exp();
        }
    }

    /// An FM tine: a bell-like partial that dies at once over a round tone that barks when hit hard.
    fn tines(&self, key: u8, velocity: f32, out: &mut [f32]) {
        let step = hz(key as f32) / RATE;
        let (mut carrier, mut bell) = (0.0f32, Oscillator::new(0.0));
        let mut bark = Oscillator::new(0.0);
        let t60 = self.sustain * 5.0 * (-(key as f32 - 48.0) / 30.0).exp2().min(1.5);
        for (i, x) in out.iter_mut().enumerate() {
            let t = i as f32 / RATE;
            let body = (-6.9 * t / t60).exp();
            let index = velocity * (0.5 + 2.0 * self.tone) * (0.3 + (-t / 0.35).exp());
            let ping = velocity * (0.15 + 0.5 * self.tone) * (-t / 0.09).exp();
            carrier = (carrier + step).fract();
            let turn =
                std::f32::consts::TAU * carrier + index * bark.sine(step) + ping * bell.sine(14.0 * step);
            *x = 0.6 * body * (t / 0.002).min(1.0) * turn.sin();
        }
    }
}
