//! Who plays what: the channels of a piece, and which of them are drum kits at the time.

use std::collections::BTreeMap;

use midly::{MetaMessage, MidiMessage, Smf, TrackEventKind};

/// A channel of a port: 16 port + channel. Most files have one port.
pub(in crate::corpus) type Channel = u16;

/// The channel of drums in General MIDI, from 0.
pub(in crate::corpus) const DRUM_CHANNEL: u8 = 9;

/// All events as (tick, track, index), in the order in which they are played.
pub(in crate::corpus) fn in_order(smf: &Smf) -> Vec<(u64, usize, usize)> {
    let mut order = Vec::with_capacity(smf.tracks.iter().map(Vec::len).sum());
    for (t, track) in smf.tracks.iter().enumerate() {
        let mut tick = 0u64;
        for (i, event) in track.iter().enumerate() {
            tick += u64::from(event.delta.as_int());
            order.push((tick, t, i));
        }
    }
    order.sort_unstable();
    order
}

/// The channels of a piece at one moment of it. Channel 10 is a drum kit, and whatever the piece makes one: a part of
/// Roland's GS or Yamaha's XG by system exclusive message, or a bank of XG or General MIDI 2, which takes effect with
/// the next change of program. Where two of these contradict each other, drums win.
pub(in crate::corpus) struct Parts {
    /// Of each track.
    ports: Vec<u16>,
    channels: BTreeMap<Channel, Part>,
    /// Whether banks are those of GS, which has others.
    gs: bool,
}

#[derive(Clone, Copy, Default)]
struct Part {
    /// Selected, for the next change of program.
    bank: u8,
    /// What a message has made of it.
    mode: Option<bool>,
    /// What its bank has made of it.
    by_bank: Option<bool>,
}

impl Parts {
    /// At the start of a piece of so many tracks.
    pub fn new(tracks: usize) -> Self {
        Parts {
            ports: vec![0; tracks],
            channels: BTreeMap::new(),
            gs: false,
        }
    }

    /// Goes on by an event of a track; returns the channel that it is for.
    pub fn hear(&mut self, track: usize, kind: &TrackEventKind) -> Option<Channel> {
        match *kind {
            TrackEventKind::Midi { channel, message } => {
                let channel = 16 * self.ports[track] + u16::from(channel.as_int());
                self.message(channel, message);
                return Some(channel);
            }
            TrackEventKind::Meta(MetaMessage::MidiPort(port)) => self.ports[track] = port.as_int().into(),
            // some files escape the whole message
            TrackEventKind::SysEx(data) | TrackEventKind::Escape([0xF0, data @ ..]) => {
                self.exclusive(self.ports[track], data);
            }
            _ => {}
        }
        None
    }

    /// Whether notes of the channel are drums now.
    pub fn is_drum(&self, channel: Channel) -> bool {
        let Part { mode, by_bank, .. } = self.part(channel);
        by_bank == Some(true) || mode.or(by_bank).unwrap_or(is_drum_channel(channel))
    }

    /// The bank that the channel has selected.
    pub fn bank(&self, channel: Channel) -> u8 {
        self.part(channel).bank
    }

    fn part(&self, channel: Channel) -> Part {
        self.channels.get(&channel).copied().unwrap_or_default()
    }

    fn message(&mut self, channel: Channel, message: MidiMessage) {
        let gs = self.gs;
        let part = self.channels.entry(channel).or_default();
        match message {
            MidiMessage::Controller { controller, value } if controller == 0 => part.bank = value.as_int(),
            MidiMessage::ProgramChange { .. } => {
                part.by_bank = match part.bank {
                    120 | 126 | 127 if !gs => Some(true),
                    121 if !gs => Some(false),
                    _ => None,
                }
            }
            _ => {}
        }
    }

