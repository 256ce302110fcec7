//! The plan of a piece: style, key, sections, chords, and who plays where.

use std::array;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    draw::pick,
    tables::{Beat, Part, Seat, Style, Tables},
    theory::{Chord, nearest},
};
use crate::corpus::CorpusError;

/// Who plays, by index into what a song knows of them.
pub(super) const DRUMS: usize = 0;
pub(super) const BASS: usize = 1;
const PIANO: usize = 2;
const GUITAR: usize = 3;
/// Beside the four there are up to two others.
const OTHER: usize = 4;
pub(super) const LAYERS: usize = 6;
/// How often a piece lacks each of them.
const ABSENT: [f64; LAYERS] = [0.0, 0.0, 0.1, 0.1, 0.05, 0.45];
/// What is played to, and over, a section: see [`Part::material`].
pub(super) const MATERIALS: usize = 3;

/// One bar.
pub(super) struct Bar<'a> {
    pub part: &'a Part,
    pub section: usize,
    /// Position in its section, and whether it closes it (which is where fills go).
    pub index: usize,
    pub closes: bool,
    /// Whether it is the last, which is left to ring.
    pub ends: bool,
    /// First beat, counted from the start of the piece.
    pub start: f64,
    /// Every chord with its first and last beat in the bar.
    pub chords: Vec<(f64, f64, Chord)>,
    /// Share of full strength, 0–1.
    pub strength: f32,
}

/// A piece before any note of it is written.
pub(super) struct Song<'a> {
    pub tables: &'a Tables,
    pub style: Style,
    /// Quarter notes a minute.
    pub tempo: f64,
    pub bars: Vec<Bar<'a>>,
    /// The drum beats, by material.
    pub beats: [Beat; MATERIALS],
    tonic: u8,
    scale: [u8; 7],
    /// By layer: the sections it plays in; nowhere when the piece lacks it.
    layers: [Vec<bool>; LAYERS],
}

impl<'a> Song<'a> {
    /// Plans a piece that fits into `seconds`, its last chord ringing out at the end.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if a table does not read.
    pub fn draw(tables: &'a Tables, rng: &mut ChaCha8Rng, seconds: f64) -> Result<Self, CorpusError> {
        let style = tables.style(rng)?;
        // Tenths of a beat a minute, as a sequencer would show it.
        let tempo = (style.tempo * 10.0).round() / 10.0;
        let (mode, tonic) = (tables.mode(rng), rng.random_range(0..12));
        let progressions = array::from_fn(|_| {
            let numerals = pick(rng, &mode.progressions).split(' ');
            numerals
                .filter_map(|numeral| Chord::named(numeral, tonic))
                .collect()
        });
        let count = (((seconds - 1.5) * tempo / 60.0) as usize / style.beats as usize).max(1);
        let mut bars = lay_out(tables, rng, count, &progressions, &style);
        bars.extend(ending(&bars, style.beats as f64));
        Ok(Song {
            tables,
            tempo,
            beats: array::from_fn(|_| pick(rng, &style.drums).clone()),
            layers: orchestrate(rng, &bars),
            bars,
            style,
            tonic,
            scale: mode.scale,
        })
    }

    /// Whether the piece has this layer at all.
    pub fn has(&self, layer: usize) -> bool {
        self.layers[layer].contains(&true)
    }

    /// What the style asks for at a layer: nothing of the others.
    pub fn seat(&self, layer: usize) -> Option<&Seat> {
        match layer {
            BASS => Some(&self.style.bass),
            PIANO => Some(&self.style.piano),
            GUITAR => Some(&self.style.guitar),
            _ => None,
        }
    }

    /// The bars in which `layer` plays.
    pub fn bars_of(&self, layer: usize) -> impl Iterator<Item = &Bar<'a>> {
        self.bars
            .iter()
            .filter(move |bar| self.layers[layer][bar.section])
    }

    /// The MIDI key `steps` scale steps above the tonic nearest to `centre`.
    pub fn step(&self, steps: i32, centre: u8) -> u8 {
        let within = self.scale[steps.rem_euclid(7) as usize] as i32;
        (nearest(self.tonic, centre) as i32 + 12 * steps.div_euclid(7) + within).clamp(0, 127) as u8
    }
}

