//! Writes one track in the Slakh2100 layout, whole or not at all.

mod track;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use midly::{
    Format, Header, MetaMessage, MidiMessage, Timing, Track, TrackEvent, TrackEventKind,
    num::{u4, u7, u15, u24, u28},
};

use crate::corpus::{CorpusError, DRUM_PROGRAM, StemMetadata, midi::DRUM_CHANNEL};

pub(crate) use self::track::{Level, StemContent, TrackContent};

/// Samples a second in a written track.
pub const SAMPLE_RATE: u32 = 44_100;
/// MIDI ticks per quarter note. Fine enough that a tick (at most 1 ms) is below human timing.
const TICKS_PER_BEAT: u16 = 960;
/// dBFS at which the loudest sample of a mix lies, as in Slakh2100.
const TARGET_PEAK: f64 = -1.0;

/// A note, in quarter notes from the start of the piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// Onset, at least 0.
    pub start_beats: f64,
    /// Duration.
    pub beats: f64,
    /// MIDI key 0–127.
    pub key: u8,
    /// MIDI velocity 1–127.
    pub velocity: u8,
}

/// One instrument of a track to be written: mono samples at [`SAMPLE_RATE`], of any scale.
#[derive(Clone, Debug)]
pub struct NewStem {
    /// General MIDI program 0–127, or [`DRUM_PROGRAM`].
    pub program: u16,
    /// General MIDI name of the program.
    pub program_name: String,
    /// Slakh's instrument class, as "Guitar".
    pub inst_class: String,
    /// What made the sound.
    pub plugin_name: String,
    /// The sound, one channel.
    pub samples: Vec<f32>,
    /// What is played, in any order.
    pub notes: Vec<Note>,
}

/// A track to be written. All stems are of one length.
#[derive(Clone, Debug)]
pub struct NewTrack {
    /// 1–99999: the NNNNN of `TrackNNNNN`.
    pub number: u32,
    /// The folder below the root: `train`, `validation`, `test` or `omitted`.
    pub split: String,
    /// At least one; they become `S00`, `S01`, … in this order.
    pub stems: Vec<NewStem>,
    /// Quarter notes a minute.
    pub tempo_bpm: f64,
    /// Quarter notes a bar, 1–255.
    pub beats_per_bar: u8,
    /// The identifier that goes into the metadata.
    pub uuid: String,
}

impl NewTrack {
    /// The folder that [`NewTrack::write`] makes below `root`.
    pub fn folder(&self, root: &Path) -> PathBuf {
        track_folder(root, &self.split, self.number)
    }

    /// Writes the track to `<root>/<split>/TrackNNNNN`: `mix.wav`, `stems/SXX.wav` (mono, 16 bit),
    /// `MIDI/SXX.mid`, `all_src.mid`, `metadata.yaml`. All stems get one gain, by which the mix peaks at
    /// −1 dBFS (less, if a stem alone is louder than the mix); they are quantised first, and the mix is
    /// their exact sum. `integrated_loudness` is a stem's RMS in dBFS over the whole piece (−120 for
    /// silence), `overall_gain` the gain applied. The folder appears when it is whole.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] for stems of unequal lengths, samples that are not finite, or a number,
    /// tempo or metre out of range; [`CorpusError::Io`] and others if a file cannot be written or the
    /// folder exists.
    pub fn write(&self, root: &Path) -> Result<(), CorpusError> {
        self.check()?;
        let parts: Vec<Track> = (0..self.stems.len())
            .map(|i| self.stems[i].part(channel(&self.stems, i)))
            .collect();
        let bytes =
            |parts: &[Track]| midi_file(self.conductor(), parts).map_err(CorpusError::io("write", root));
        let mut stems = Vec::with_capacity(self.stems.len());
        for (stem, part) in self.stems.iter().zip(&parts) {
            stems.push(StemContent {
                metadata: stem.metadata(),
                samples: Some(&stem.samples),
                midi: bytes(std::slice::from_ref(part))?,
            });
        }
        let content = TrackContent {
            number: self.number,
            split: &self.split,
            uuid: &self.uuid,
            source: "None",
            level: Level::Peak,
            stems,
            midi: bytes(&parts)?,
        };
        content.write(root)
    }

    fn check(&self) -> Result<(), CorpusError> {
        let fail = |what: String| Err(CorpusError::invalid(format!("track {}: {what}", self.number)));
        if !(1..=99_999).contains(&self.number) || self.beats_per_bar == 0 {
            return fail("the number must be 1 to 99999 and the bar have at least one beat".into());
        }
        if !(4.0..=1000.0).contains(&self.tempo_bpm) {
            return fail(format!(
                "a tempo of {} bpm cannot be written, only 4 to 1000",
                self.tempo_bpm
            ));
        }
        for (i, stem) in self.stems.iter().enumerate() {
            if stem.program > DRUM_PROGRAM {
                return fail(format!(
                    "stem S{i:02} has program {}, beyond {DRUM_PROGRAM}",
                    stem.program
                ));
            }
        }
        Ok(())
    }

