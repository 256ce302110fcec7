//! New pieces out of old ones: the same music by other instruments, in another key. Pieces with a piano are scarce
//! among those that people write; arranged, nearly every piece has one.

use std::collections::BTreeMap;

use midly::{MidiMessage, Smf, TrackEvent, TrackEventKind, num::u7};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::corpus::{
    Instrument,
    midi::{Channel, MidiFile, Parts, in_order},
};

/// Semitones that a piece is moved by at most.
const KEYS: i16 = 5;
/// Programs that stand for each role: what plays a tune, or chords; no sound effects, no drums.
const PIANOS: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7];
const GUITARS: &[u8] = &[24, 25, 26, 27, 28, 29, 30];
const BASSES: &[u8] = &[32, 33, 34, 35, 36, 37, 38, 39];
#[rustfmt::skip]
const OTHERS: &[u8] = &[
    8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 40, 41, 42, 44, 45, 46, 48, 49, 50, 51, 52, 53, 54,
    56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 78, 79, 80, 81, 82, 83, 84, 85, 86,
    87, 88, 89, 90, 91, 92, 93, 94, 95, 104, 105, 106, 107, 108, 110, 111,
];
/// Kits that most SoundFonts have: standard, room, power, electronic, TR-808, jazz, brush.
const KITS: &[u8] = &[0, 8, 16, 24, 25, 32, 40];

/// What a channel plays while it has a program.
type Voice = (Channel, u8);

/// The notes of a voice.
#[derive(Default)]
struct Notes {
    count: u64,
    /// The sum of their keys.
    keys: u64,
}

/// Who plays what, and how much higher.
struct Arrangement {
    programs: BTreeMap<Voice, u8>,
    kit: u8,
    shift: i16,
}

/// The file with other instruments and in another key, a function of `seed` and of what the piece is known by. Where
/// it has a bass, that stays one; otherwise the lowest of several voices becomes one. The others are pianos, guitars and
/// residuals in turn. Drums play what they did, on another kit.
///
/// # Errors
/// Why it cannot be read or written, for a reader.
pub(super) fn arrange(bytes: &[u8], seed: u64, content: [u8; 32]) -> Result<Vec<u8>, String> {
    let smf = MidiFile::parse(bytes)?.smf;
    let mut key = blake3::Hasher::new_derive_key("stemwise arrangement");
    key.update(&seed.to_le_bytes());
    key.update(&content);
    let mut random = ChaCha8Rng::from_seed(key.finalize().into());
    let arrangement = Arrangement::draw(&voices(&smf), &mut random);
    let mut arranged = Vec::new();
    midly::write_std(&smf.header, &arrangement.apply(&smf), &mut arranged)
        .map_err(|error| format!("its arrangement cannot be written: {error}"))?;
    Ok(arranged)
}

/// The voices that are no drums.
fn voices(smf: &Smf) -> BTreeMap<Voice, Notes> {
    let mut voices: BTreeMap<Voice, Notes> = BTreeMap::new();
    let mut playing = Playing::new(smf);
    for (_, track, index) in in_order(smf) {
        let Some((channel, message)) = playing.hear(track, &smf.tracks[track][index].kind) else {
            continue;
        };
        match message {
            MidiMessage::NoteOn { key, vel } if vel > 0 && !playing.parts.is_drum(channel) => {
                let played = voices.entry((channel, playing.program(channel))).or_default();
                played.count += 1;
                played.keys += u64::from(key.as_int());
            }
            _ => {}
        }
    }
    voices
}

/// The programs of the channels at one moment.
struct Playing {
    parts: Parts,
    /// Of channels that were given one.
    programs: BTreeMap<Channel, u8>,
}

impl Playing {
    fn new(smf: &Smf) -> Self {
        Playing {
            parts: Parts::new(smf.tracks.len()),
            programs: BTreeMap::new(),
        }
    }

    /// The message of an event, and its channel.
    fn hear(&mut self, track: usize, kind: &TrackEventKind) -> Option<(Channel, MidiMessage)> {
        let channel = self.parts.hear(track, kind)?;
        let TrackEventKind::Midi { message, .. } = *kind else {
            return None;
        };
        if let MidiMessage::ProgramChange { program } = message {
            self.programs.insert(channel, program.as_int());
        }
        Some((channel, message))
    }

    fn program(&self, channel: Channel) -> u8 {
        self.programs.get(&channel).copied().unwrap_or(0)
    }
}

impl Arrangement {
    fn draw(voices: &BTreeMap<Voice, Notes>, random: &mut ChaCha8Rng) -> Self {
        let is_bass = |&(_, program): &Voice| Instrument::of_program(program.into()) == Instrument::Bass;
        let height = |voice: &Voice| voices[voice].keys as f64 / voices[voice].count as f64;
        let (mut basses, mut others): (Vec<Voice>, Vec<Voice>) = voices.keys().partition(|v| is_bass(v));
        if basses.is_empty() && others.len() > 1 {
            let lowest = (0..others.len()).min_by(|&a, &b| height(&others[a]).total_cmp(&height(&others[b])));
            basses.extend(lowest.map(|lowest| others.remove(lowest)));
        }
        others.shuffle(random);
        let mut one_of = |programs: &[u8]| programs[random.random_range(0..programs.len())];
        let mut programs: BTreeMap<Voice, u8> =
            basses.into_iter().map(|voice| (voice, one_of(BASSES))).collect();
        for (voice, role) in others.into_iter().zip([PIANOS, GUITARS, OTHERS].iter().cycle()) {
            programs.insert(voice, one_of(role));
        }
        Arrangement {
            programs,
            kit: one_of(KITS),
            shift: random.random_range(-KEYS..=KEYS),
        }
    }

