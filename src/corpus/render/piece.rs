//! A General MIDI file, sorted by time and by the stem that plays it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use midly::{Format, MetaMessage, MidiMessage, Smf, TrackEvent, TrackEventKind, num::u28};

use crate::corpus::{
    Instrument,
    instrument::DRUM_PROGRAM,
    midi::{DRUM_CHANNEL, TempoMap, content_hash, is_end, ticks_per_beat},
};

/// A channel of a port: 16 port + channel. Most files have one port.
pub(super) type Channel = u16;

/// A piece of music. Notes belong to the stem of the program that their channel has at their onset, those of channel
/// 10 to [`DRUM_PROGRAM`]; controllers belong to every stem that has notes on their channel.
pub(super) struct Piece<'a> {
    smf: Smf<'a>,
    bytes: &'a [u8],
    events: Vec<Event>,
    /// Of every event of every track.
    owners: Vec<Vec<Owner>>,
    /// The channels of each stem, by program.
    stems: BTreeMap<u16, BTreeSet<Channel>>,
    /// What identifies the music; see [`content_hash`].
    pub content: [u8; 32],
    /// Notes without an end. They are held until the piece ends.
    pub endless: usize,
}

/// What a synthesizer is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    On {
        key: u8,
        velocity: u8,
    },
    Off {
        key: u8,
    },
    Control {
        controller: u8,
        value: u8,
    },
    /// 0 to 16383, rests at 8192.
    Bend(u16),
    /// The variation (bank) of the stem's program, or the drum kit.
    Program {
        bank: u8,
        program: u8,
    },
}

/// An action of one channel, in seconds from the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Event {
    pub seconds: f64,
    pub channel: Channel,
    pub action: Action,
    owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Nobody,
    /// Tempo, names, metre.
    Everybody,
    /// Whatever plays on the channel.
    Channel(Channel),
    Stem(u16, Channel),
}

/// A key that is held.
struct Held {
    stem: u16,
    since: u64,
    /// It was held before, and struck again at `since`.
    again: bool,
}

#[derive(Default)]
struct ChannelState {
    /// Selected, for the next change of program.
    bank: u8,
    program: u8,
}

impl<'a> Piece<'a> {
    /// Reads a Standard MIDI File, also in a RIFF.
    ///
    /// # Errors
    /// Why it cannot be played, for a reader: damaged, without notes, counted in film frames, and the like.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let bytes = unwrap_riff(bytes);
        check_chunks(bytes)?;
        let smf = read(bytes)?;
        let ticks_per_beat = ticks_per_beat(&smf)?;
        if smf.header.format == Format::Sequential {
            return Err("it holds several pieces, one a track (format 2)".into());
        }
        let content = content_hash(&smf, ticks_per_beat)?;
        let order = merge(&smf)?;
        let mut reading = Reading::new(&smf, ticks_per_beat);
        for (tick, track, index) in order {
            reading.advance(tick);
            let owner = reading.read(track, &smf.tracks[track][index].kind);
            reading.owners[track][index] = owner;
        }
        let endless = reading.finish();
        let Reading {
            events,
            owners,
            stems,
            seconds,
            ..
        } = reading;
        if seconds <= 0.0 {
            return Err("it has no length: all its notes lie at the start".into());
        }
        Ok(Piece {
            smf,
            bytes,
            events,
            owners,
            stems,
            content,
            endless,
        })
    }

    /// The programs of the stems, ascending.
    pub fn programs(&self) -> impl Iterator<Item = u16> {
        self.stems.keys().copied()
    }

    /// Whether a stem belongs to `instrument`.
    pub fn has(&self, instrument: Instrument) -> bool {
        self.programs().any(|p| Instrument::of_program(p) == instrument)
    }

    /// What the stem of a program plays, in order.
    pub fn events(&self, program: u16) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |e| self.belongs(e.owner, program))
    }

    /// The channels of a stem.
    pub fn channels(&self, program: u16) -> impl Iterator<Item = Channel> {
        self.stems.get(&program).into_iter().flatten().copied()
    }

    /// The whole file.
    pub fn midi(&self) -> &'a [u8] {
        self.bytes
    }

    /// The file with what the stem plays, and tempo and metre.
    pub fn stem_midi(&self, program: u16) -> std::io::Result<Vec<u8>> {
        let mut tracks = Vec::new();
        for (track, owners) in self.smf.tracks.iter().zip(&self.owners) {
            let mine = |owner: &Owner| *owner != Owner::Everybody && self.belongs(*owner, program);
            let conducts = |event: &TrackEvent| {
                use MetaMessage::{KeySignature, Tempo, TimeSignature};
                let conductor = |meta: &_| matches!(meta, Tempo(_) | KeySignature(..) | TimeSignature(..));
                matches!(&event.kind, TrackEventKind::Meta(meta) if conductor(meta))
            };
            if !owners.iter().any(mine) && !track.iter().any(conducts) {
                continue;
            }
            let (mut kept, mut skipped) = (Vec::new(), 0);
            for (event, owner) in track.iter().zip(owners) {
                let delta = skipped + event.delta.as_int();
                if self.belongs(*owner, program) {
                    let (delta, kind) = (u28::new(delta), event.kind);
                    kept.push(TrackEvent { delta, kind });
                    skipped = 0;
                } else {
                    skipped = delta;
                }
            }
            if !kept.last().is_some_and(is_end) {
                let (delta, kind) = (u28::new(skipped), TrackEventKind::Meta(MetaMessage::EndOfTrack));
                kept.push(TrackEvent { delta, kind });
            }
            tracks.push(kept);
        }
        let mut bytes = Vec::new();
        midly::write_std(&self.smf.header, &tracks, &mut bytes)?;
        Ok(bytes)
    }

    fn belongs(&self, owner: Owner, program: u16) -> bool {
        let on = |channel| self.stems.get(&program).is_some_and(|c| c.contains(&channel));
        match owner {
            Owner::Nobody => false,
            Owner::Everybody => true,
            Owner::Channel(channel) => on(channel),
            Owner::Stem(stem, channel) => stem == program && on(channel),
        }
    }
}

