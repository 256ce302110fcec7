//! What is read of a piece's MIDI file.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    path::Path,
};

use midly::{MidiMessage, Smf, TrackEventKind};

mod parts;
mod reader;
mod time;

use self::time::tempo;
pub(crate) use self::{
    parts::{Channel, DRUM_CHANNEL, Parts, in_order, is_drum_channel},
    reader::{MidiFile, is_end},
    time::TempoMap,
};
use super::CorpusError;
use crate::files;

/// Steps of a quarter note to which onsets are rounded before they are compared: 24 has room for triplets of
/// sixteenths.
const GRID: u64 = 24;

/// The tempo of a MIDI file in quarter notes a minute: of those it has, the one that holds for the longest time; of
/// equals, the first.
///
/// # Errors
/// [`CorpusError::Io`]; [`CorpusError::Midi`] for what is no MIDI file, or has no tempo (its time is counted in
/// frames of a film).
pub fn read_tempo(path: &Path) -> Result<f64, CorpusError> {
    read(path, |file| match file.has_beats {
        true => Ok(tempo(&file.smf)),
        false => Err("it has no tempo: its time is counted in frames of a film, not in beats".into()),
    })
}

/// A hash of what is played, by which one piece in two files is known: the set of its notes, each an onset in quarter
/// notes from the first (to the nearest 1/24), a key, and whether it is for drums. Whatever else a file holds makes no
/// difference: tempo, instruments, lengths and velocities of notes, texts, resolution, silence in front, tracks and
/// channels.
///
/// # Errors
/// As [`read_tempo`], and [`CorpusError::Midi`] for a file without notes.
pub fn read_content_hash(path: &Path) -> Result<[u8; 32], CorpusError> {
    read(path, content_hash)
}

/// From when to when the notes of a file are held, in seconds, in no particular order.
///
/// # Errors
/// As [`read_tempo`].
pub fn read_note_times(path: &Path) -> Result<Vec<Range<f64>>, CorpusError> {
    read(path, |file| Ok(note_times(file)))
}

/// What `get` makes of a file.
fn read<T>(path: &Path, get: impl FnOnce(&MidiFile) -> Result<T, String>) -> Result<T, CorpusError> {
    let bytes = files::read(path).map_err(CorpusError::io("read", path))?;
    let got = MidiFile::parse(&bytes).and_then(|file| get(&file));
    got.map_err(|message| CorpusError::Midi {
        path: path.into(),
        message,
    })
}

/// As [`read_content_hash`]; or why there is none, for a reader.
pub(crate) fn content_hash(file: &MidiFile) -> Result<[u8; 32], String> {
    let mut parts = Parts::new(file.smf.tracks.len());
    let mut notes = Vec::new();
    for (tick, track, index) in in_order(&file.smf) {
        let kind = &file.smf.tracks[track][index].kind;
        let channel = parts.hear(track, kind);
        if let (Some(channel), TrackEventKind::Midi { message, .. }) = (channel, kind)
            && let MidiMessage::NoteOn { key, vel } = *message
            && vel > 0
        {
            notes.push((tick, parts.is_drum(channel), key.as_int()));
        }
    }
    let first = notes.iter().map(|note| note.0).min().ok_or("it has no notes")?;
    let grid = |length: u64| (GRID * length + file.ticks / 2) / file.ticks;
    let notes = notes
        .into_iter()
        .map(|(tick, drum, key)| (grid(tick - first), drum, key));
    // a set: that two instruments play one note is orchestration, too
    let mut hash = blake3::Hasher::new();
    for (onset, drum, key) in notes.collect::<BTreeSet<_>>() {
        hash.update(&onset.to_le_bytes());
        hash.update(&[drum.into(), key]);
    }
    Ok(hash.finalize().into())
}

fn note_times(file: &MidiFile) -> Vec<Range<f64>> {
    let map = TempoMap::new(&file.smf, file.ticks);
    let notes = notes(&file.smf).into_iter();
    notes.map(|n| map.seconds(n.start)..map.seconds(n.end)).collect()
}

