//! A person's own music: described once, whatever happens, and searched.

mod channels;
#[path = "../common/mod.rs"]
mod common;
mod embedding;
mod files;
mod folders;
mod names;
mod searching;
mod stamps;

use std::{
    collections::BTreeMap,
    f32::consts::TAU,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use common::{
    noise,
    program::{self, command, done, refused, text},
    small, untrained,
};
use stemwise::{
    audio::{SampleFormat, WavWriter},
    corpus::Instrument,
    describe::Describer,
    gpu::{Device, Gpu, adapters},
    library::{
        Content, EmbedOptions, Entry, FOLD, FileInfo, Header, Library, LibraryError, Queries, Query,
        Subspace, Summary, Wanted, Writer, embed, search,
    },
};
use tempfile::TempDir;
const RATE: u32 = 44_100;

/// A model of all instruments that hears half a second at a time.
fn model(folder: &Path, seed: u32) -> PathBuf {
    let recipe = small("direct", None, &[&format!("seed={seed}")]);
    untrained(&folder.join(format!("model-{seed}")), &recipe, |_, _| {})
}

fn wav(path: &Path, rate: u32, samples: &[f32]) {
    let mut writer = WavWriter::create(path, rate, 1, SampleFormat::Pcm16).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

fn wav_of(path: &Path, channels: &[&[f32]]) {
    let mut writer = WavWriter::create(path, RATE, channels.len() as u16, SampleFormat::Pcm16).unwrap();
    let frames = 0..channels[0].len();
    let samples: Vec<f32> = frames.flat_map(|i| channels.iter().map(move |c| c[i])).collect();
    writer.write(&samples).unwrap();
    writer.finish().unwrap();
}

/// Music of some kind: another chord, rhythm and noise for every number.
fn song(number: usize, seconds: f32) -> Vec<f32> {
    let noise = noise(RATE as usize);
    let samples = (seconds * RATE as f32) as usize;
    let pitch = 80.0 * 1.19_f32.powi(number as i32);
    let rhythm = 2000 + 1700 * number;
    let loud = 0.02 * (number % 5) as f32;
    let sample = |i: usize| {
        let t = i as f32 / RATE as f32;
        let tones: f32 = [1.0, 1.5, 2.0, 3.7]
            .iter()
            .map(|k| (TAU * pitch * k * t).sin())
            .sum();
        let beat = (-((i % rhythm) as f32) / 900.0).exp();
        0.08 * tones + 0.4 * beat * noise[i % noise.len()] + loud * noise[(i * 7) % noise.len()]
    };
    (0..samples).map(sample).collect()
}

/// A folder of songs of various lengths and rates, some in a folder below.
fn music(folder: &Path, songs: usize) -> PathBuf {
    let root = folder.join("music");
    fs::create_dir_all(root.join("below")).unwrap();
    for number in 0..songs {
        let place = if number % 3 == 2 {
            root.join("below")
        } else {
            root.clone()
        };
        let rate = if number % 4 == 1 { 48_000 } else { RATE };
        let seconds = 0.3 + 0.7 * (number % 5) as f32;
        wav(
            &place.join(format!("{number:02}.wav")),
            rate,
            &song(number, seconds),
        );
    }
    root
}

const OPTIONS: EmbedOptions = EmbedOptions {
    jobs: 3,
    prune: false,
    verify: false,
    stems: None,
};

fn embed_with(
    describer: &mut Describer,
    paths: &[PathBuf],
    library: &Path,
    options: EmbedOptions,
) -> Summary {
    embed(
        paths,
        library,
        describer,
        &options,
        &AtomicBool::new(false),
        &|_| {},
    )
    .unwrap()
}

fn load(runs: &[PathBuf]) -> Describer {
    Describer::load(runs, &Device::Cpu).unwrap()
}

/// The files of a library by relative path: entry and bits of the row.
fn rows(library: &Path) -> BTreeMap<PathBuf, (Entry, Option<Vec<u32>>)> {
    let library = Library::open(library).unwrap();
    let row = |entry: &Entry| {
        library
            .row(entry)
            .map(|row| row.iter().map(|x| x.to_bits()).collect())
    };
    let entries = library.entries().iter();
    entries
        .map(|entry| (entry.file.relative.clone(), (entry.clone(), row(entry))))
        .collect()
}

fn names<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<String> {
    let name = |entry: &Entry| entry.file.relative.display().to_string();
    entries.into_iter().map(name).collect()
}

fn embed_command(music: &Path, model: &Path, library: &Path) -> Command {
    let mut command = command(["embed", "--device", "cpu", "--jobs", "2"]);
    command
        .arg(music)
        .arg("--model")
        .arg(model)
        .arg("--out")
        .arg(library);
    command
}

/// The log, without its first line that names the file of vectors, and that file's bytes.
fn contents(library: &Path) -> (String, Vec<u8>) {
    let log = fs::read_to_string(library.join("files.jsonl")).unwrap();
    let (first, rest) = log.split_once('\n').unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    let vectors = fs::read(library.join(first["vectors"].as_str().unwrap())).unwrap();
    (rest.to_string(), vectors)
}

/// A header of a model that nobody has.
fn header(dimensions: usize) -> Header {
    let subspace = |instrument| Subspace {
        instrument,
        dimensions,
    };
    Header {
        format: 1,
        identity: "0".repeat(64),
        runs: Vec::new(),
        rate: RATE,
        segment: 1000,
        hop: 1000,
        stems: None,
        subspaces: Instrument::ALL.map(subspace).to_vec(),
    }
}
