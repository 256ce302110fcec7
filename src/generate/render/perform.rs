//! One stem, played by a synthesizer of its own.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use rustysynth::{Synthesizer, SynthesizerSettings};

use super::{
    font::{DRUM_BANK, Voicing},
    piece::{Action, Event, Piece},
};
use crate::{
    corpus::midi::{Channel, DRUM_CHANNEL, is_drum_channel},
    generate::write::SAMPLE_RATE,
    guard::guarded,
};

/// Samples between moments at which the synthesizer takes events and moves its envelopes: events are heard at the
/// nearest one, at most 0.4 ms away.
const BLOCK: usize = 32;
/// Voices of one stem. A pedalled piano with stereo samples comes near a hundred.
const POLYPHONY: usize = 256;
/// Seconds for which notes ring out at most, behind the last event.
const TAIL: f64 = 5.0;
/// What stays below this (−80 dBFS) has rung out, after so many seconds.
const QUIET: f32 = 1e-4;
const QUIET_SECONDS: f64 = 0.1;
/// The synthesizer's channel for drums, and those that are left.
const DRUM_SLOT: i32 = DRUM_CHANNEL as i32;
const MELODIC_SLOTS: [i32; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15];

// MIDI commands and controllers.
const OFF: i32 = 0x80;
const ON: i32 = 0x90;
const CONTROL: i32 = 0xB0;
const PROGRAM: i32 = 0xC0;
const BEND: i32 = 0xE0;
const BANK: u8 = 0;
const SUSTAIN: u8 = 64;
const ALL_NOTES_OFF: u8 = 123;

/// Settings of the synthesis that all stems share.
pub(super) struct Stage<'a> {
    /// Samples after which a piece is cut.
    pub limit: usize,
    /// Whether channels have reverberation and chorus.
    pub effects: bool,
    pub stop: &'a AtomicBool,
}

/// Why there is no sound.
pub(super) enum Failed {
    /// The stop flag was set.
    Stopped,
    /// The SoundFont and the piece do not go together; a reason for a reader.
    Unplayable(String),
}

impl Stage<'_> {
    /// The stem of `program`, mono (the mean of left and right) at [`SAMPLE_RATE`]: from the start of the piece until
    /// it has rung out. Empty if nothing is heard.
    pub fn play(&self, piece: &Piece, program: u16, voicing: Voicing) -> Result<Vec<f32>, Failed> {
        // the synthesizer indexes samples by what the SoundFont says, and may leave them
        let played = guarded(|| self.perform(piece, program, voicing));
        let samples = played.unwrap_or_else(|| {
            let name = &voicing.font.name;
            Err(Failed::Unplayable(format!(
                "program {program} of {name} cannot be played: the SoundFont is damaged there, use another one"
            )))
        })?;
        match samples.iter().all(|x| x.is_finite()) {
            true => Ok(samples),
            false => Err(Failed::Unplayable(format!(
                "program {program} of {} gives samples that are not numbers",
                voicing.font.name
            ))),
        }
    }

    fn perform(&self, piece: &Piece, program: u16, voicing: Voicing) -> Result<Vec<f32>, Failed> {
        let rate = f64::from(SAMPLE_RATE);
        let mut player = Player::new(piece, program, voicing, self.effects)?;
        let mut events = piece.events(program).peekable();
        let mut out: Vec<f32> = Vec::new();
        let (mut left, mut right) = ([0f32; BLOCK], [0f32; BLOCK]);
        // Samples behind which nothing was heard yet, with a margin; and samples of the tail that are left.
        let (mut heard, mut tail) = (0, (TAIL * rate) as usize);
        while out.len() < self.limit {
            if out.len().is_multiple_of(SAMPLE_RATE as usize / BLOCK * BLOCK)
                && self.stop.load(Ordering::Relaxed)
            {
                return Err(Failed::Stopped);
            }
            let now = (out.len() as f64 + 0.5 * BLOCK as f64) / rate;
            while let Some(event) = events.next_if(|event| event.seconds < now) {
                player.take(event);
                if events.peek().is_none() {
                    player.release();
                }
            }
            player.synth.render(&mut left, &mut right);
            out.extend(left.iter().zip(&right).map(|(l, r)| 0.5 * (l + r)));
            if left.iter().chain(&right).any(|x| x.abs() > QUIET) {
                heard = out.len() + (QUIET_SECONDS * rate) as usize;
            }
            if events.peek().is_none() {
                tail = tail.saturating_sub(BLOCK);
                if tail == 0 || heard <= out.len() {
                    break;
                }
            }
        }
        out.truncate(heard.min(self.limit));
        Ok(out)
    }
}