/// The ticks of the notes of all tracks. One that is struck again before it ends is ended in the order of striking; one
/// that is never ended lasts until its track does.
fn notes(smf: &Smf) -> Vec<Range<u64>> {
    let mut notes: Vec<Range<u64>> = Vec::new();
    let mut open: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
    for_each_message(smf, |track, tick, channel, message| match message {
        MidiMessage::NoteOn { key, vel } if vel > 0 => {
            let begun = open.entry((track, channel, key.as_int())).or_default();
            begun.push_back(notes.len());
            notes.push(tick..u64::MAX);
        }
        MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
            let begun = open.get_mut(&(track, channel, key.as_int()));
            if let Some(index) = begun.and_then(VecDeque::pop_front) {
                notes[index].end = tick;
            }
        }
        _ => {}
    });
    let length = |track: &midly::Track| track.iter().map(|e| u64::from(e.delta.as_int())).sum::<u64>();
    for ((track, ..), unended) in open {
        for index in unended {
            notes[index].end = length(&smf.tracks[track]);
        }
    }
    notes
}

/// Calls `on` with track, tick, channel and message of every channel message, track by track.
fn for_each_message(smf: &Smf, mut on: impl FnMut(usize, u64, u8, MidiMessage)) {
    for (index, track) in smf.tracks.iter().enumerate() {
        let mut tick = 0u64;
        for event in track {
            tick += u64::from(event.delta.as_int());
            if let TrackEventKind::Midi { channel, message } = event.kind {
                on(index, tick, channel.as_int(), message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use midly::{Format, Header, MetaMessage, Timing, TrackEvent};

    use super::*;

    fn file(timing: Timing, events: &[(u32, Option<u32>)]) -> Vec<u8> {
        let event = |&(delta, tempo): &(u32, Option<u32>)| TrackEvent {
            delta: delta.into(),
            kind: TrackEventKind::Meta(match tempo {
                Some(tempo) => MetaMessage::Tempo(tempo.into()),
                None => MetaMessage::EndOfTrack,
            }),
        };
        let mut smf = Smf::new(Header::new(Format::SingleTrack, timing));
        smf.tracks.push(events.iter().map(event).collect());
        let mut bytes = Vec::new();
        smf.write_std(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_tempo_that_holds_longest() {
        let timing = Timing::Metrical(480.into());
        let of = |events: &[(u32, Option<u32>)]| tempo(&MidiFile::parse(&file(timing, events)).unwrap().smf);
        assert_eq!(of(&[(0, None)]), 120.0, "the default, even of an empty piece");
        assert_eq!(of(&[(0, Some(400_000)), (960, None)]), 150.0);
        // 120 for 3 beats (1.5 s), then 60 for 2 (2 s)
        let two = [(0, Some(500_000)), (1440, Some(1_000_000)), (960, None)];
        assert_eq!(of(&two), 60.0, "by time, not by beats");
        // the last change at one tick counts; a change at the end holds for no time
        let same = [
            (0, Some(500_000)),
            (0, Some(250_000)),
            (480, Some(900_000)),
            (0, None),
        ];
        assert_eq!(of(&same), 240.0);
        let beyond = [(0, Some(400_000)), (480, None), (0, Some(900_000)), (4800, None)];
        assert_eq!(of(&beyond), 150.0, "nothing is read behind a track's end");
    }

    /// A format-1 file; a track is its events: ticks to wait, channel, message.
    fn piece(ticks: u16, tracks: &[&[(u32, u8, MidiMessage)]]) -> Vec<u8> {
        let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(ticks.into())));
        for track in tracks {
            let event = |&(delta, channel, message): &(u32, u8, MidiMessage)| TrackEvent {
                delta: delta.into(),
                kind: TrackEventKind::Midi {
                    channel: channel.into(),
                    message,
                },
            };
            smf.tracks.push(track.iter().map(event).collect());
        }
        let mut bytes = Vec::new();
        smf.write_std(&mut bytes).unwrap();
        bytes
    }

    fn program(program: u8) -> MidiMessage {
        MidiMessage::ProgramChange {
            program: program.into(),
        }
    }

    fn note(key: u8, vel: u8) -> MidiMessage {
        MidiMessage::NoteOn {
            key: key.into(),
            vel: vel.into(),
        }
    }

    #[test]
    fn a_piece_is_known_by_its_notes() {
        let hash = |ticks, tracks: &[&[_]]| {
            let bytes = piece(ticks, tracks);
            content_hash(&MidiFile::parse(&bytes).unwrap())
        };
        let bass: &[_] = &[
            (0, 0, program(33)),
            (0, 0, note(40, 90)),
            (480, 0, note(40, 0)),
            (0, 0, note(43, 90)),
            (240, 0, note(43, 0)),
        ];
        let drums: &[_] = &[(240, 9, note(36, 90)), (240, 9, note(36, 0))];
        let one = hash(480, &[bass, drums]).unwrap();
        let same = |ticks, tracks: &[&[_]]| hash(ticks, tracks).unwrap() == one;
        // Ticks of rest in front, between the onsets, and that a note of the bass lasts.
        let line = |rest, step: u32, length| {
            [
                (rest, 5, note(40, 20)),
                (length, 5, note(40, 0)),
                (step - length, 5, note(43, 20)),
                (length, 5, note(43, 0)),
            ]
        };
        assert!(same(480, &[drums, bass]), "another order of tracks");
        assert!(
            same(480, &[&line(0, 480, 480), drums]),
            "another instrument, channel, velocity"
        );
        assert!(same(480, &[&line(0, 480, 100), drums]), "other lengths");
        let fine_drums: &[_] = &[(480, 9, note(36, 90))];
        assert!(same(960, &[&line(0, 960, 960), fine_drums]), "another resolution");
        let late_drums: &[_] = &[(339, 9, note(36, 90))];
        assert!(same(480, &[&line(99, 480, 480), late_drums]), "silence in front");
        assert!(
            same(480, &[bass, &line(9, 480, 480), drums]),
            "another instrument in unison"
        );
        assert!(
            same(480, &[&line(0, 489, 480), drums]),
            "a note 9 ticks late, of 20 in a step"
        );

        let key: &[_] = &[(0, 0, note(41, 90)), (480, 0, note(43, 90))];
        for other in [key, &line(0, 491, 480), &line(99, 480, 480), drums] {
            assert!(!same(480, &[other, drums]));
        }
        assert!(!same(480, &[bass]) && !same(480, &[bass, &[(240, 8, note(36, 90))]]));
        assert!(hash(480, &[&[]]).unwrap_err().contains("no notes"));
    }

    #[test]
    fn notes_in_seconds() {
        let times = |bytes: &[u8]| note_times(&MidiFile::parse(bytes).unwrap());
        let held: &[_] = &[
            (480, 0, note(40, 90)),
            (480, 0, note(40, 0)),
            (480, 0, note(50, 9)),
            (960, 0, note(1, 0)),
        ];
        // 120 quarter notes a minute, as no tempo is given; the last note never ends
        assert_eq!(times(&piece(480, &[held])), [0.5..1.0, 1.5..2.5]);
        let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(480.into())));
        let tempo = |delta: u32, tempo: u32| TrackEvent {
            delta: delta.into(),
            kind: TrackEventKind::Meta(MetaMessage::Tempo(tempo.into())),
        };
        smf.tracks.push(vec![tempo(0, 1_000_000), tempo(720, 250_000)]);
        let bytes = piece(480, &[held]);
        smf.tracks.extend(Smf::parse(&bytes).unwrap().tracks);
        let mut bytes = Vec::new();
        smf.write_std(&mut bytes).unwrap();
        assert_eq!(times(&bytes), [1.0..1.625, 1.875..2.375]);
    }
}