/// Whether notes of the channel are drums.
pub(super) fn is_drum(channel: Channel) -> bool {
    channel % 16 == u16::from(DRUM_CHANNEL)
}

/// The state of a pass over all events in the order of time.
struct Reading {
    tempos: TempoMap,
    tick: u64,
    seconds: f64,
    /// Of each track.
    ports: Vec<u16>,
    channels: BTreeMap<Channel, ChannelState>,
    held: BTreeMap<(Channel, u8), Held>,
    events: Vec<Event>,
    owners: Vec<Vec<Owner>>,
    stems: BTreeMap<u16, BTreeSet<Channel>>,
}

impl Reading {
    fn new(smf: &Smf, ticks_per_beat: u64) -> Self {
        Reading {
            tempos: TempoMap::new(smf, ticks_per_beat),
            tick: 0,
            seconds: 0.0,
            ports: vec![0; smf.tracks.len()],
            channels: BTreeMap::new(),
            held: BTreeMap::new(),
            events: Vec::new(),
            owners: smf.tracks.iter().map(|t| vec![Owner::Nobody; t.len()]).collect(),
            stems: BTreeMap::new(),
        }
    }

    fn advance(&mut self, tick: u64) {
        self.tick = tick;
        self.seconds = self.tempos.seconds(tick);
    }

    fn read(&mut self, track: usize, kind: &TrackEventKind) -> Owner {
        match *kind {
            TrackEventKind::Midi { channel, message } => {
                let channel = 16 * self.ports[track] + u16::from(channel.as_int());
                self.message(channel, message)
            }
            TrackEventKind::Meta(MetaMessage::MidiPort(port)) => {
                self.ports[track] = port.as_int().into();
                Owner::Everybody
            }
            _ => Owner::Everybody,
        }
    }