    fn apply<'a>(&self, smf: &Smf<'a>) -> Vec<Vec<TrackEvent<'a>>> {
        let mut tracks = smf.tracks.clone();
        // of voices that play before they are given a program, in front of the first note: by track and index
        let mut inserted = Vec::new();
        let mut playing = Playing::new(smf);
        for (_, track, index) in in_order(smf) {
            let event = &mut tracks[track][index];
            let Some((channel, message)) = playing.hear(track, &event.kind) else {
                continue;
            };
            let drums = playing.parts.is_drum(channel);
            let voice = (channel, playing.program(channel));
            let program = match drums {
                true => Some(self.kit),
                false => self.programs.get(&voice).copied(),
            };
            if let (MidiMessage::NoteOn { .. }, Some(program)) = (message, program)
                && !playing.programs.contains_key(&channel)
            {
                playing.programs.insert(channel, 0);
                inserted.push((track, index, program));
            }
            if let TrackEventKind::Midi { message, .. } = &mut event.kind {
                match message {
                    // a voice without notes has no new program, and needs none
                    MidiMessage::ProgramChange { program: old } => *old = program.map_or(*old, u7::new),
                    MidiMessage::NoteOn { key, .. }
                    | MidiMessage::NoteOff { key, .. }
                    | MidiMessage::Aftertouch { key, .. }
                        if !drums =>
                    {
                        *key = moved(*key, self.shift);
                    }
                    _ => {}
                }
            }
        }
        inserted.sort_unstable();
        for (track, index, program) in inserted.into_iter().rev() {
            let note = &mut tracks[track][index];
            let TrackEventKind::Midi { channel, .. } = note.kind else {
                continue;
            };
            let delta = std::mem::take(&mut note.delta);
            let message = MidiMessage::ProgramChange {
                program: u7::new(program),
            };
            let kind = TrackEventKind::Midi { channel, message };
            tracks[track].insert(index, TrackEvent { delta, kind });
        }
        tracks
    }
}

/// A key moved by so many semitones; at the ends of the keyboard, by an octave less or more.
fn moved(key: u7, shift: i16) -> u7 {
    let moved = i16::from(key.as_int()) + shift;
    let inside = match moved {
        ..0 => moved + 12,
        128.. => moved - 12,
        _ => moved,
    };
    u7::new(inside as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::render::piece::Piece;

    /// A format 0 file of one tick a beat: programs (channel, program), then one note of each key, in turn.
    fn file(programs: &[(u8, u8)], notes: &[(u8, u8)]) -> Vec<u8> {
        let mut track = Vec::new();
        for &(channel, program) in programs {
            track.extend([0, 0xC0 | channel, program]);
        }
        for &(channel, key) in notes {
            track.extend([0, 0x90 | channel, key, 100, 24, 0x80 | channel, key, 0]);
        }
        track.extend([0, 0xFF, 0x2F, 0]);
        let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\0\x18MTrk".to_vec();
        bytes.extend((track.len() as u32).to_be_bytes());
        bytes.extend(track);
        bytes
    }

    fn instruments(bytes: &[u8]) -> Vec<Instrument> {
        let piece = Piece::parse(bytes).unwrap();
        let mut found: Vec<Instrument> = piece.programs().map(Instrument::of_program).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn the_bass_stays_and_the_others_take_turns() {
        use Instrument::{Bass, Drums, Guitar, Piano, Residuals};
        // drums, two leads, a pad without a program, and a bass
        let notes = [(9, 36), (0, 70), (1, 60), (3, 50), (2, 40)];
        let bytes = file(&[(0, 80), (1, 81), (2, 33)], &notes);
        for seed in 0..20 {
            let arranged = arrange(&bytes, seed, [7; 32]).unwrap();
            assert_eq!(
                instruments(&arranged),
                [Drums, Bass, Piano, Guitar, Residuals],
                "{seed}"
            );
            assert_eq!(arranged, arrange(&bytes, seed, [7; 32]).unwrap());
        }
        // without a bass, the lowest is one, though it stands first and has no program
        let bytes = file(&[(1, 80)], &[(0, 40), (1, 70)]);
        assert_eq!(instruments(&bytes), [Piano, Residuals]);
        assert_eq!(instruments(&arrange(&bytes, 1, [0; 32]).unwrap()), [Bass, Piano]);
    }

    #[test]
    fn all_voices_move_alike_and_drums_stay() {
        let bytes = file(&[(0, 0)], &[(0, 60), (9, 36), (0, 64), (1, 0), (1, 127)]);
        let mut shifts = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let arranged = arrange(&bytes, seed, [1; 32]).unwrap();
            let smf = Smf::parse(&arranged).unwrap();
            let keys: Vec<i16> = smf.tracks[0]
                .iter()
                .filter_map(|event| match event.kind {
                    TrackEventKind::Midi {
                        message: MidiMessage::NoteOn { key, .. },
                        ..
                    } => Some(i16::from(key.as_int())),
                    _ => None,
                })
                .collect();
            let shift = keys[0] - 60;
            let wrapped =
                |key: i16| key + shift + 12 * (i16::from(key + shift < 0) - i16::from(key + shift > 127));
            assert_eq!(keys, [60 + shift, 36, 64 + shift, wrapped(0), wrapped(127)]);
            shifts.insert(shift);
        }
        // of 60 draws all eleven come in 96 of 100 cases, and nine of them all but surely
        assert!(
            shifts.len() >= 9 && shifts.iter().all(|shift| shift.abs() <= KEYS),
            "{shifts:?}"
        );
    }
}
