//! Keys, chords, progressions and voice leading.

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// The scale a piece is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Major,
    Minor,
    Dorian,
    Mixolydian,
}

/// Tonic (pitch class, 0 = C) and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub tonic: u8,
    pub mode: Mode,
}

/// What is stacked on a chord's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    Major,
    Minor,
    Diminished,
    Suspended,
    MajorSeventh,
    MinorSeventh,
    DominantSeventh,
}

/// A chord: root pitch class and quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chord {
    pub root: u8,
    pub quality: Quality,
}

/// Functional progressions in Roman numerals relative to the major scale of the tonic: lower case is
/// minor, `b` lowers the root, suffixes `7`, `maj7`, `o`, `sus`.
const MAJOR: &[&str] = &[
    "I V vi IV",
    "I vi IV V",
    "vi IV I V",
    "I IV vi V",
    "I V vi iii IV I IV V",
    "IV V iii vi",
    "Imaj7 vi7 ii7 V7",
    "ii7 V7 Imaj7 vi7",
    "I I IV V",
    "I iii IV iv",
    "I III7 vi IV",
    "Imaj7 IVmaj7 iii7 ii7",
    "iii vi ii Vsus",
    "I ii IV V",
    "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
];
const MINOR: &[&str] = &[
    "i bVI bIII bVII",
    "i iv v i",
    "i bVII bVI bVII",
    "i bVII bVI V7",
    "i iv bVII bIII bVI iio V7 i",
    "i v bVI bVII",
    "i bIII bVII iv",
    "bVI bVII i i",
    "i7 iv7 i7 V7",
    "i7 bVImaj7 iv7 V7",
];
const DORIAN: &[&str] = &["i7 IV7 i7 IV7", "i bIII IV i", "i bVII IV i", "i7 ii7 bIII IV7"];
const MIXOLYDIAN: &[&str] = &[
    "I bVII IV I",
    "I7 IV7 I7 bVII",
    "I v bVII IV",
    "I bIII bVII IV",
    "I bVII I Vsus",
];

impl Mode {
    fn progressions(self) -> &'static [&'static str] {
        match self {
            Mode::Major => MAJOR,
            Mode::Minor => MINOR,
            Mode::Dorian => DORIAN,
            Mode::Mixolydian => MIXOLYDIAN,
        }
    }

    fn steps(self) -> [u8; 7] {
        match self {
            Mode::Major => [0, 2, 4, 5, 7, 9, 11],
            Mode::Minor => [0, 2, 3, 5, 7, 8, 10],
            Mode::Dorian => [0, 2, 3, 5, 7, 9, 10],
            Mode::Mixolydian => [0, 2, 4, 5, 7, 9, 10],
        }
    }
}

impl Key {
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mode = match rng.random_range(0..10) {
            0..5 => Mode::Major,
            5..8 => Mode::Minor,
            8 => Mode::Dorian,
            _ => Mode::Mixolydian,
        };
        Key {
            tonic: rng.random_range(0..12),
            mode,
        }
    }

    /// One of the mode's progressions, in this key.
    pub fn progression(self, rng: &mut ChaCha8Rng) -> Vec<Chord> {
        let text = self.mode.progressions().choose(rng).copied().unwrap_or("I");
        text.split(' ')
            .filter_map(|numeral| self.chord(numeral))
            .collect()
    }

    /// The chord a Roman numeral names in this key; `None` if it is not one.
    fn chord(self, numeral: &str) -> Option<Chord> {
        let (flat, rest) = numeral.strip_prefix('b').map_or((0, numeral), |rest| (1, rest));
        let split = rest.find(|c: char| !"IViv".contains(c)).unwrap_or(rest.len());
        let (roman, suffix) = rest.split_at(split);
        let degree = match roman.to_ascii_uppercase().as_str() {
            "I" => 0,
            "II" => 2,
            "III" => 4,
            "IV" => 5,
            "V" => 7,
            "VI" => 9,
            "VII" => 11,
            _ => return None,
        };
        let minor = roman.starts_with(|c: char| c.is_lowercase());
        let quality = match (suffix, minor) {
            ("", false) => Quality::Major,
            ("", true) => Quality::Minor,
            ("7", false) => Quality::DominantSeventh,
            ("7", true) => Quality::MinorSeventh,
            ("maj7", _) => Quality::MajorSeventh,
            ("o", _) => Quality::Diminished,
            ("sus", _) => Quality::Suspended,
            _ => return None,
        };
        Some(Chord {
            root: (self.tonic + degree + 12 - flat) % 12,
            quality,
        })
    }

    /// The MIDI key `steps` scale steps above the tonic nearest to `centre`.
    pub fn step(self, steps: i32, centre: u8) -> u8 {
        let octave = steps.div_euclid(7);
        let within = self.mode.steps()[steps.rem_euclid(7) as usize];
        (nearest(self.tonic, centre) as i32 + 12 * octave + within as i32).clamp(0, 127) as u8
    }
}