    /// The track of a MIDI file that holds tempo and metre.
    fn conductor(&self) -> Track<'static> {
        let tempo = MetaMessage::Tempo(u24::new((60e6 / self.tempo_bpm).round() as u32));
        let metre = MetaMessage::TimeSignature(self.beats_per_bar, 2, 24, 8);
        [tempo, metre, MetaMessage::EndOfTrack]
            .into_iter()
            .map(|message| TrackEvent {
                delta: u28::new(0),
                kind: TrackEventKind::Meta(message),
            })
            .collect()
    }
}

impl NewStem {
    /// The track of a MIDI file that holds one stem.
    fn part(&self, channel: u4) -> Track<'_> {
        let midi = |message| TrackEventKind::Midi { channel, message };
        let ticks = |beats: f64| (beats.max(0.0) * TICKS_PER_BEAT as f64).round() as u32;
        // Ends sort before starts at the same tick, so that a repeated key is struck again.
        let mut events: Vec<(u32, bool, u8, u8)> = Vec::with_capacity(2 * self.notes.len());
        let mut open: BTreeMap<u8, usize> = BTreeMap::new();
        let mut notes = self.notes.clone();
        notes.sort_by(|a, b| a.start_beats.total_cmp(&b.start_beats).then(a.key.cmp(&b.key)));
        for note in &notes {
            let (start, key) = (ticks(note.start_beats), note.key.min(127));
            let end = ticks(note.start_beats + note.beats).max(start + 1);
            if let Some(&earlier) = open.get(&key) {
                // One key cannot sound twice on a channel: the new note ends the old one.
                events[earlier].0 = events[earlier].0.min(start);
            }
            events.push((start, true, key, note.velocity.clamp(1, 127)));
            open.insert(key, events.len());
            events.push((end, false, key, 64));
        }
        events.sort_by_key(|&(tick, on, key, _)| (tick, on, key));

        let mut track = vec![TrackEventKind::Meta(MetaMessage::TrackName(
            self.program_name.as_bytes(),
        ))];
        // On the drum channel, program 0 is the standard kit.
        let program = if self.program < DRUM_PROGRAM {
            self.program as u8
        } else {
            0
        };
        track.push(midi(MidiMessage::ProgramChange {
            program: u7::new(program),
        }));
        let mut track: Track = track
            .into_iter()
            .map(|kind| TrackEvent {
                delta: u28::new(0),
                kind,
            })
            .collect();
        let mut now = 0;
        for (tick, on, key, velocity) in events {
            let (key, vel) = (u7::new(key), u7::new(velocity));
            let message = if on {
                MidiMessage::NoteOn { key, vel }
            } else {
                MidiMessage::NoteOff { key, vel }
            };
            track.push(TrackEvent {
                delta: u28::new(tick - now),
                kind: midi(message),
            });
            now = tick;
        }
        track.push(TrackEvent {
            delta: u28::new(0),
            kind: TrackEventKind::Meta(MetaMessage::EndOfTrack),
        });
        track
    }

    fn metadata(&self) -> StemMetadata {
        StemMetadata {
            audio_rendered: Some(true),
            inst_class: self.inst_class.clone(),
            integrated_loudness: 0.0,
            is_drum: self.program == DRUM_PROGRAM,
            midi_program_name: self.program_name.clone(),
            midi_saved: true,
            plugin_name: self.plugin_name.clone(),
            program_num: self.program,
        }
    }
}

/// `<root>/<split>/TrackNNNNN`.
pub(crate) fn track_folder(root: &Path, split: &str, number: u32) -> PathBuf {
    root.join(split).join(format!("Track{number:05}"))
}

/// Drums on channel 10, the others on the fifteen that are left, in turn: beyond fifteen melodic stems
/// channels are shared, and only the files in `MIDI/` keep their programs apart.
fn channel(stems: &[NewStem], index: usize) -> u4 {
    if stems[index].program == DRUM_PROGRAM {
        return u4::new(DRUM_CHANNEL);
    }
    let melodic = stems[..index]
        .iter()
        .filter(|stem| stem.program < DRUM_PROGRAM)
        .count() as u8
        % 15;
    u4::new(if melodic < DRUM_CHANNEL {
        melodic
    } else {
        melodic + 1
    })
}

fn midi_file(conductor: Track, parts: &[Track]) -> std::io::Result<Vec<u8>> {
    let header = Header::new(Format::Parallel, Timing::Metrical(u15::new(TICKS_PER_BEAT)));
    let tracks: Vec<&Track> = std::iter::once(&conductor).chain(parts).collect();
    let mut bytes = Vec::new();
    midly::write_std(&header, tracks.iter().map(|track| track.iter()), &mut bytes)?;
    Ok(bytes)
}
