//! A General MIDI file, sorted by time and by the stem that plays it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use midly::{MetaMessage, MidiMessage, Smf, TrackEvent, TrackEventKind, num::u28};

use crate::corpus::{
    DRUM_PROGRAM, Instrument,
    midi::{Channel, MidiFile, Parts, TempoMap, content_hash, in_order, is_end},
};

/// A piece of music. Notes belong to the stem of the program that their channel has at their onset, those of drum kits
/// to [`DRUM_PROGRAM`]; controllers belong to every stem that has notes on their channel.
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
    /// What is wrong with it, for a reader; it is played all the same.
    pub flaws: Vec<String>,
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

impl<'a> Piece<'a> {
    /// Reads a Standard MIDI File, also in a RIFF.
    ///
    /// # Errors
    /// Why it cannot be played, for a reader: damaged, without notes, and the like.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let file = MidiFile::parse(bytes)?;
        if let Some(damage) = file.damage {
            return Err(damage);
        }
        let content = content_hash(&file)?;
        let MidiFile {
            smf,
            bytes,
            mut flaws,
            ..
        } = file;
        let mut reading = Reading::new(&smf, TempoMap::new(&smf, file.ticks));
        for (tick, track, index) in in_order(&smf) {
            reading.advance(tick);
            let owner = reading.read(track, &smf.tracks[track][index].kind);
            reading.owners[track][index] = owner;
        }
        let endless = reading.finish();
        if endless > 0 {
            flaws.push(format!(
                "notes without an end, held until the piece ends: {endless}"
            ));
        }
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
            flaws,
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

/// The state of a pass over all events in the order of time.
struct Reading {
    tempos: TempoMap,
    tick: u64,
    seconds: f64,
    parts: Parts,
    /// Of each channel that has changed its own.
    programs: BTreeMap<Channel, u8>,
    held: BTreeMap<(Channel, u8), Held>,
    events: Vec<Event>,
    owners: Vec<Vec<Owner>>,
    stems: BTreeMap<u16, BTreeSet<Channel>>,
}

impl Reading {
    fn new(smf: &Smf, tempos: TempoMap) -> Self {
        Reading {
            tempos,
            tick: 0,
            seconds: 0.0,
            parts: Parts::new(smf.tracks.len()),
            programs: BTreeMap::new(),
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
        match (self.parts.hear(track, kind), kind) {
            (Some(channel), TrackEventKind::Midi { message, .. }) => self.message(channel, *message),
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
                let (bank, program) = (self.parts.bank(channel), program.as_int());
                self.programs.insert(channel, program);
                let stem = self.stem_of(channel);
                self.emit(
                    channel,
                    Action::Program { bank, program },
                    Owner::Stem(stem, channel),
                )
            }
            // takes effect with the next change of program
            MidiMessage::Controller { controller, .. } if controller == 0 => shared,
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
        let stem = self.stem_of(channel);
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

    /// The stem that plays what the channel plays now.
    fn stem_of(&self, channel: Channel) -> u16 {
        match self.parts.is_drum(channel) {
            true => DRUM_PROGRAM,
            false => self.programs.get(&channel).copied().unwrap_or(0).into(),
        }
    }
}
