//! The plan of a piece: style, tempo, key, sections, chords, and who plays where.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    perform::{Groove, between, pick},
    theory::{Chord, Key},
};

/// The rhythmic family of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Rock,
    Pop,
    Funk,
    House,
    Ballad,
    Shuffle,
    HalfTime,
    Bossa,
    Waltz,
}

/// A section's role in the song.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Intro,
    Verse,
    Chorus,
    Bridge,
    Outro,
    /// The last chord, left to ring.
    Ending,
}

/// Indices into [`Song::layers`].
pub(super) const DRUMS: usize = 0;
pub(super) const BASS: usize = 1;
pub(super) const PIANO: usize = 2;
pub(super) const GUITAR: usize = 3;
pub(super) const RESIDUAL: [usize; 2] = [4, 5];
pub(super) const LAYERS: usize = 6;

/// One bar.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub part: Part,
    pub section: usize,
    /// Position in its section, and whether it closes it (which is where fills go).
    pub index: usize,
    pub closes: bool,
    /// First beat, counted from the start of the piece.
    pub start: f64,
    /// Beats in the bar at which a chord begins, in order; the first is 0.
    pub chords: Vec<(f64, Chord)>,
    /// 0–1: scales velocities and densities.
    pub intensity: f32,
}

/// A piece before any note of it is written.
pub(super) struct Song {
    pub key: Key,
    pub style: Style,
    /// Quarter notes a minute.
    pub tempo: f64,
    pub beats_per_bar: u8,
    pub groove: Groove,
    pub bars: Vec<Bar>,
    /// By layer: the sections it plays in; empty when the piece lacks it.
    layers: [Vec<bool>; LAYERS],
}

impl Style {
    const ALL: [(Style, u32); 9] = [
        (Style::Rock, 20),
        (Style::Pop, 18),
        (Style::Funk, 14),
        (Style::House, 12),
        (Style::Ballad, 12),
        (Style::Shuffle, 8),
        (Style::HalfTime, 6),
        (Style::Bossa, 6),
        (Style::Waltz, 4),
    ];

    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let total = Style::ALL.iter().map(|(_, weight)| weight).sum();
        let mut ticket = rng.random_range(0..total);
        for (style, weight) in Style::ALL {
            if ticket < weight {
                return style;
            }
            ticket -= weight;
        }
        Style::Pop
    }

    fn tempo(self) -> (f32, f32) {
        match self {
            Style::Rock => (104.0, 168.0),
            Style::Pop => (88.0, 132.0),
            Style::Funk => (88.0, 118.0),
            Style::House => (116.0, 138.0),
            Style::Ballad => (70.0, 88.0),
            Style::Shuffle => (84.0, 140.0),
            Style::HalfTime => (120.0, 170.0),
            Style::Bossa => (110.0, 150.0),
            Style::Waltz => (88.0, 150.0),
        }
    }

    fn groove(self, rng: &mut ChaCha8Rng) -> Groove {
        match self {
            Style::Shuffle => Groove {
                eighth: between(rng, 0.60, 0.67) as f64,
                sixteenth: 0.5,
            },
            Style::Funk | Style::House => Groove {
                eighth: 0.5,
                sixteenth: between(rng, 0.5, 0.58) as f64,
            },
            Style::Waltz => Groove {
                eighth: pick(rng, &[0.5, 0.6]),
                sixteenth: 0.5,
            },
            _ => Groove {
                eighth: 0.5,
                sixteenth: 0.5,
            },
        }
    }
}

impl Part {
    fn intensity(self) -> f32 {
        match self {
            Part::Intro => 0.55,
            Part::Verse => 0.65,
            Part::Chorus => 0.95,
            Part::Bridge => 0.55,
            Part::Outro => 0.7,
            Part::Ending => 0.9,
        }
    }
}

const FORMS: [&[Part]; 4] = [
    &[
        Part::Intro,
        Part::Verse,
        Part::Chorus,
        Part::Verse,
        Part::Chorus,
        Part::Bridge,
        Part::Chorus,
        Part::Outro,
    ],
    &[
        Part::Intro,
        Part::Verse,
        Part::Verse,
        Part::Chorus,
        Part::Verse,
        Part::Chorus,
        Part::Chorus,
    ],
    &[
        Part::Intro,
        Part::Chorus,
        Part::Verse,
        Part::Chorus,
        Part::Bridge,
        Part::Chorus,
        Part::Outro,
    ],
    &[
        Part::Verse,
        Part::Chorus,
        Part::Verse,
        Part::Chorus,
        Part::Bridge,
        Part::Chorus,
    ],
];

impl Song {
    /// Plans a piece that fits into `seconds`, its last chord ringing out at the end.
    pub fn draw(rng: &mut ChaCha8Rng, seconds: f64) -> Self {
        let style = Style::draw(rng);
        let (slow, fast) = style.tempo();
        // Tenths of a beat a minute, as a sequencer would show it.
        let tempo = (between(rng, slow, fast) * 10.0).round() as f64 / 10.0;
        let beats_per_bar = if style == Style::Waltz { 3 } else { 4 };
        let groove = style.groove(rng);
        let key = Key::draw(rng);
        let bar_seconds = beats_per_bar as f64 * 60.0 / tempo;
        let count = (((seconds - 1.5) / bar_seconds) as usize).max(1);
        let mut bars = lay_out(rng, count, key, tempo, beats_per_bar);
        let start = (count * beats_per_bar as usize) as f64;
        let section = bars.last().map_or(0, |b: &Bar| b.section);
        let home = bars
            .first()
            .and_then(|b| b.chords.first())
            .map(|(_, c)| (0.0, *c));
        bars.push(Bar {
            part: Part::Ending,
            section,
            index: 0,
            closes: false,
            start,
            chords: home.into_iter().collect(),
            intensity: Part::Ending.intensity(),
        });
        let layers = orchestrate(rng, &bars);
        Song {
            key,
            style,
            tempo,
            beats_per_bar,
            groove,
            bars,
            layers,
        }
    }

