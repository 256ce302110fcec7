//! Standard MIDI Files as players read them: what the format allows, and what it forbids and files have all the same.

use midly::{
    Format, Header, MetaMessage, MidiMessage, PitchBend, Smf, Timing, TrackEvent, TrackEventKind,
    num::{u15, u24},
};

/// A MIDI file, made ready to be played.
pub(crate) struct MidiFile<'a> {
    /// The tracks, each up to its end. Time is in ticks of a beat, whatever the file counts in: where it counts frames
    /// of a film, a beat is what the standard makes of a second. Pieces that follow each other (format 2) are one track.
    pub smf: Smf<'a>,
    /// Ticks of a beat.
    pub ticks: u64,
    /// Whether its beats are those of the music, quarter notes.
    pub has_beats: bool,
    /// The file without what is around it.
    pub bytes: &'a [u8],
    /// What is wrong with it and was made good, for a reader.
    pub flaws: Vec<String>,
    /// What is wrong with it and was not: there is music that could not be read.
    pub damage: Option<String>,
}

/// Ticks that a piece may last: what the waiting time of one event can hold.
const MAX_TICKS: u64 = (1 << 28) - 1;

impl<'a> MidiFile<'a> {
    /// Reads a file, also one in a RIFF.
    ///
    /// # Errors
    /// Why it is no MIDI file, for a reader.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let bytes = unwrap_riff(bytes)?;
        let head = FileHead::read(bytes)?;
        let mut file = MidiFile {
            smf: Smf::new(Header::new(head.format, Timing::Metrical(head.clock.ticks))),
            ticks: head.clock.ticks.as_int().into(),
            has_beats: head.clock.beat.is_none(),
            bytes,
            flaws: Vec::new(),
            damage: None,
        };
        file.read_tracks(&head);
        let (found, promised) = (file.smf.tracks.len(), head.tracks);
        if found == 0 {
            return Err(format!("it is cut short: none of its {promised} tracks is there"));
        }
        if found < promised {
            file.flaws.push(format!(
                "it has {found} of the {promised} tracks that it promises"
            ));
        }
        if head.format == Format::Sequential {
            file.chain()?;
        }
        if let Some(beat) = head.clock.beat {
            file.count_seconds(beat);
        }
        Ok(file)
    }

    fn read_tracks(&mut self, head: &FileHead) {
        let (bytes, mut at) = (self.bytes, head.end);
        while let Some((id, length)) = chunk_head(bytes, at) {
            let rest = &bytes[at + 8..];
            if id != b"MTrk" {
                at = (at + 8).saturating_add(length);
                continue;
            }
            let number = self.smf.tracks.len() + 1;
            let (track, used) = track_of(rest, length);
            match track.stop {
                Some(Stop::Damage) => {
                    let left = track.left;
                    self.damage
                        .get_or_insert(format!("track {number} is damaged {left} bytes before its end"));
                }
                Some(Stop::End) => {
                    let left = track.left;
                    self.flaws.push(format!(
                        "track {number} ends within an event, of which {left} bytes are there"
                    ));
                }
                None if length > rest.len() && !track.ended => {
                    self.flaws.push(format!("it is cut short in track {number}"));
                }
                None => {}
            }
            self.smf.tracks.push(track.events);
            at += 8 + used;
        }
    }

    /// Puts the tracks one behind the other, as the pieces of format 2 are played.
    fn chain(&mut self) -> Result<(), String> {
        let mut all = Chain::default();
        let count = self.smf.tracks.len();
        for (track, number) in std::mem::take(&mut self.smf.tracks).into_iter().zip(1..) {
            for event in track {
                match is_end(&event) && number < count {
                    true => all.wait(event.delta.as_int()),
                    false => all.push(event),
                }
            }
        }
        if all.ticks > MAX_TICKS {
            return Err("its pieces are too long to be played one after the other".into());
        }
        self.smf.tracks = vec![all.events];
        self.smf.header.format = Format::SingleTrack;
        Ok(())
    }

    /// Replaces all tempos by the one that gives a beat so many microseconds.
    fn count_seconds(&mut self, beat: u32) {
        let first = TrackEvent {
            delta: 0.into(),
            kind: TrackEventKind::Meta(MetaMessage::Tempo(beat.into())),
        };
        let mut first = Some(first);
        for track in &mut self.smf.tracks {
            let mut kept = Chain::default();
            kept.events.extend(first.take());
            for event in std::mem::take(track) {
                match event.kind {
                    TrackEventKind::Meta(MetaMessage::Tempo(_)) => kept.wait(event.delta.as_int()),
                    _ => kept.push(event),
                }
            }
            *track = kept.events;
        }
    }
}

/// Whether a track ends with this event.
pub(crate) fn is_end(event: &TrackEvent) -> bool {
    event.kind == TrackEventKind::Meta(MetaMessage::EndOfTrack)
}

