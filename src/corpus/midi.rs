//! What is read of a piece's MIDI file.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    ops::Range,
    path::Path,
};

use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

use super::CorpusError;

/// Microseconds per quarter note where a file says nothing.
const DEFAULT_TEMPO: u64 = 500_000;
/// Steps of a quarter note to which onsets are rounded before they are compared: 24 has room for triplets of
/// sixteenths.
const GRID: u64 = 24;
/// The channel of drums, from 0.
pub(super) const DRUM_CHANNEL: u8 = 9;

/// The tempo of a MIDI file in quarter notes a minute: of those it has, the one that holds for the longest time; of
/// equals, the first.
///
/// # Errors
/// [`CorpusError::Io`]; [`CorpusError::Midi`] for what is no MIDI file, or has no tempo (its time is counted in
/// frames of a film).
pub fn read_tempo(path: &Path) -> Result<f64, CorpusError> {
    read(path, |smf, _| Ok(tempo(smf)))
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
    read(path, |smf, ticks| Ok(note_times(smf, ticks)))
}

/// What `get` makes of a file and its ticks a quarter note.
fn read<T>(path: &Path, get: impl FnOnce(&Smf, u64) -> Result<T, String>) -> Result<T, CorpusError> {
    let bytes = fs::read(path).map_err(CorpusError::io("read", path))?;
    let got = parse(&bytes).and_then(|(smf, ticks)| get(&smf, ticks));
    got.map_err(|message| CorpusError::Midi {
        path: path.into(),
        message,
    })
}

/// The file, its tracks cut at their ends, and its ticks a quarter note.
fn parse(bytes: &[u8]) -> Result<(Smf<'_>, u64), String> {
    let mut smf = Smf::parse(bytes).map_err(|error| error.to_string())?;
    for track in &mut smf.tracks {
        // the parser goes on behind it, to the end of the chunk
        let events = track.iter().position(is_end).map_or(track.len(), |end| end + 1);
        track.truncate(events);
    }
    let ticks = ticks_per_beat(&smf)?;
    Ok((smf, ticks))
}

/// Whether a track ends with this event.
pub(super) fn is_end(event: &TrackEvent) -> bool {
    event.kind == TrackEventKind::Meta(MetaMessage::EndOfTrack)
}

/// Ticks a quarter note; or why there are none, for a reader.
pub(super) fn ticks_per_beat(smf: &Smf) -> Result<u64, String> {
    match smf.header.timing {
        Timing::Metrical(ticks) if ticks.as_int() > 0 => Ok(ticks.as_int().into()),
        Timing::Metrical(_) => Err("its quarter notes have no ticks".to_string()),
        Timing::Timecode(..) => Err("its time is counted in frames of a film, not in beats".to_string()),
    }
}

fn tempo(smf: &Smf) -> f64 {
    let (changes, end) = tempo_changes(smf);
    // Time, in microseconds times the ticks of a quarter note, that each tempo holds for; and where it first does.
    let mut held: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let (mut since, mut tempo) = (0, DEFAULT_TEMPO);
    for (tick, next) in changes.into_iter().chain([(end.max(1), DEFAULT_TEMPO)]) {
        let until = tick.min(end.max(1));
        if until > since {
            let entry = held.entry(tempo).or_insert((0, since));
            entry.0 = entry.0.saturating_add((until - since).saturating_mul(tempo));
        }
        (since, tempo) = (until, next);
    }
    let longest = held
        .into_iter()
        .max_by_key(|&(_, (time, first))| (time, std::cmp::Reverse(first)));
    60e6 / longest.map_or(DEFAULT_TEMPO, |(tempo, _)| tempo) as f64
}

/// Microseconds a quarter note by the tick from which on they hold, and the tick at which the piece ends.
fn tempo_changes(smf: &Smf) -> (BTreeMap<u64, u64>, u64) {
    let mut changes = BTreeMap::new();
    let mut end = 0u64;
    for track in &smf.tracks {
        let mut tick = 0u64;
        for event in track {
            tick += u64::from(event.delta.as_int());
            if let TrackEventKind::Meta(MetaMessage::Tempo(tempo)) = event.kind
                && tempo.as_int() > 0
            {
                changes.insert(tick, u64::from(tempo.as_int()));
            }
        }
        end = end.max(tick);
    }
    (changes, end)
}

/// When each tick is, in seconds from the start.
pub(super) struct TempoMap {
    ticks_per_beat: f64,
    /// First tick of every tempo, when that is in microseconds times the ticks of a quarter note, and the tempo.
    tempos: Vec<(u64, f64, u64)>,
}

impl TempoMap {
    pub fn new(smf: &Smf, ticks_per_beat: u64) -> Self {
        let (mut since, mut time, mut tempo) = (0, 0.0, DEFAULT_TEMPO);
        let mut tempos = vec![(since, time, tempo)];
        for (tick, next) in tempo_changes(smf).0 {
            time += (tick - since) as f64 * tempo as f64;
            (since, tempo) = (tick, next);
            tempos.push((since, time, tempo));
        }
        TempoMap {
            ticks_per_beat: ticks_per_beat as f64,
            tempos,
        }
    }

    pub fn seconds(&self, tick: u64) -> f64 {
        let (since, time, tempo) = self.tempos[self.tempos.partition_point(|t| t.0 <= tick) - 1];
        (time + (tick - since) as f64 * tempo as f64) / self.ticks_per_beat / 1e6
    }
}

/// As [`read_content_hash`]; or why there is none, for a reader.
pub(super) fn content_hash(smf: &Smf, ticks_per_beat: u64) -> Result<[u8; 32], String> {
    let mut notes = Vec::new();
    for_each_message(smf, |_, tick, channel, message| match message {
        MidiMessage::NoteOn { key, vel } if vel > 0 => {
            notes.push((tick, channel == DRUM_CHANNEL, key.as_int()));
        }
        _ => {}
    });
    let first = notes.iter().map(|note| note.0).min().ok_or("it has no notes")?;
    let grid = |length: u64| (GRID * length + ticks_per_beat / 2) / ticks_per_beat;
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

fn note_times(smf: &Smf, ticks_per_beat: u64) -> Vec<Range<f64>> {
    let map = TempoMap::new(smf, ticks_per_beat);
    let notes = notes(smf).into_iter();
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
    use midly::{Format, Header};

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
        let of = |events: &[(u32, Option<u32>)]| tempo(&parse(&file(timing, events)).unwrap().0);
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
        assert!(parse(b"MThd").is_err());
        let film = Timing::Timecode(midly::Fps::Fps25, 40);
        assert!(parse(&file(film, &[(0, None)])).unwrap_err().contains("film"));
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
            let (smf, ticks) = parse(&bytes).unwrap();
            content_hash(&smf, ticks)
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
        let times = |bytes: &[u8]| {
            let (smf, ticks) = parse(bytes).unwrap();
            note_times(&smf, ticks)
        };
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
