//! What is read of a piece's MIDI file.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    ops::Range,
    path::Path,
};

use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};

use super::{CorpusError, instrument::DRUM_PROGRAM};

/// Microseconds per quarter note where a file says nothing.
const DEFAULT_TEMPO: u64 = 500_000;
/// Steps of a quarter note in which two files' notes are compared.
const GRID: u64 = 960;
/// The channel of drums, from 0.
const DRUM_CHANNEL: u8 = 9;

/// The tempo of a MIDI file in quarter notes a minute: of those it has, the one that holds for the longest time; of
/// equals, the first.
///
/// # Errors
/// [`CorpusError::Io`]; [`CorpusError::Midi`] for what is no MIDI file, or has no tempo (its time is counted in
/// frames of a film).
pub fn read_tempo(path: &Path) -> Result<f64, CorpusError> {
    read(path, tempo)
}

/// A hash of what is played, by which one piece in two files is known: onset and duration of every note in beats, its
/// key, and its program (or that it is for drums). Whatever else a file holds makes no difference: tempo, texts,
/// velocities, resolution, silence in front, the order of tracks, the choice of channels.
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
    read(path, note_times)
}

fn read<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, CorpusError> {
    let bytes = fs::read(path).map_err(|source| CorpusError::Io {
        what: "read",
        path: path.into(),
        source,
    })?;
    parse(&bytes).map_err(|message| CorpusError::Midi {
        path: path.into(),
        message,
    })
}

/// The file, and its ticks a quarter note.
fn parse(bytes: &[u8]) -> Result<(Smf<'_>, u64), String> {
    let smf = Smf::parse(bytes).map_err(|error| error.to_string())?;
    match smf.header.timing {
        Timing::Metrical(ticks) if ticks.as_int() > 0 => Ok((smf, u64::from(ticks.as_int()))),
        Timing::Metrical(_) => Err("its quarter notes have no ticks".to_string()),
        Timing::Timecode(..) => Err("its time is counted in frames of a film, not in beats".to_string()),
    }
}