    /// Whether the piece has this layer at all.
    pub fn has(&self, layer: usize) -> bool {
        self.layers[layer].iter().any(|plays| *plays)
    }

    /// The bars in which `layer` plays.
    pub fn bars_of(&self, layer: usize) -> impl Iterator<Item = &Bar> {
        let plays = &self.layers[layer];
        self.bars
            .iter()
            .filter(|bar| plays.get(bar.section).copied().unwrap_or(false))
    }

    pub fn beats_in_bar(&self) -> f64 {
        self.beats_per_bar as f64
    }
}

impl Bar {
    /// The chord that sounds `beat` beats into the bar.
    pub fn chord_at(&self, beat: f64) -> Option<Chord> {
        self.chords
            .iter()
            .rev()
            .find(|(at, _)| *at <= beat + 1e-6)
            .map(|(_, chord)| *chord)
    }

    /// Every chord with its first beat in the bar and its length.
    pub fn spans(&self, beats_in_bar: f64) -> impl Iterator<Item = (f64, f64, Chord)> {
        let ends = self.chords.iter().skip(1).map(|c| c.0).chain([beats_in_bar]);
        self.chords
            .iter()
            .zip(ends)
            .map(|((at, chord), end)| (*at, end - at, *chord))
    }
}

/// Sections, chords and intensities of `count` bars.
fn lay_out(rng: &mut ChaCha8Rng, count: usize, key: Key, tempo: f64, beats_per_bar: u8) -> Vec<Bar> {
    let form = pick(rng, &FORMS);
    // As long as five sections fit, sections are long.
    let length = [8, 4, 2].into_iter().find(|l| count / l >= 5).unwrap_or(1);
    let progressions = [key.progression(rng), key.progression(rng), key.progression(rng)];
    let dense = tempo < 100.0 && rng.random_bool(0.35);
    let sparse = !dense && rng.random_bool(0.12);

    let mut bars: Vec<Bar> = Vec::with_capacity(count + 1);
    for (section, part) in form.iter().cycle().enumerate() {
        let short = matches!(part, Part::Intro | Part::Outro | Part::Bridge) && length > 4;
        let wanted = if short { length / 2 } else { length };
        let progression = &progressions[match part {
            Part::Chorus => 1,
            Part::Bridge => 2,
            _ => 0,
        }];
        let lift = (section as f32 * 0.01).min(0.05);
        for index in 0..wanted.min(count - bars.len()) {
            let half = (beats_per_bar / 2) as f64;
            let chords = if dense && beats_per_bar == 4 {
                vec![(0.0, 2 * index), (half, 2 * index + 1)]
            } else {
                vec![(0.0, if sparse { index / 2 } else { index })]
            };
            bars.push(Bar {
                part: *part,
                section,
                index,
                closes: index + 1 == wanted,
                start: (bars.len() * beats_per_bar as usize) as f64,
                chords: chords
                    .into_iter()
                    .map(|(at, i)| (at, progression[i % progression.len()]))
                    .collect(),
                intensity: (part.intensity() + lift).min(1.0),
            });
        }
        if bars.len() == count {
            break;
        }
    }
    bars
}

/// Who plays in which section: instruments enter in verse and chorus and thin out in intro and bridge.
fn orchestrate(rng: &mut ChaCha8Rng, bars: &[Bar]) -> [Vec<bool>; LAYERS] {
    let mut has = [0.0, 0.0, 0.1, 0.1, 0.05, 0.45].map(|absent| rng.random_bool(1.0 - absent));
    // Someone must play the chords.
    has[if rng.random_bool(0.5) { PIANO } else { GUITAR }] = true;
    let opener = pick(rng, &[PIANO, GUITAR, RESIDUAL[0]]);
    let sections = bars.last().map_or(0, |bar| bar.section + 1);
    let mut layers: [Vec<bool>; LAYERS] = Default::default();
    for section in 0..sections {
        let part = bars
            .iter()
            .find(|b| b.section == section)
            .map_or(Part::Verse, |b| b.part);
        for layer in 0..LAYERS {
            let likely = match (part, layer) {
                (Part::Intro, _) if layer == opener => 1.0,
                (Part::Intro, DRUMS | BASS) => 0.65,
                (Part::Intro, _) => 0.4,
                (Part::Bridge, DRUMS) => 0.75,
                (Part::Bridge, BASS) => 0.85,
                (Part::Bridge, _) => 0.65,
                (_, DRUMS | BASS) => 1.0,
                (Part::Chorus, _) => 0.97,
                _ => 0.8,
            };
            layers[layer].push(has[layer] && rng.random_bool(likely));
        }
        // Never drums alone, never silence: the chord players come back in.
        if !(PIANO..LAYERS).any(|layer| layers[layer][section]) {
            for layer in [PIANO, GUITAR].into_iter().filter(|&layer| has[layer]) {
                layers[layer][section] = true;
            }
        }
    }
    for layer in 0..LAYERS {
        let mine = &mut layers[layer];
        let playing = mine.iter().filter(|p| **p).count();
        // A stem heard in less than half of the piece would be of little use for comparing pieces.
        if has[layer] && 2 * playing < sections {
            mine.fill(true);
        }
    }
    layers
}