impl Chord {
    /// Semitones above the root.
    pub fn intervals(self) -> &'static [u8] {
        match self.quality {
            Quality::Major => &[0, 4, 7],
            Quality::Minor => &[0, 3, 7],
            Quality::Diminished => &[0, 3, 6],
            Quality::Suspended => &[0, 5, 7],
            Quality::MajorSeventh => &[0, 4, 7, 11],
            Quality::MinorSeventh => &[0, 3, 7, 10],
            Quality::DominantSeventh => &[0, 4, 7, 10],
        }
    }

    /// The root's MIDI key in the octave that starts at `low`.
    pub fn root_from(self, low: u8) -> u8 {
        low + (self.root + 120 - low) % 12
    }

    /// The chord's fifth, in semitones above the root.
    pub fn fifth(self) -> u8 {
        self.intervals()[2]
    }

    /// The chord tone nearest to `key`.
    pub fn nearest_tone(self, key: u8) -> u8 {
        let tones = self
            .intervals()
            .iter()
            .map(|i| nearest((self.root + i) % 12, key));
        tones.min_by_key(|tone| tone.abs_diff(key)).unwrap_or(key)
    }

    /// The close voicing around `centre` that moves least from `previous` (any, if that is empty).
    pub fn voice(self, previous: &[u8], centre: u8) -> Vec<u8> {
        let mut best: Option<(i32, Vec<u8>)> = None;
        for inversion in 0..self.intervals().len() {
            let bottom = nearest(
                (self.root + self.intervals()[inversion]) % 12,
                centre.saturating_sub(4),
            );
            let voicing: Vec<u8> = (0..self.intervals().len())
                .map(|i| {
                    let interval = self.intervals()[(inversion + i) % self.intervals().len()];
                    bottom + (interval + 12 - self.intervals()[inversion]) % 12
                })
                .collect();
            // Staying near the centre counts a little, so that voicings do not wander off.
            let middle = voicing.iter().map(|&v| v as i32).sum::<i32>() / voicing.len() as i32;
            let moved: i32 = voicing
                .iter()
                .map(|v| previous.iter().map(|p| p.abs_diff(*v) as i32).min().unwrap_or(0))
                .sum();
            let cost = 2 * moved + (middle - centre as i32).abs();
            if best.as_ref().is_none_or(|(c, _)| cost < *c) {
                best = Some((cost, voicing));
            }
        }
        best.map(|(_, voicing)| voicing).unwrap_or_default()
    }
}

/// The MIDI key of pitch class `class` nearest to `centre`.
pub(super) fn nearest(class: u8, centre: u8) -> u8 {
    let above = centre + (class + 120 - centre) % 12;
    if above - centre > 6 && above >= 12 {
        above - 12
    } else {
        above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_numeral_of_the_tables_is_a_chord() {
        let key = Key {
            tonic: 0,
            mode: Mode::Major,
        };
        for text in [MAJOR, MINOR, DORIAN, MIXOLYDIAN].concat() {
            for numeral in text.split(' ') {
                assert!(key.chord(numeral).is_some(), "{numeral} in '{text}'");
            }
        }
        assert_eq!(
            key.chord("bVII7").map(|c| (c.root, c.intervals().len())),
            Some((10, 4))
        );
    }

    #[test]
    fn voices_move_little_and_stay_in_the_chord() {
        let key = Key {
            tonic: 9,
            mode: Mode::Minor,
        };
        let mut previous = Vec::new();
        for numeral in ["i", "bVI", "bIII", "bVII"] {
            let chord = key.chord(numeral).expect("a numeral");
            let voicing = chord.voice(&previous, 62);
            for (voice, before) in voicing.iter().zip(&previous) {
                assert!(voice.abs_diff(*before) <= 5, "{previous:?} -> {voicing:?}");
                assert_eq!(chord.nearest_tone(*voice), *voice);
            }
            previous = voicing;
        }
    }
}
