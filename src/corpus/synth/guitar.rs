//! Guitars: acoustic, clean and driven.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    dsp::{OnePole, Oscillator, Pluck, RATE, Svf, gain, hz, low_cut, noise, release},
    form::{Bar, GUITAR, Part, Song, Style},
    perform::{Performer, between, hits, pick, render},
    theory::Chord,
};
use crate::corpus::write::Note;

/// Open strings, E2 to E4.
const STRINGS: [u8; 6] = [40, 45, 50, 55, 59, 64];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    Acoustic,
    Clean,
    Driven,
}

#[derive(Clone, Copy)]
enum Pattern {
    /// Down strokes on the beat, up strokes between.
    Strum(&'static str),
    /// One string after the other.
    Picked([usize; 8]),
    /// Root, fifth, octave; soft hits are palm-muted.
    Power(&'static str),
    /// Short muted sixteenths, a few of them let ring.
    Scratch(&'static str),
}

const STRUMS: [&str; 4] = [
    "X...x.x...x.x.x.",
    "X.x.X.x.X.x.X.x.",
    "X..x..x.X..x..x.",
    "X...X.x.X...X.xx",
];
const POWER: [&str; 4] = [
    "X.o.o.X.o.o.X.o.",
    "X.x.x.x.X.x.x.x.",
    "X.......X...x.x.",
    "XoooXoooXoXoXooo",
];
const SCRATCH: [&str; 3] = ["..X.o.Xo..Xoo.X.", "o.Xoo.Xoo.Xoo.Xo", "X.ooX..oX.ooX.o."];
const PICKED: [[usize; 8]; 3] = [
    [0, 3, 4, 5, 4, 3, 4, 3],
    [0, 2, 3, 4, 5, 4, 3, 2],
    [0, 3, 2, 4, 3, 5, 4, 3],
];

/// The guitar part, fit for the kind of guitar that `patch` is.
pub(super) fn compose(song: &Song, patch: &Patch, mut rng: ChaCha8Rng) -> Vec<Note> {
    let strum = Pattern::Strum(pick(&mut rng, &STRUMS));
    let picked = Pattern::Picked(pick(&mut rng, &PICKED));
    let power = Pattern::Power(pick(&mut rng, &POWER));
    let scratch = Pattern::Scratch(pick(&mut rng, &SCRATCH));
    let choices = match (patch.family, song.style) {
        (Family::Driven, _) => [power, power, strum],
        (_, Style::Funk | Style::House) => [scratch, scratch, picked],
        (_, Style::Ballad | Style::Waltz) => [picked, strum, picked],
        _ => [strum, strum, picked],
    };
    let (verse, chorus) = (pick(&mut rng, &choices), pick(&mut rng, &choices));
    let position = rng.random_range(0..5);
    let spread = between(&mut rng, 5.0, 14.0) as f64;
    let mut player = Performer::new(song, rng);

    let bars: Vec<&Bar> = song.bars_of(GUITAR).collect();
    for bar in bars {
        let level = 0.5 + 0.4 * bar.intensity;
        let beats = song.beats_in_bar();
        if bar.part == Part::Ending {
            if let Some(chord) = bar.chord_at(0.0) {
                strings(
                    &mut player,
                    &shape(chord, position),
                    bar.start,
                    3.5,
                    level,
                    2.0 * spread,
                    false,
                );
            }
            continue;
        }
        let pattern = if bar.part == Part::Chorus { chorus } else { verse };
        match pattern {
            Pattern::Strum(rhythm) | Pattern::Scratch(rhythm) | Pattern::Power(rhythm) => {
                let struck: Vec<(f64, f32)> = hits(rhythm, beats).collect();
                for (i, &(beat, velocity)) in struck.iter().enumerate() {
                    let Some(chord) = bar.chord_at(beat) else { continue };
                    let end = struck.get(i + 1).map_or(beats, |next| next.0);
                    let (keys, length) = match pattern {
                        Pattern::Power(_) => {
                            let root = chord.root_from(STRINGS[0]);
                            (
                                vec![root, root + chord.fifth(), root + 12],
                                if velocity < 0.5 { 0.16 } else { end - beat },
                            )
                        }
                        // The left hand lets go: a click with hardly a pitch.
                        Pattern::Scratch(_) => {
                            let keys = shape(chord, position).split_off(2);
                            (keys, if velocity < 0.5 { 0.08 } else { 0.3 })
                        }
                        _ => (shape(chord, position), end - beat),
                    };
                    let up = beat.fract() != 0.0 && !matches!(pattern, Pattern::Power(_));
                    let keys = if up && keys.len() > 4 {
                        &keys[keys.len() - 4..]
                    } else {
                        &keys[..]
                    };
                    let stroke = level * (0.45 + 0.5 * velocity) * if up { 0.85 } else { 1.0 };
                    strings(&mut player, keys, bar.start + beat, length, stroke, spread, up);
                }
            }
            Pattern::Picked(order) => {
                for n in 0..(2.0 * beats) as usize {
                    let beat = n as f64 / 2.0;
                    let Some(chord) = bar.chord_at(beat) else { continue };
                    let keys = shape(chord, position);
                    let key = keys[order[n % 8].min(keys.len() - 1)];
                    let ring = (beats - beat).min(1.75);
                    player.play(
                        bar.start + beat,
                        ring,
                        key,
                        level * if n % 4 == 0 { 0.95 } else { 0.78 },
                    );
                }
            }
        }
    }
    player.finish()
}

/// A stroke over the strings, `spread` milliseconds from one to the next.
fn strings(p: &mut Performer, keys: &[u8], start: f64, beats: f64, velocity: f32, spread: f64, up: bool) {
    let step = spread / 1000.0 * p.song.tempo / 60.0;
    for (i, key) in keys.iter().enumerate() {
        let turn = if up { keys.len() - 1 - i } else { i };
        p.play(
            start + turn as f64 * step,
            (beats - turn as f64 * step).max(0.05),
            *key,
            velocity,
        );
    }
}

/// The chord as a hand grips it: on every string the first chord tone from `position` on, the lowest
/// sounding string holding the root.
fn shape(chord: Chord, position: u8) -> Vec<u8> {
    let tone = |open: u8| {
        let tones = chord.intervals().iter().map(|i| {
            let low = open + position;
            low + ((chord.root + i) % 12 + 120 - low) % 12
        });
        tones.min().unwrap_or(open)
    };
    let bass = STRINGS[..3]
        .iter()
        .position(|open| tone(*open) % 12 == chord.root)
        .unwrap_or(0);
    let mut keys: Vec<u8> = STRINGS[bass..].iter().map(|open| tone(*open)).collect();
    keys[0] = chord.root_from(STRINGS[bass] + position);
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// How the guitar sounds.
pub(super) struct Patch {
    pub program: u16,
    pub name: &'static str,
    family: Family,
    /// 0–1, darker to brighter.
    tone: f32,
    position: f32,
    sustain: f32,
    /// Body resonances of an acoustic, Hz.
    body: [f32; 2],
    /// Input gain of the amplifier, dB, and the cutoff of its cabinet, Hz.
    drive: f32,
    cabinet: f32,
    /// Chorus on a clean guitar: rate in Hz, depth in samples (0: none).
    chorus: (f32, f32),
}

const PATCHES: [(u16, &str, Family, (f32, f32)); 7] = [
    (24, "Acoustic Guitar (nylon)", Family::Acoustic, (0.0, 0.35)),
    (25, "Acoustic Guitar (steel)", Family::Acoustic, (0.55, 1.0)),
    (26, "Electric Guitar (jazz)", Family::Clean, (0.0, 0.35)),
    (27, "Electric Guitar (clean)", Family::Clean, (0.4, 1.0)),
    (28, "Electric Guitar (muted)", Family::Clean, (0.3, 0.8)),
    (29, "Overdriven Guitar", Family::Driven, (0.2, 0.8)),
    (30, "Distortion Guitar", Family::Driven, (0.4, 1.0)),
];

impl Patch {
    pub fn draw(style: Style, rng: &mut ChaCha8Rng) -> Self {
        let among: &[usize] = match style {
            Style::Rock | Style::HalfTime => &[5, 6, 6, 5, 3, 1],
            Style::Pop => &[1, 3, 1, 5, 3],
            Style::Funk => &[3, 4, 3],
            Style::House => &[3, 4, 1],
            Style::Ballad => &[0, 1, 3, 5],
            Style::Shuffle => &[1, 2, 5, 3],
            Style::Bossa | Style::Waltz => &[0, 0, 2, 1],
        };
        let (program, name, family, (low, high)) = PATCHES[pick(rng, among)];
        let drive = if program == 30 { (26.0, 36.0) } else { (12.0, 22.0) };
        Patch {
            program,
            name,
            family,
            tone: between(rng, low, high),
            position: between(rng, 0.09, 0.28),
            sustain: between(rng, 0.7, 1.4),
            body: [between(rng, 95.0, 120.0), between(rng, 180.0, 240.0)],
            drive: between(rng, drive.0, drive.1),
            cabinet: between(rng, 3_200.0, 5_200.0),
            chorus: (between(rng, 0.4, 1.2), pick(rng, &[0.0, 30.0, 60.0])),
        }
    }

    /// The guitar stem.
    pub fn render(&self, notes: &[Note], tempo: f64, length: usize, mut rng: ChaCha8Rng) -> Vec<f32> {
        let mut stem = render(notes, tempo, length, |note, hold, out| {
            let velocity = note.velocity as f32 / 127.0;
            out.resize(hold + (0.1 * RATE) as usize, 0.0);
            // Short notes are played under the palm or a lifted hand.
            let seconds = hold as f32 / RATE;
            let muted = self.program == 28 || seconds < 0.13;
            let pitch = hz(note.key as f32 + between(&mut rng, -0.03, 0.03));
            let t60 = if self.family == Family::Driven { 7.0 } else { 4.5 } * (200.0 / pitch).sqrt();
            Pluck {
                hz: pitch,
                position: self.position,
                brightness: (800.0 + (1_500.0 + 9_000.0 * self.tone) * velocity)
                    * if muted { 0.5 } else { 1.0 },
                noise: 0.15 + 0.2 * self.tone,
                damping: (if muted { 0.5 } else { 0.36 }) - 0.3 * self.tone,
                t60: if muted { 0.35 } else { self.sustain * t60 },
            }
            .add_to(out, &mut rng);
            let mut pick = Svf::new(1_800.0 + 2_500.0 * self.tone, 0.9);
            for (i, x) in out.iter_mut().take(700).enumerate() {
                *x += 0.5 * velocity * self.tone * pick.band(noise(&mut rng)) * (-(i as f32) / 110.0).exp();
            }
            release(out, hold, 0.09);
            let level = 0.25 + 0.75 * velocity;
            out.iter_mut().for_each(|x| *x *= level);
        });
        match self.family {
            Family::Acoustic => self.resonate(&mut stem),
            Family::Clean => self.detune(&mut stem),
            Family::Driven => self.amplify(&mut stem),
        }
        low_cut(&mut stem, 75.0);
        stem
    }

    /// The box of an acoustic guitar: air and top resonance, and some presence.
    fn resonate(&self, stem: &mut [f32]) {
        let [mut air, mut top] = [Svf::new(self.body[0], 3.0), Svf::new(self.body[1], 3.0)];
        let mut presence = Svf::new(2_600.0, 0.8);
        let mut soften = OnePole::new(4_500.0 + 9_000.0 * self.tone);
        for x in stem.iter_mut() {
            let wood = 0.6 * air.band(*x) + 0.7 * top.band(*x) + 0.5 * self.tone * presence.band(*x);
            *x = soften.low(0.7 * *x + wood);
        }
    }

    /// Clean amplifier, with a chorus if the piece has one: a copy through a swaying delay.
    fn detune(&self, stem: &mut [f32]) {
        let mut speaker = OnePole::new(3_500.0 + 4_500.0 * self.tone);
        let mut line = [0f32; 1024];
        let mut sway = Oscillator::new(0.0);
        let (rate, depth) = self.chorus;
        for (i, x) in stem.iter_mut().enumerate() {
            let dry = (0.8 * *x).tanh();
            line[i % 1024] = dry;
            let wet = if depth > 0.0 {
                let back = 500.0 + depth * sway.sine(rate / RATE);
                let (whole, part) = (back as usize, back.fract());
                let at = |d: usize| line[(i + 1024 - d) % 1024];
                at(whole) * (1.0 - part) + at(whole + 1) * part
            } else {
                0.0
            };
            *x = speaker.low(dry + 0.6 * wet);
        }
    }

    /// Distortion before a loudspeaker that stops at a few kHz.
    fn amplify(&self, stem: &mut [f32]) {
        let input = gain(self.drive);
        let mut tight = OnePole::new(120.0);
        let mut bump = Svf::new(1_800.0 + 900.0 * self.tone, 0.9);
        let mut cabinet = [Svf::new(self.cabinet, 0.9), Svf::new(1.1 * self.cabinet, 0.6)];
        for x in stem.iter_mut() {
            // A little bias makes even harmonics, as a valve does; the low cut after it takes DC off.
            let hot = (input * tight.high(*x) + 0.15).tanh();
            let voiced = hot + 0.5 * bump.band(hot);
            let speaker = cabinet[0].low(voiced);
            *x = cabinet[1].low(speaker);
        }
    }
}