impl Bar<'_> {
    /// The chord that sounds `beat` beats into the bar.
    pub fn chord_at(&self, beat: f64) -> Chord {
        let sounding = self.chords.iter().rfind(|(from, ..)| *from <= beat + 1e-6);
        sounding.unwrap_or(&self.chords[0]).2
    }
}

/// Sections, chords and strengths of `count` bars.
fn lay_out<'a>(
    tables: &'a Tables,
    rng: &mut ChaCha8Rng,
    count: usize,
    progressions: &[Vec<Chord>; MATERIALS],
    style: &Style,
) -> Vec<Bar<'a>> {
    let form = pick(rng, &tables.scores.forms);
    // As long as five sections fit, sections are long.
    let length = [8, 4, 2].into_iter().find(|l| count / l >= 5).unwrap_or(1);
    let beats = style.beats as f64;
    // Two chords a bar, or one for two bars.
    let dense = style.beats == 4 && style.tempo < 100.0 && rng.random_bool(0.35);
    let sparse = !dense && rng.random_bool(0.12);

    let mut bars: Vec<Bar> = Vec::with_capacity(count + 1);
    let parts = form.split(' ').map(|name| &tables.scores.parts[name]);
    for (section, part) in parts.cycle().enumerate() {
        let wanted = if part.short && length > 4 {
            length / 2
        } else {
            length
        };
        for index in 0..wanted.min(count - bars.len()) {
            let progression = &progressions[part.material];
            let chord = |i: usize| progression[i % progression.len()];
            let chords = match (dense, sparse) {
                (true, _) => vec![(0.0, 2.0, chord(2 * index)), (2.0, beats, chord(2 * index + 1))],
                (_, true) => vec![(0.0, beats, chord(index / 2))],
                _ => vec![(0.0, beats, chord(index))],
            };
            bars.push(Bar {
                part,
                section,
                index,
                closes: index + 1 == wanted,
                ends: false,
                start: bars.len() as f64 * beats,
                chords,
                // Later sections are a little louder.
                strength: (part.strength + (section as f32 * 0.01).min(0.05)).min(1.0),
            });
        }
        if bars.len() == count {
            break;
        }
    }
    bars
}

/// The bar after the last: the first chord.
fn ending<'a>(bars: &[Bar<'a>], beats: f64) -> Option<Bar<'a>> {
    let (first, last) = (bars.first()?, bars.last()?);
    Some(Bar {
        part: last.part,
        section: last.section,
        index: 0,
        closes: false,
        ends: true,
        start: last.start + beats,
        chords: vec![(0.0, beats, first.chord_at(0.0))],
        strength: 0.9,
    })
}

/// Who plays in which section: instruments thin out in intro and bridge.
fn orchestrate(rng: &mut ChaCha8Rng, bars: &[Bar]) -> [Vec<bool>; LAYERS] {
    let mut has = ABSENT.map(|absent| rng.random_bool(1.0 - absent));
    // Someone must play the chords, and someone opens the piece.
    has[*pick(rng, &[PIANO, GUITAR])] = true;
    let opener = *pick(rng, &[PIANO, GUITAR, OTHER]);
    let sections: Vec<&Part> = bars
        .iter()
        .filter(|bar| bar.index == 0 && !bar.ends)
        .map(|bar| bar.part)
        .collect();
    let mut layers: [Vec<bool>; LAYERS] = Default::default();
    for (section, part) in sections.iter().enumerate() {
        for (layer, plays) in layers.iter_mut().enumerate() {
            let likely = match layer {
                DRUMS | BASS => part.rhythm,
                _ if section == 0 && layer == opener => 1.0,
                _ => part.others,
            };
            plays.push(has[layer] && rng.random_bool(likely));
        }
        // Never drums alone, never silence: the chord players come back in.
        if !layers[PIANO..].iter().any(|plays| plays[section]) {
            [PIANO, GUITAR]
                .into_iter()
                .for_each(|layer| layers[layer][section] = has[layer]);
        }
    }
    for (plays, has) in layers.iter_mut().zip(has) {
        // A stem heard in less than half of the piece would be of little use for comparing pieces.
        if has && 2 * plays.iter().filter(|plays| **plays).count() < sections.len() {
            plays.fill(true);
        }
    }
    layers
}