fn tempo(bytes: &[u8]) -> Result<f64, String> {
    let (changes, end) = tempo_changes(&parse(bytes)?.0);
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
    Ok(60e6 / longest.map_or(DEFAULT_TEMPO, |(tempo, _)| tempo) as f64)
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

fn content_hash(bytes: &[u8]) -> Result<[u8; 32], String> {
    let (smf, ticks) = parse(bytes)?;
    let notes = notes(&smf);
    let first = notes.iter().map(|note| note.ticks.start).min();
    let first = first.ok_or("it has no notes")?;
    let grid =
        |length: u64| (u128::from(GRID) * u128::from(length) + u128::from(ticks / 2)) / u128::from(ticks);
    let mut content: Vec<_> = notes
        .iter()
        .map(|note| {
            let (start, end) = (note.ticks.start - first, note.ticks.end - first);
            (grid(start), note.program, note.key, grid(end - start))
        })
        .collect();
    content.sort_unstable();
    let mut hash = blake3::Hasher::new();
    for (start, program, key, duration) in content {
        hash.update(&start.to_le_bytes());
        hash.update(&program.to_le_bytes());
        hash.update(&[key]);
        hash.update(&duration.to_le_bytes());
    }
    Ok(*hash.finalize().as_bytes())
}

fn note_times(bytes: &[u8]) -> Result<Vec<Range<f64>>, String> {
    let (smf, ticks) = parse(bytes)?;
    // First tick of every tempo, when that is in microseconds times `ticks`, and the tempo.
    let mut tempos = vec![(0, 0.0, DEFAULT_TEMPO)];
    for (tick, tempo) in tempo_changes(&smf).0 {
        if let Some(&(since, time, before)) = tempos.last() {
            tempos.push((tick, time + (tick - since) as f64 * before as f64, tempo));
        }
    }
    let seconds = |tick: u64| {
        let (since, time, tempo) = tempos[tempos.partition_point(|t| t.0 <= tick) - 1];
        (time + (tick - since) as f64 * tempo as f64) / ticks as f64 / 1e6
    };
    let notes = notes(&smf).into_iter();
    Ok(notes
        .map(|n| seconds(n.ticks.start)..seconds(n.ticks.end))
        .collect())
}

struct Note {
    ticks: Range<u64>,
    key: u8,
    /// As in a track's metadata.
    program: u16,
}

/// The notes of all tracks. One that is struck again before it ends is ended in the order of striking; one that is
/// never ended lasts until its track does.
fn notes(smf: &Smf) -> Vec<Note> {
    // A program counts for the notes of its own track. A track that sets none takes its channel's.
    let mut shared = BTreeMap::new();
    for_each_message(smf, |_, tick, channel, message| {
        if let MidiMessage::ProgramChange { program } = message {
            let entry = shared.entry((channel, tick)).or_insert(0);
            *entry = program.as_int().max(*entry);
        }
    });
    let of_channel = |channel, tick| {
        let earlier = shared.range((channel, 0)..=(channel, tick));
        earlier.last().map_or(0, |(_, program)| *program)
    };
    let mut notes: Vec<Note> = Vec::new();
    let mut own = BTreeMap::new();
    let mut open: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
    for_each_message(smf, |track, tick, channel, message| match message {
        MidiMessage::ProgramChange { program } => {
            own.insert((track, channel), program.as_int());
        }
        MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
            let program = own.get(&(track, channel)).copied();
            let program = match channel {
                DRUM_CHANNEL => DRUM_PROGRAM,
                _ => u16::from(program.unwrap_or_else(|| of_channel(channel, tick))),
            };
            let key = key.as_int();
            open.entry((track, channel, key))
                .or_default()
                .push_back(notes.len());
            notes.push(Note {
                ticks: tick..u64::MAX,
                key,
                program,
            });
        }
        MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
            let begun = open.get_mut(&(track, channel, key.as_int()));
            if let Some(index) = begun.and_then(VecDeque::pop_front) {
                notes[index].ticks.end = tick;
            }
        }
        _ => {}
    });
    let length = |track: &midly::Track| track.iter().map(|e| u64::from(e.delta.as_int())).sum::<u64>();
    for ((track, ..), unended) in open {
        for index in unended {
            notes[index].ticks.end = length(&smf.tracks[track]);
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
    use midly::{Format, Header, TrackEvent};

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
        let of = |events: &[(u32, Option<u32>)]| tempo(&file(timing, events)).unwrap();
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
        assert!(tempo(b"MThd").is_err());
        let film = Timing::Timecode(midly::Fps::Fps25, 40);
        assert!(tempo(&file(film, &[(0, None)])).unwrap_err().contains("film"));
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
        let bass: &[_] = &[(0, 0, program(33)), (0, 0, note(40, 90)), (480, 0, note(40, 0))];
        let drums: &[_] = &[(240, 9, note(36, 90)), (240, 9, note(36, 0))];
        let hash = content_hash(&piece(480, &[bass, drums])).unwrap();
        let same = |ticks, tracks: &[&[_]]| content_hash(&piece(ticks, tracks)).unwrap() == hash;
        assert!(same(480, &[drums, bass]), "another order of tracks");
        let elsewhere: &[_] = &[(0, 5, program(33)), (0, 5, note(40, 20)), (480, 5, note(40, 0))];
        assert!(same(480, &[elsewhere, drums]), "another channel and velocity");
        let finer: &[_] = &[(0, 0, program(33)), (0, 0, note(40, 90)), (960, 0, note(40, 0))];
        let fine_drums: &[_] = &[(480, 9, note(36, 90)), (480, 9, note(36, 0))];
        assert!(same(960, &[finer, fine_drums]), "another resolution");
        let late: &[_] = &[(99, 0, program(33)), (0, 0, note(40, 90)), (480, 0, note(40, 0))];
        let late_drums: &[_] = &[(339, 9, note(36, 90)), (240, 9, note(36, 0))];
        assert!(same(480, &[late, late_drums]), "silence in front");
        let bare: &[_] = &[(0, 0, note(40, 90)), (480, 0, note(40, 0))];
        assert!(
            same(480, &[&[(0, 0, program(33))], bare, drums]),
            "the program in another track"
        );

        let key: &[_] = &[(0, 0, program(33)), (0, 0, note(41, 90)), (480, 0, note(41, 0))];
        let short: &[_] = &[(0, 0, program(33)), (0, 0, note(40, 90)), (240, 0, note(40, 0))];
        let guitar: &[_] = &[(0, 0, program(25)), (0, 0, note(40, 90)), (480, 0, note(40, 0))];
        for other in [key, short, guitar, late, bare] {
            assert!(!same(480, &[other, drums]));
        }
        assert!(!same(480, &[bass]));
        assert!(
            content_hash(&piece(480, &[&[]]))
                .unwrap_err()
                .contains("no notes")
        );
    }

    #[test]
    fn notes_in_seconds() {
        let held: &[_] = &[
            (480, 0, note(40, 90)),
            (480, 0, note(40, 0)),
            (480, 0, note(50, 9)),
            (960, 0, note(1, 0)),
        ];
        // 120 quarter notes a minute, as no tempo is given; the last note never ends
        assert_eq!(note_times(&piece(480, &[held])).unwrap(), [0.5..1.0, 1.5..2.5]);
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
        assert_eq!(note_times(&bytes).unwrap(), [1.0..1.625, 1.875..2.375]);
    }
}
