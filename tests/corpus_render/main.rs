//! A corpus rendered from MIDI files, as a reader of it sees it.

mod corpora;
mod drums;
mod music;
#[path = "../common/program.rs"]
mod program;
mod refusals;
#[path = "../common/soundfont.rs"]
mod soundfont;
mod tolerance;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use midly::{Format, Header, MetaMessage, MidiMessage, PitchBend, Smf, Timing, TrackEvent, TrackEventKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::{
    corpus::{
        Corpus, CorpusError, Instrument, Metadata, Split, Track,
        check::check,
        midi::{read_content_hash, read_note_times, read_tempo},
    },
    generate::render::{RenderEvent, RenderOptions, Summary, read_split_list, render},
};
const RATE: f64 = 44_100.0;

/// Samples from a note's moment to its first sample that is not 0: half a block early to half a block, the SoundFont's
/// own delay of 1 ms (in whole blocks of 32), and the zero at which the sine begins, late.
const LATE: std::ops::RangeInclusive<i64> = -16..=16 + 64 + 1;

// ---------------------------------------------------------------------------------------------- MIDI

type Kind = TrackEventKind<'static>;

fn midi(channel: u8, message: MidiMessage) -> Kind {
    let channel = channel.into();
    TrackEventKind::Midi { channel, message }
}

fn on(channel: u8, key: u8) -> Kind {
    let (key, vel) = (key.into(), 100.into());
    midi(channel, MidiMessage::NoteOn { key, vel })
}

fn off(channel: u8, key: u8) -> Kind {
    let (key, vel) = (key.into(), 0.into());
    midi(channel, MidiMessage::NoteOff { key, vel })
}

fn change(channel: u8, program: u8) -> Kind {
    let program = program.into();
    midi(channel, MidiMessage::ProgramChange { program })
}

fn control(channel: u8, controller: u8, value: u8) -> Kind {
    let (controller, value) = (controller.into(), value.into());
    midi(channel, MidiMessage::Controller { controller, value })
}

fn tempo(micros: u32) -> Kind {
    TrackEventKind::Meta(MetaMessage::Tempo(micros.into()))
}

/// A file of `tracks`, events at ticks of which a quarter note has 480.
fn file(timing: Timing, tracks: &[Vec<(u32, Kind)>]) -> Vec<u8> {
    let mut smf = Smf::new(Header::new(Format::Parallel, timing));
    for track in tracks {
        let mut now = 0;
        let mut events = Vec::new();
        for (tick, kind) in track {
            let (delta, kind) = ((tick - now).into(), *kind);
            events.push(TrackEvent { delta, kind });
            now = *tick;
        }
        let (delta, kind) = (0.into(), TrackEventKind::Meta(MetaMessage::EndOfTrack));
        events.push(TrackEvent { delta, kind });
        smf.tracks.push(events);
    }
    let mut bytes = Vec::new();
    smf.write_std(&mut bytes).unwrap();
    bytes
}

const BEATS: Timing = Timing::Metrical(midly::num::u15::new(480));

fn piece(tracks: &[Vec<(u32, Kind)>]) -> Vec<u8> {
    file(BEATS, tracks)
}

/// Piano, two basses and drums for a few seconds; music of its own for every `number`.
fn band(number: u8) -> Vec<u8> {
    let melody = (0..6).flat_map(|i: u8| {
        let (tick, key) = (480 * u32::from(i), 60 + (i * number) % 13);
        [(tick, on(0, key)), (tick + 400, off(0, key))]
    });
    let bass = |channel| {
        let notes = (0..3).flat_map(move |i: u8| {
            let (tick, key) = (960 * u32::from(i), 36 + (i + number) % 12);
            [(tick, on(channel, key)), (tick + 900, off(channel, key))]
        });
        [(0, change(channel, 33))]
            .into_iter()
            .chain(notes)
            .collect::<Vec<_>>()
    };
    let drums = (0..12).flat_map(|i| [(240 * i, on(9, 38)), (240 * i + 100, off(9, 38))]);
    piece(&[
        vec![(0, tempo(500_000))],
        melody.collect(),
        bass(1),
        bass(2),
        drums.collect(),
    ])
}

// ---------------------------------------------------------------------------------------------- a rendering

/// A folder with a collection and a SoundFont.
struct Workshop {
    folder: tempfile::TempDir,
    fonts: Vec<PathBuf>,
    options: RenderOptions,
}

impl Workshop {
    fn new(pieces: &[(&str, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let font = folder.path().join("sine.sf2");
        fs::write(
            &font,
            soundfont::sine_font(&[(0, 0), (0, 24), (0, 33), (128, 0)], 441.0),
        )
        .unwrap();
        let workshop = Workshop {
            folder,
            fonts: vec![font],
            options: RenderOptions::default(),
        };
        for (name, bytes) in pieces {
            let path = workshop.midi().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        workshop
    }

    fn midi(&self) -> PathBuf {
        self.folder.path().join("midi")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    fn try_render(&self, root: &Path) -> Result<Summary, CorpusError> {
        let stop = AtomicBool::new(false);
        render(&self.midi(), &self.fonts, root, &self.options, &stop, &|_| {})
    }

    fn render(&self) -> Summary {
        self.try_render(&self.root()).unwrap()
    }

    /// By number.
    fn tracks(&self) -> Vec<Track> {
        let mut tracks = Corpus::open(self.root()).unwrap().tracks().to_vec();
        tracks.sort_by_key(|track| track.id);
        tracks
    }
}

/// The only track of one piece.
fn rendered(bytes: Vec<u8>) -> (Workshop, Track) {
    let workshop = Workshop::new(&[("a.mid", bytes)]);
    workshop.render();
    let track = workshop.tracks().remove(0);
    (workshop, track)
}

fn wav(path: &Path) -> Vec<i32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    let format = (spec.channels, spec.sample_rate, spec.bits_per_sample);
    assert_eq!(format, (1, 44_100, 16));
    reader.samples::<i32>().map(|x| x.unwrap()).collect()
}

/// The samples of the stem of a program.
fn stem(track: &Track, program: u16) -> Vec<i32> {
    let stems = track.stems().unwrap().present;
    let found = stems.iter().find(|s| s.metadata.program_num == program);
    wav(&found.unwrap().path)
}

fn metadata(track: &Track) -> Metadata {
    track.metadata().unwrap()
}

fn sounds(samples: &[i32], seconds: f64) -> bool {
    let at = (seconds * RATE) as usize;
    samples.iter().skip(at).take(200).any(|x| x.abs() > 200)
}

/// Where sound begins, after 1 ms of silence.
fn onsets(samples: &[i32]) -> Vec<usize> {
    let silent = |i: usize| samples[i.saturating_sub(44)..i].iter().all(|x| *x == 0);
    (0..samples.len())
        .filter(|&i| samples[i] != 0 && silent(i))
        .collect()
}

/// Sign changes in half a second.
fn crossings(samples: &[i32], seconds: f64) -> usize {
    let at = (seconds * RATE) as usize;
    let half = &samples[at..at + 22_050];
    half.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count()
}

/// Onsets (channel, key) in a MIDI file.
fn notes(path: &Path) -> Vec<(u8, u8)> {
    let bytes = fs::read(path).unwrap();
    let smf = Smf::parse(&bytes).unwrap();
    let events = smf.tracks.iter().flatten();
    let ons = events.filter_map(|event| match event.kind {
        TrackEventKind::Midi {
            channel,
            message: MidiMessage::NoteOn { key, vel },
        } if vel > 0 => Some((channel.as_int(), key.as_int())),
        _ => None,
    });
    ons.collect()
}

/// Every file below `root` with its bytes.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(|e| e.unwrap()) {
        let (path, name) = (entry.path(), PathBuf::from(entry.file_name()));
        if path.is_dir() {
            let below = contents(&path).into_iter();
            files.extend(below.map(|(path, bytes)| (name.join(path), bytes)));
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

// ---------------------------------------------------------------------------------------------- tests