/// Events of which some are left out: the next one waits for them.
#[derive(Default)]
struct Chain<'a> {
    events: Vec<TrackEvent<'a>>,
    waited: u32,
    ticks: u64,
}

impl<'a> Chain<'a> {
    fn wait(&mut self, delta: u32) {
        self.waited = self.waited.saturating_add(delta);
        self.ticks += u64::from(delta);
    }

    fn push(&mut self, event: TrackEvent<'a>) {
        self.wait(event.delta.as_int());
        let delta = std::mem::take(&mut self.waited).into();
        self.events.push(TrackEvent { delta, ..event });
    }
}

// ---------------------------------------------------------------------------------------------- the frame

/// What the header says.
struct FileHead {
    format: Format,
    tracks: usize,
    clock: Clock,
    /// Where it ends.
    end: usize,
}

/// How time is counted.
struct Clock {
    ticks: u15,
    /// Microseconds of a beat, where tempos have no part in it.
    beat: Option<u32>,
}

impl FileHead {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let Some((b"MThd", length)) = chunk_head(bytes, 0) else {
            return Err("it does not begin as a MIDI file".into());
        };
        let Some(&[f1, f0, t1, t0, d1, d0]) = bytes.get(8..14) else {
            return Err("it ends within its header".into());
        };
        let format = match u16::from_be_bytes([f1, f0]) {
            0 => Format::SingleTrack,
            1 => Format::Parallel,
            2 => Format::Sequential,
            other => return Err(format!("its format is {other}, and there are 0, 1 and 2")),
        };
        Ok(FileHead {
            format,
            tracks: u16::from_be_bytes([t1, t0]).into(),
            clock: Clock::read(d1, d0)?,
            end: 8 + length.max(6),
        })
    }
}

impl Clock {
    /// Of the two bytes that say it: ticks of a quarter note, or frames of a film a second, negative, and ticks of each.
    fn read(high: u8, low: u8) -> Result<Self, String> {
        if high < 0x80 {
            let ticks = u16::from_be_bytes([high, low]);
            return match ticks {
                0 => Err("its quarter notes have no ticks".into()),
                _ => Ok(Clock {
                    ticks: ticks.into(),
                    beat: None,
                }),
            };
        }
        // 29 stands for 30 frames in 1.001 seconds
        let (frames, beat) = match high.wrapping_neg() {
            29 => (30, 1_001_000),
            frames => (frames, 1_000_000),
        };
        match u16::from(frames) * u16::from(low) {
            0 => Err("its seconds have no ticks".into()),
            ticks => Ok(Clock {
                ticks: ticks.into(),
                beat: Some(beat),
            }),
        }
    }
}

/// Name and length of the chunk at a place.
fn chunk_head(bytes: &[u8], at: usize) -> Option<(&[u8; 4], usize)> {
    let (id, rest) = bytes.get(at..)?.split_first_chunk()?;
    let length = u32::from_be_bytes(*rest.first_chunk()?);
    Some((id, length as usize))
}

/// The MIDI file in a RIFF file, whatever else is in it, or the bytes themselves.
fn unwrap_riff(bytes: &[u8]) -> Result<&[u8], String> {
    if !bytes.starts_with(b"RIFF") {
        return Ok(bytes);
    }
    let Some(mut rest) = bytes.get(12..).filter(|_| &bytes[8..12] == b"RMID") else {
        return Err("it is a RIFF file of something else than MIDI".into());
    };
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head.starts_with(b"data") {
            // a length that nobody filled in
            let length = if length == 0 { behind.len() } else { length };
            return Ok(&behind[..length.min(behind.len())]);
        }
        rest = behind.get(length + length % 2..).unwrap_or_default();
    }
    Err("it is a RIFF file for MIDI, without any in it".into())
}

// ---------------------------------------------------------------------------------------------- tracks

struct Track<'a> {
    events: Vec<TrackEvent<'a>>,
    /// Bytes up to its end.
    used: usize,
    /// Whether it has an end mark.
    ended: bool,
    stop: Option<Stop>,
    /// Bytes that were not read.
    left: usize,
}

/// Why a track ends before its end.
enum Stop {
    /// Its bytes end within an event.
    End,
    /// What comes is no event.
    Damage,
}

/// The track at the start of `rest`, and where the next chunk begins. What the length says decides, unless the end mark
/// says otherwise.
fn track_of(rest: &[u8], length: usize) -> (Track<'_>, usize) {
    let within = length.min(rest.len());
    let (body, behind) = rest.split_at(within);
    let track = Track::read(body);
    if !track.ended && !behind.is_empty() && !begins_chunk(behind) {
        let longer = Track::read(rest);
        if longer.ended {
            let used = longer.used;
            return (longer, used);
        }
    }
    // a length that is too large must not take the tracks behind with it
    let next = if length > rest.len() || body[track.used..].starts_with(b"MTrk") {
        track.used
    } else {
        length
    };
    (track, next)
}