    fn message(&mut self, channel: Channel, message: MidiMessage) -> Owner {
        let shared = Owner::Channel(channel);
        match message {
            MidiMessage::NoteOn { key, vel } if vel > 0 => self.on(channel, key.as_int(), vel.as_int()),
            MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
                self.off(channel, key.as_int())
            }
            MidiMessage::ProgramChange { program } => {
                let (state, program) = (self.channels.entry(channel).or_default(), program.as_int());
                state.program = program;
                let bank = state.bank;
                let stem = stem_of(channel, program);
                self.emit(
                    channel,
                    Action::Program { bank, program },
                    Owner::Stem(stem, channel),
                )
            }
            // takes effect with the next change of program
            MidiMessage::Controller { controller, value } if controller == 0 => {
                self.channels.entry(channel).or_default().bank = value.as_int();
                shared
            }
            MidiMessage::Controller { controller, value } => {
                let (controller, value) = (controller.as_int(), value.as_int());
                self.emit(channel, Action::Control { controller, value }, shared)
            }
            MidiMessage::PitchBend { bend } => self.emit(channel, Action::Bend(bend.0.as_int()), shared),
            MidiMessage::Aftertouch { .. } | MidiMessage::ChannelAftertouch { .. } => shared,
        }
    }

    fn emit(&mut self, channel: Channel, action: Action, owner: Owner) -> Owner {
        let seconds = self.seconds;
        self.events.push(Event {
            seconds,
            channel,
            action,
            owner,
        });
        owner
    }

    fn on(&mut self, channel: Channel, key: u8, velocity: u8) -> Owner {
        let program = self.channels.entry(channel).or_default().program;
        let stem = stem_of(channel, program);
        let since = self.tick;
        self.stems.entry(stem).or_default().insert(channel);
        let before = self.held.remove(&(channel, key));
        let again = before.as_ref().is_some_and(|held| held.since < since);
        // one key cannot sound twice on a channel: the new note ends the old one
        if let Some(held) = before {
            self.emit(channel, Action::Off { key }, Owner::Stem(held.stem, channel));
        }
        self.held.insert((channel, key), Held { stem, since, again });
        self.emit(channel, Action::On { key, velocity }, Owner::Stem(stem, channel))
    }

    fn off(&mut self, channel: Channel, key: u8) -> Owner {
        let Entry::Occupied(mut entry) = self.held.entry((channel, key)) else {
            return Owner::Nobody;
        };
        let held = entry.get_mut();
        let owner = Owner::Stem(held.stem, channel);
        // an end in the same tick, but behind, is that of the note that was struck again
        if held.again && held.since == self.tick {
            held.again = false;
            return owner;
        }
        entry.remove();
        self.emit(channel, Action::Off { key }, owner)
    }

    /// Ends the notes that never end; returns how many.
    fn finish(&mut self) -> usize {
        let held = std::mem::take(&mut self.held);
        for (&(channel, key), held) in &held {
            self.emit(channel, Action::Off { key }, Owner::Stem(held.stem, channel));
        }
        held.len()
    }
}

fn stem_of(channel: Channel, program: u8) -> u16 {
    if is_drum(channel) {
        DRUM_PROGRAM
    } else {
        program.into()
    }
}

/// Reads whole tracks, or none; the parser alone would drop what follows bytes that are no event. A track may lack its
/// end mark.
fn read(bytes: &[u8]) -> Result<Smf<'_>, String> {
    let (header, chunks) = midly::parse(bytes).map_err(|error| error.to_string())?;
    let mut smf = Smf::new(header);
    for chunk in chunks {
        let mut events = chunk.map_err(|error| error.to_string())?;
        let mut track = Vec::new();
        loop {
            let left = events.unread().len();
            match events.next() {
                Some(event) => track.push(event.map_err(|error| error.to_string())?),
                None if left == 0 => break,
                None => {
                    let number = smf.tracks.len() + 1;
                    return Err(format!("track {number} is damaged {left} bytes before its end"));
                }
            }
            if track.last().is_some_and(is_end) {
                break;
            }
        }
        smf.tracks.push(track);
    }
    Ok(smf)
}

/// All events as (tick, track, index), in the order in which they are played.
fn merge(smf: &Smf) -> Result<Vec<(u64, usize, usize)>, String> {
    let mut order = Vec::with_capacity(smf.tracks.iter().map(Vec::len).sum());
    for (t, track) in smf.tracks.iter().enumerate() {
        let mut tick = 0u64;
        for (i, event) in track.iter().enumerate() {
            tick += u64::from(event.delta.as_int());
            order.push((tick, t, i));
        }
        if tick > u64::from(u28::max_value().as_int()) {
            return Err(format!("track {} is {tick} ticks long", t + 1));
        }
    }
    order.sort_unstable();
    Ok(order)
}

/// The MIDI file in a RIFF file, or the bytes themselves.
fn unwrap_riff(bytes: &[u8]) -> &[u8] {
    match bytes {
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'R',
            b'M',
            b'I',
            b'D',
            rest @ ..,
        ] if rest.len() > 8 => {
            let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
            let data = &rest[8..];
            &data[..length.min(data.len())]
        }
        _ => bytes,
    }
}

/// Finds that all tracks are there and whole; the parser would take what is there.
fn check_chunks(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"MThd") || bytes.len() < 14 {
        return Err("it does not begin as a MIDI file".into());
    }
    let promised = u16::from_be_bytes([bytes[10], bytes[11]]) as usize;
    let (mut at, mut found) = (0, 0);
    while found < promised {
        let Some(head) = bytes.get(at..at + 8) else {
            return Err(format!("it is cut short: {found} of {promised} tracks are there"));
        };
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        found += usize::from(head.starts_with(b"MTrk"));
        at += 8 + length;
        if at > bytes.len() {
            return Err(format!("it is cut short in track {found} of {promised}"));
        }
    }
    Ok(())
}
