//! Stores prepared from small corpora: what is in them, and what becomes of them when something goes wrong.

mod damage;
#[path = "../common/headers.rs"]
mod headers;
mod preparing;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use midly::{Format, Header, MetaMessage, Smf, Timing, TrackEvent, TrackEventKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::{
    audio::{AudioError, SampleFormat, WavWriter},
    corpus::{
        Corpus, CorpusError, Instrument, QuietStretches, SoundingStarts, Split, Store, load_instrument,
        midi::read_tempo,
        store::{Event, PrepareOptions, Summary, prepare},
        track_frames,
    },
};
use tempfile::TempDir;

const RATE: u32 = 8_000;
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio");

/// Program, rate, seconds, amplitude.
type Stem = (u16, u32, f64, f32);

/// Writes a track of noise that comes and goes.
fn make_track(folder: &Path, stems: &[Stem]) {
    fs::create_dir_all(folder.join("stems")).unwrap();
    for (i, &(program, rate, seconds, amplitude)) in stems.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(program) + 1000 * i as u64);
        let mut samples = Vec::new();
        while samples.len() < (seconds * f64::from(rate)) as usize {
            let loud = if rng.random_range(0..3) > 0 {
                amplitude
            } else {
                0.0
            };
            for _ in 0..rng.random_range(100..9000) {
                samples.push(loud * rng.random_range(-1.0..1.0f32));
            }
        }
        samples.truncate((seconds * f64::from(rate)) as usize);
        write_wav(&folder.join(format!("stems/S{i:02}.wav")), rate, &samples);
    }
    let programs: Vec<_> = stems.iter().map(|stem| stem.0).collect();
    write_metadata(folder, &programs);
}

fn write_wav(path: &Path, rate: u32, samples: &[f32]) {
    let mut writer = WavWriter::create(path, rate, 1, SampleFormat::Pcm16).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

fn write_metadata(folder: &Path, programs: &[u16]) {
    let mut metadata = String::from("UUID: x\nstems:\n");
    for (i, program) in programs.iter().enumerate() {
        let drum = *program == 128;
        let stem = format!("  S{i:02}:\n    is_drum: {drum}\n    program_num: {program}");
        writeln!(metadata, "{stem}").unwrap();
    }
    fs::write(folder.join("metadata.yaml"), metadata).unwrap();
}

fn write_midi(folder: &Path, tempo: u32) {
    let event = |delta: u32, message| TrackEvent {
        delta: delta.into(),
        kind: TrackEventKind::Meta(message),
    };
    let mut smf = Smf::new(Header::new(Format::SingleTrack, Timing::Metrical(480.into())));
    let tempo = event(0, MetaMessage::Tempo(tempo.into()));
    smf.tracks.push(vec![tempo, event(960, MetaMessage::EndOfTrack)]);
    smf.save(folder.join("all_src.mid")).unwrap();
}

/// Five tracks in three splits: a complete one with two pianos and a guitar of another rate; one with a broken MIDI
/// file; one whose drums exceed full scale; two more.
fn make_corpus(root: &Path) -> Corpus {
    let stems: &[Stem] = &[
        (128, RATE, 20.0, 0.3),
        (33, RATE, 19.0, 0.3),
        (0, RATE, 20.0, 0.3),
        (5, RATE, 12.345, 0.3),
        (27, 2 * RATE, 20.0, 0.3),
        (50, RATE, 20.0, 0.3),
    ];
    make_track(&root.join("train/Track00001"), stems);
    write_midi(&root.join("train/Track00001"), 487_333);
    make_track(&root.join("train/Track00012"), &stems[..3]);
    fs::write(root.join("train/Track00012/all_src.mid"), "no MIDI").unwrap();
    make_track(
        &root.join("validation/Track00003"),
        &[
            (128, RATE, 15.0, 0.8),
            (128, RATE, 10.0, 0.8),
            (0, RATE, 9.0, 0.1),
        ],
    );
    make_track(&root.join("test/Track00004"), &stems[3..]);
    make_track(&root.join("test/Track00005"), &stems[1..]);
    Corpus::open(root).unwrap()
}

struct Case {
    folder: TempDir,
    corpus: Corpus,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus = make_corpus(&folder.path().join("corpus"));
        Case { folder, corpus }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    fn prepare(&self, skip_broken: bool) -> Result<Summary, CorpusError> {
        let stop = AtomicBool::new(false);
        let corpus = Corpus::open(self.path("corpus"))?;
        prepare(&corpus, &self.store(), &options(skip_broken), &stop, &|_| {})
    }

    fn prepared() -> Self {
        let case = Self::new();
        assert!(case.prepare(false).unwrap().hash.is_some());
        case
    }

    fn command(&self, out: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stemwise"));
        command.args(["corpus", "prepare", "--rate", "8000"]);
        command.arg(self.path("corpus")).arg("--out").arg(out);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn options(skip_broken: bool) -> PrepareOptions {
    PrepareOptions {
        rate: RATE,
        skip_broken,
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Names and contents of all files and folders below `root`.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_path_buf();
            if path.is_dir() {
                found.insert(name, Vec::new());
                folders.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (files(left), files(right));
    assert!(
        left.keys().eq(right.keys()),
        "{:?} {:?}",
        left.keys(),
        right.keys()
    );
    for (name, bytes) in &left {
        assert!(*bytes == right[name], "{}", name.display());
    }
}

/// Opens a store that cannot be, and returns why.
fn refusal(store: &Path) -> CorpusError {
    Store::open(store).err().unwrap()
}