fn begins_chunk(bytes: &[u8]) -> bool {
    chunk_head(bytes, 0).is_some_and(|(id, _)| id.iter().all(|b| b.is_ascii_graphic() || *b == b' '))
}

impl<'a> Track<'a> {
    /// Reads events up to the end mark, or as far as it goes.
    fn read(bytes: &'a [u8]) -> Self {
        let mut track = Track {
            events: Vec::new(),
            used: bytes.len(),
            ended: false,
            stop: None,
            left: 0,
        };
        let (mut input, mut running) = (Input(bytes), None);
        let (mut waited, mut ticks) = (0u64, 0u64);
        while !input.0.is_empty() {
            let left = input.0.len();
            let event = input.event(&mut running);
            let stop = match event {
                Ok((delta, kind)) => {
                    waited = waited.saturating_add(delta);
                    ticks = ticks.saturating_add(delta);
                    match kind {
                        _ if ticks > MAX_TICKS => Some(Stop::Damage),
                        Some(kind) => {
                            let delta = (std::mem::take(&mut waited) as u32).into();
                            track.events.push(TrackEvent { delta, kind });
                            None
                        }
                        None => None,
                    }
                }
                Err(stop) => Some(stop),
            };
            if stop.is_some() {
                (track.stop, track.left) = (stop, left);
                break;
            }
            if track.events.last().is_some_and(is_end) {
                track.ended = true;
                track.used = bytes.len() - input.0.len();
                break;
            }
        }
        track
    }
}

/// Bytes that are still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Stop::End)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    /// The wire has seven bits for data: an eighth, which some programs set, is not looked at.
    fn data(&mut self) -> Result<u8, Stop> {
        Ok(self.byte()? & 0x7F)
    }

    /// A number of any length, seven bits a byte.
    fn number(&mut self) -> Result<u64, Stop> {
        let mut number = 0u64;
        loop {
            let byte = self.byte()?;
            number = number.saturating_mul(128).saturating_add((byte & 0x7F).into());
            if byte < 0x80 {
                return Ok(number);
            }
        }
    }

    fn block(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Stop::End)?)
    }

    /// Ticks to wait, and an event; none where it is one of those that only cables carry. The `running` status of
    /// channel messages holds across all others.
    fn event(&mut self, running: &mut Option<u8>) -> Result<(u64, Option<TrackEventKind<'a>>), Stop> {
        let delta = self.number()?;
        let status = match *self.0.first().ok_or(Stop::End)? {
            status @ 0x80.. => {
                self.0 = &self.0[1..];
                status
            }
            _ => running.ok_or(Stop::Damage)?,
        };
        let kind = match status {
            0xFF => {
                let kind = self.byte()?;
                Some(TrackEventKind::Meta(meta(kind, self.block()?)))
            }
            0xF0 => Some(TrackEventKind::SysEx(self.block()?)),
            0xF7 => Some(TrackEventKind::Escape(self.block()?)),
            0xF1 | 0xF3 => self.take(1).map(|_| None)?,
            0xF2 => self.take(2).map(|_| None)?,
            0xF4.. => None,
            _ => {
                *running = Some(status);
                let channel = (status & 0x0F).into();
                let message = self.message(status >> 4)?;
                Some(TrackEventKind::Midi { channel, message })
            }
        };
        Ok((delta, kind))
    }

    /// A channel message of the kind 8 to 14.
    fn message(&mut self, kind: u8) -> Result<MidiMessage, Stop> {
        let first = self.data()?;
        Ok(match kind {
            0xC => MidiMessage::ProgramChange {
                program: first.into(),
            },
            0xD => MidiMessage::ChannelAftertouch { vel: first.into() },
            _ => {
                let (key, second) = (first.into(), self.data()?);
                let vel = second.into();
                match kind {
                    0x8 => MidiMessage::NoteOff { key, vel },
                    0x9 => MidiMessage::NoteOn { key, vel },
                    0xA => MidiMessage::Aftertouch { key, vel },
                    0xB => MidiMessage::Controller {
                        controller: key,
                        value: vel,
                    },
                    _ => {
                        let bend = u16::from(second) << 7 | u16::from(first);
                        MidiMessage::PitchBend {
                            bend: PitchBend(bend.into()),
                        }
                    }
                }
            }
        })
    }
}

/// Those that are understood here; of all others only the bytes.
fn meta(kind: u8, data: &[u8]) -> MetaMessage<'_> {
    match (kind, data) {
        (0x21, &[port, ..]) => MetaMessage::MidiPort(port.into()),
        (0x2F, _) => MetaMessage::EndOfTrack,
        (0x51, &[a, b, c, ..]) => MetaMessage::Tempo(u24::new(u32::from_be_bytes([0, a, b, c]))),
        (0x58, &[count, unit, clocks, notes, ..]) => MetaMessage::TimeSignature(count, unit, clocks, notes),
        (0x59, &[sharps, minor, ..]) => MetaMessage::KeySignature(sharps as i8, minor != 0),
        _ => MetaMessage::Unknown(kind, data),
    }
}