/// A synthesizer and who plays on which of its channels.
struct Player<'a> {
    synth: Synthesizer,
    slots: BTreeMap<Channel, i32>,
    voicing: Voicing<'a>,
}

impl<'a> Player<'a> {
    fn new(piece: &Piece, program: u16, voicing: Voicing<'a>, effects: bool) -> Result<Self, Failed> {
        let mut settings = SynthesizerSettings::new(SAMPLE_RATE as i32);
        settings.block_size = BLOCK;
        settings.maximum_polyphony = POLYPHONY;
        settings.enable_reverb_and_chorus = effects;
        let synth = Synthesizer::new(&voicing.font.data, &settings);
        let synth = synth.map_err(|_| Failed::Unplayable("the synthesizer cannot be set up".into()))?;
        // beyond fifteen channels with one program, slots are shared
        let slots = piece.channels(program).enumerate().map(|(i, channel)| {
            match voicing.program.is_none() && is_drum_channel(channel) {
                true => (channel, DRUM_SLOT),
                false => (channel, MELODIC_SLOTS[i % MELODIC_SLOTS.len()]),
            }
        });
        let slots = slots.collect();
        let mut player = Player {
            synth,
            slots,
            voicing,
        };
        for slot in player.slots.clone().into_values() {
            player.program(slot, BANK, 0);
        }
        Ok(player)
    }

    fn take(&mut self, event: &Event) {
        let Some(&slot) = self.slots.get(&event.channel) else {
            return;
        };
        let mut send = |command, a, b| self.synth.process_midi_message(slot, command, a, b);
        match event.action {
            Action::On { key, velocity } => send(ON, key.into(), velocity.into()),
            Action::Off { key } => send(OFF, key.into(), 0),
            // mono, poly and omni modes end all notes, and change nothing else here
            Action::Control {
                controller: 124.., ..
            } => send(CONTROL, ALL_NOTES_OFF.into(), 0),
            Action::Control { controller, value } => send(CONTROL, controller.into(), value.into()),
            Action::Bend(bend) => send(BEND, (bend & 0x7F).into(), (bend >> 7).into()),
            Action::Program { bank, program } => self.program(slot, bank, program),
        }
    }

    /// Selects a variation of the stem's program, or a drum kit.
    fn program(&mut self, slot: i32, bank: u8, program: u8) {
        let kits = &self.voicing.font.kits;
        let (bank, program) = match self.voicing.program {
            // of a relative there are no variations
            Some(mine) => (if mine == program { bank } else { 0 }, mine),
            None => (0, kits.get(&program).or(kits.first()).copied().unwrap_or(0)),
        };
        // the slot for drums adds their bank itself
        let bank = match self.voicing.program.is_none() && slot != DRUM_SLOT {
            true => DRUM_BANK,
            false => bank.into(),
        };
        self.synth.process_midi_message(slot, CONTROL, BANK.into(), bank);
        self.synth.process_midi_message(slot, PROGRAM, program.into(), 0);
    }

    /// Lets go of all keys and pedals.
    fn release(&mut self) {
        for &slot in self.slots.values() {
            self.synth.process_midi_message(slot, CONTROL, SUSTAIN.into(), 0);
            self.synth
                .process_midi_message(slot, CONTROL, ALL_NOTES_OFF.into(), 0);
        }
    }
}