    /// A system exclusive message, without its first byte.
    fn exclusive(&mut self, port: u16, data: &[u8]) {
        match *data.strip_suffix(&[0xF7]).unwrap_or(data) {
            // General MIDI, on or off
            [0x7E, _, 0x09, ..] => self.reset(false),
            // Roland: address, data, check sum
            [0x41, _, 0x42, 0x12, a, b, c, ref data @ ..] => match (a, b, c) {
                (0x00, 0x00, 0x7F) | (0x40, 0x00, 0x7F) => self.reset(data.first() != Some(&0x7F)),
                (0x40, 0x10..=0x1F, _) => {
                    let channel = match b & 0x0F {
                        0 => DRUM_CHANNEL,
                        block @ 1..=9 => block - 1,
                        block => block,
                    };
                    let data = match data {
                        [data @ .., _sum] if !data.is_empty() => data,
                        data => data,
                    };
                    if let Some(&map) = data.get(usize::from(0x15u8.wrapping_sub(c))) {
                        self.set(16 * port + u16::from(channel), map > 0);
                    }
                }
                _ => {}
            },
            // Yamaha: address, data
            [0x43, 0x10..=0x1F, 0x4C, 0x00, 0x00, 0x7E, ..] => self.reset(false),
            [0x43, 0x10..=0x1F, 0x4C, 0x08, part @ 0..=15, c, ref data @ ..] => {
                if let Some(&mode) = data.get(usize::from(0x07u8.wrapping_sub(c))) {
                    self.set(16 * port + u16::from(part), mode > 0);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, channel: Channel, drums: bool) {
        self.channels.entry(channel).or_default().mode = Some(drums);
    }

    /// As it was at the start; banks stay selected.
    fn reset(&mut self, gs: bool) {
        self.gs = gs;
        for part in self.channels.values_mut() {
            (part.mode, part.by_bank) = (None, None);
        }
    }
}

/// Whether the channel is a drum kit unless something is said.
pub(in crate::corpus) fn is_drum_channel(channel: Channel) -> bool {
    channel % 16 == u16::from(DRUM_CHANNEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Said<'a> {
        Bank(u8, u8),
        Program(u8),
        Exclusive(&'a [u8]),
        Escape(&'a [u8]),
    }
    use Said::{Bank, Escape, Exclusive, Program};

    /// The channels that are drums behind these events.
    fn drums(said: &[Said]) -> Vec<Channel> {
        let mut parts = Parts::new(1);
        for said in said {
            let midi = |channel: u8, message| TrackEventKind::Midi {
                channel: channel.into(),
                message,
            };
            let kind = match *said {
                Bank(channel, bank) => midi(
                    channel,
                    MidiMessage::Controller {
                        controller: 0.into(),
                        value: bank.into(),
                    },
                ),
                Program(channel) => midi(channel, MidiMessage::ProgramChange { program: 8.into() }),
                Exclusive(data) => TrackEventKind::SysEx(data),
                Escape(data) => TrackEventKind::Escape(data),
            };
            parts.hear(0, &kind);
        }
        (0..16).filter(|&channel| parts.is_drum(channel)).collect()
    }

    const GM: Said = Exclusive(b"\x7E\x7F\x09\x01\xF7");
    const GS: Said = Exclusive(b"\x41\x10\x42\x12\x40\x00\x7F\x00\x41\xF7");
    const XG: Said = Exclusive(b"\x43\x10\x4C\x00\x00\x7E\x00\xF7");

    #[test]
    fn channel_10_is_a_drum_kit_unless_it_is_made_something_else() {
        assert_eq!(drums(&[]), [9]);
        assert_eq!(drums(&[GM, Bank(9, 0), Program(9), Bank(0, 8), Program(0)]), [9]);
        // use for rhythm part: off
        assert_eq!(
            drums(&[GS, Exclusive(b"\x41\x10\x42\x12\x40\x10\x15\x00\x1B\xF7")]),
            [0; 0]
        );
        assert_eq!(
            drums(&[Bank(9, 121), Program(9)]),
            [0; 0],
            "a melody of General MIDI 2"
        );
    }

    #[test]
    fn parts_of_gs() {
        let rhythm = |block: u8, map: u8| [0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | block, 0x15, map, 0x7B, 0xF7];
        let of = |block, map| drums(&[GS, Exclusive(&rhythm(block, map))]);
        assert_eq!(of(0xA, 2), [9, 10]);
        let escaped = [&[0xF0], &rhythm(0xA, 2)[..]].concat();
        assert_eq!(drums(&[Escape(&escaped)]), [9, 10]);
        assert_eq!(of(1, 1), [0, 9], "blocks begin with channel 10");
        assert_eq!(of(0xF, 1), [9, 15]);
        assert_eq!(
            drums(&[Exclusive(&rhythm(0xA, 2)), GM]),
            [9],
            "what was set is reset"
        );
        // from the receiving channel on: three addresses before
        let block = b"\x41\x10\x42\x12\x40\x1B\x13\x01\x00\x02\x00\xF7";
        assert_eq!(drums(&[Exclusive(block)]), [9, 11]);
        let before = b"\x41\x10\x42\x12\x40\x1B\x02\x01\x00\x02\x00\xF7";
        assert_eq!(drums(&[Exclusive(before)]), [9], "another address");
        assert_eq!(
            drums(&[GS, Bank(3, 127), Program(3)]),
            [9],
            "an MT-32 in a GS module"
        );
        for cut in 0..10 {
            drums(&[Exclusive(&rhythm(1, 1)[..cut])]);
        }
    }

    #[test]
    fn parts_and_banks_of_xg_and_general_midi_2() {
        for bank in [120, 126, 127] {
            assert_eq!(drums(&[XG, Bank(3, bank)]), [9], "until the program changes");
            assert_eq!(drums(&[Bank(3, bank), Program(3)]), [3, 9]);
            assert_eq!(drums(&[Bank(3, bank), Program(3), Bank(3, 0), Program(3)]), [9]);
        }
        let part = Exclusive(b"\x43\x10\x4C\x08\x02\x07\x01\xF7");
        assert_eq!(drums(&[XG, part]), [2, 9]);
        assert_eq!(drums(&[XG, part, Bank(2, 121), Program(2)]), [2, 9], "drums win");
    }
}
