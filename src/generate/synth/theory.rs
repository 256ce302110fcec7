//! Keys, chords and voice leading. A key on the keyboard is a MIDI key, a pitch class counts from C.

/// A chord: the pitch class of its root, and what is stacked on it in semitones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chord {
    pub root: u8,
    pub intervals: &'static [u8],
}

/// Open strings of a guitar, E2 to E4.
const STRINGS: [u8; 6] = [40, 45, 50, 55, 59, 64];
const MAJOR: [u8; 7] = [0, 2, 4, 5, 7, 9, 11];

impl Chord {
    /// The chord that a Roman numeral names over `tonic`, counted in the major scale: lower case is minor, `b`
    /// lowers the root, suffixes are `7`, `maj7`, `o` and `sus`. `None` if it names none.
    pub fn named(numeral: &str, tonic: u8) -> Option<Self> {
        let (flat, rest) = numeral.strip_prefix('b').map_or((0, numeral), |rest| (1, rest));
        let (roman, suffix) = rest.split_at(rest.find(|c| !"IViv".contains(c)).unwrap_or(rest.len()));
        let mut degrees = "I II III IV V VI VII".split(' ').zip(MAJOR);
        let (_, degree) = degrees.find(|(name, _)| roman.eq_ignore_ascii_case(name))?;
        let minor = roman.starts_with(char::is_lowercase);
        let intervals: &[u8] = match (suffix, minor) {
            ("", false) => &[0, 4, 7],
            ("", true) => &[0, 3, 7],
            ("o", _) => &[0, 3, 6],
            ("sus", _) => &[0, 5, 7],
            ("maj7", _) => &[0, 4, 7, 11],
            ("7", true) => &[0, 3, 7, 10],
            ("7", false) => &[0, 4, 7, 10],
            _ => return None,
        };
        let root = (tonic + degree + 12 - flat) % 12;
        Some(Chord { root, intervals })
    }

    /// The lowest root at or above `low`.
    pub fn root_from(self, low: u8) -> u8 {
        above(self.root, low)
    }

    /// Semitones from the root to the chord's fifth.
    pub fn fifth(self) -> u8 {
        self.intervals[2]
    }

    /// The chord tone nearest to `key`.
    pub fn nearest_tone(self, key: u8) -> u8 {
        let tones = self.intervals.iter().map(|i| nearest((self.root + i) % 12, key));
        tones.min_by_key(|tone| tone.abs_diff(key)).unwrap_or(key)
    }

    /// The close voicing around `centre` that moves least from `previous` (any, if that is empty), lowest key first.
    pub fn voice(self, previous: &[u8], centre: u8) -> Vec<u8> {
        let inversion = |first: usize| -> Vec<u8> {
            let lowest = self.intervals[first];
            let bottom = nearest((self.root + lowest) % 12, centre - 4);
            let others = self
                .intervals
                .iter()
                .cycle()
                .skip(first)
                .take(self.intervals.len());
            others.map(|i| bottom + (i + 12 - lowest) % 12).collect()
        };
        let cost = |keys: &Vec<u8>| {
            let way = |key: &u8| {
                previous
                    .iter()
                    .map(|p| p.abs_diff(*key) as u32)
                    .min()
                    .unwrap_or(0)
            };
            let middle = keys.iter().map(|&key| key as u32).sum::<u32>() / keys.len() as u32;
            // Staying near the centre counts a little, so that voicings do not wander off.
            2 * keys.iter().map(way).sum::<u32>() + middle.abs_diff(centre as u32)
        };
        let inversions = (0..self.intervals.len()).map(inversion);
        inversions.min_by_key(cost).unwrap_or_default()
    }

    /// The chord as a hand grips it on a guitar: on every string the first chord tone from fret `position` on, the
    /// lowest sounding string holding the root.
    pub fn grip(self, position: u8) -> Vec<u8> {
        let tone = |open: &u8| {
            let tones = self
                .intervals
                .iter()
                .map(|i| above((self.root + i) % 12, open + position));
            tones.min().unwrap_or(*open)
        };
        let bass = STRINGS[..3].iter().position(|open| tone(open) % 12 == self.root);
        let bass = bass.unwrap_or(0);
        let mut keys: Vec<u8> = STRINGS[bass..].iter().map(tone).collect();
        keys[0] = self.root_from(STRINGS[bass] + position);
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// The lowest key of pitch class `class` at or above `low`.
fn above(class: u8, low: u8) -> u8 {
    low + (class + 120 - low) % 12
}

/// The key of pitch class `class` nearest to `centre`.
pub(super) fn nearest(class: u8, centre: u8) -> u8 {
    above(class, centre - 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeral_names_a_chord() {
        let named = |numeral| Chord::named(numeral, 10).map(|chord| (chord.root, chord.intervals));
        assert_eq!(named("bVII7"), Some((8, &[0, 4, 7, 10][..])));
        assert_eq!(named("iio"), Some((0, &[0, 3, 6][..])));
        assert_eq!((named("VIII"), named("I9")), (None, None));
    }

    #[test]
    fn voices_move_little_and_stay_in_the_chord() {
        let mut previous = Vec::new();
        for numeral in ["i", "bVI", "bIII", "bVII"] {
            let chord = Chord::named(numeral, 9).expect("a numeral");
            let voicing = chord.voice(&previous, 62);
            for (voice, before) in voicing.iter().zip(&previous) {
                assert!(voice.abs_diff(*before) <= 5, "{previous:?} -> {voicing:?}");
                assert_eq!(chord.nearest_tone(*voice), *voice);
            }
            previous = voicing;
        }
    }
}
