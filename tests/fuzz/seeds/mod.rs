//! Whole files that mutations start from: the first of each kind is read without complaint.

mod audio;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use stemwise::{
    corpus::{
        Corpus, Instrument,
        store::{PrepareOptions, prepare},
    },
    eval::{Average, Distances, EvaluatedRun, Evaluation, Measure, Preset, Ratio, Score},
    library::{Content, FileInfo, Header, RunName, Subspace, Writer},
    metrics::Ties,
    train::{
        Parent, Recipe, RunConfig, RunRecord, Start,
        exchange::export,
        recipe::{Overrides, PRESETS, RECIPES, resolve},
    },
};

use crate::{
    common::{EXPORT, small, untrained},
    soundfont::sine_font,
};

pub use audio::{flac, music, wav};
use audio::{format, riff};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(FIXTURES).join(name)).unwrap()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

// ---------------------------------------------------------------------------------------------- MIDI

/// A MIDI file of tracks of bytes.
fn smf(format: u8, division: [u8; 2], tracks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"MThd\0\0\0\x06\0".to_vec();
    bytes.extend([format, 0, tracks.len() as u8]);
    bytes.extend(division);
    for track in tracks {
        bytes.extend(b"MTrk");
        bytes.extend((track.len() as u32).to_be_bytes());
        bytes.extend(*track);
    }
    bytes
}

/// Tempo, metre, text, and a system message that turns General MIDI on.
const CONDUCTOR: &[u8] = b"\0\xFF\x51\x03\x07\xA1\x20\0\xFF\x58\x04\x04\x02\x18\x08\0\xFF\x03\x04name\
    \0\xF0\x05\x7E\x7F\x09\x01\xF7\x60\xFF\x51\x03\x05\x00\x00\0\xFF\x2F\0";
/// Bank, program, pedal, notes with running status, a bend, a note that is struck twice.
const BASS: &[u8] = b"\0\xB0\x00\x00\0\xC0\x21\0\xB0\x40\x7F\0\x90\x28\x5A\x60\x28\x00\0\x2B\x5A\x30\x2B\x5A\
    \x30\x2B\x00\0\xE0\x00\x50\x10\xB0\x7B\x00\0\xFF\x21\x01\x00\0\x80\x2B\x40\0\xFF\x2F\0";
/// Channel 10, and a change of program.
const DRUMS: &[u8] = b"\0\xC9\x08\0\x99\x24\x64\x60\x24\x00\0\x26\x64\x81\x00\x26\x00\0\xFF\x2F\0";

pub fn midi(_: &Path) -> Vec<Vec<u8>> {
    let piece = smf(1, [0, 0x60], &[CONDUCTOR, BASS, DRUMS]);
    let film = smf(1, [0xE7, 0x28], &[BASS, DRUMS]);
    let data = |piece: &[u8]| (b"data", piece.to_vec());
    let riff = riff(b"RMID", &[data(&piece), (b"LIST", b"INFO".to_vec())]);
    vec![
        piece.clone(),
        smf(0, [0x01, 0xE0], &[BASS]),
        smf(2, [0, 0x60], &[BASS, DRUMS]),
        film,
        riff,
    ]
}

pub fn font(_: &Path) -> Vec<Vec<u8>> {
    vec![
        sine_font(&[(0, 33), (128, 0)], 882.0),
        sine_font(&[(0, 0), (0, 33), (8, 33), (128, 0), (128, 8)], 441.0),
    ]
}

// ---------------------------------------------------------------------------------------------- texts

pub fn metadata(_: &Path) -> Vec<Vec<u8>> {
    texts(&[
        "UUID: 1a81ae092884234f3264e2f45927f00a\naudio_dir: stems\nlmd_midi_dir: None\nmidi_dir: MIDI\n\
         normalization_factor: -13.0\nnormalized: true\noverall_gain: 0.18270259567062658\nstems:\n  S00:\n    \
         audio_rendered: true\n    inst_class: Guitar\n    integrated_loudness: -12.9\n    is_drum: false\n    \
         midi_program_name: Acoustic Guitar (nylon)\n    midi_saved: true\n    plugin_name: ample_guitar.nkm\n    \
         program_num: 24\n  S01:\n    audio_rendered: false\n    inst_class: Drums\n    is_drum: true\n    \
         program_num: 128\ntarget_peak: -1.0\n",
        "# short\nstems:\n  S00: {is_drum: false, program_num: 33}\n  'S01': &a\n    is_drum: true\n    \
         program_num: 0x80\n  \"S02\": *a\n",
        "--- \nstems: {}\nUUID: null\noverall_gain: ~\naudio_dir: |\n  text\n  text\nlmd_midi_dir: >-\n  folded\n...\n",
        "{\"stems\": {\"S00\": {\"is_drum\": false, \"program_num\": 1}}}",
    ])
}

pub fn exclude(_: &Path) -> Vec<Vec<u8>> {
    texts(&[
        "# Tracks and stems\n\nTrack00123\nTrack00357/S03  # white noise\ntrain/Track00009 # dull\ntest/Track5/S01\n",
        "Track1",
    ])
}

pub fn mapping(_: &Path) -> Vec<Vec<u8>> {
    texts(&[
        "# ours\nname = \"Ours\"\nlicence = \"CC BY 4.0\"\npiece = \"info.json\"\nmix = \"full\"\nvalidation = [\n    \
         \"a song\",\n]\n\n[stems]\nkit = \"drums\"\nother_keys = \"piano\"\nvocals = 'residuals'\n",
        "piece = \"info.json\"\nstems = { kit = \"drums\" }\n",
    ])
}

pub fn splits(_: &Path) -> Vec<Vec<u8>> {
    texts(&[
        "track,split\nTrack00001,train\nTrack00123,validation\nTrack00007,test\n",
        "\"track\", split\r\nTrack5,unsplit\r\n",
    ])
}

pub fn recipe(folder: &Path) -> Vec<Vec<u8>> {
    let clean = Overrides {
        instrument: Some(Instrument::Bass),
        ..Overrides::default()
    };
    let clean = resolve("clean", &clean).unwrap();
    let mut seeds = vec![toml::to_string(&clean).unwrap().into_bytes()];
    seeds.extend(
        RECIPES
            .iter()
            .chain(PRESETS)
            .map(|(_, text)| text.as_bytes().to_vec()),
    );
    seeds.extend(config(folder));
    seeds
}

pub fn config(_: &Path) -> Vec<Vec<u8>> {
    let of = |recipe: Recipe| {
        let config = RunConfig {
            corpus: "corpus".into(),
            renderings: Vec::new(),
            from: vec!["a".into(), "b".into()],
            recipe,
        };
        toml::to_string(&config).unwrap().into_bytes()
    };
    vec![
        of(network()),
        of(small("direct-reconst", None, &[])),
        of(small("cascade-ft", Some(Instrument::Drums), &[])),
    ]
}

// ---------------------------------------------------------------------------------------------- runs

/// The smallest network there is.
pub fn network() -> Recipe {
    let smallest = ["network.width=0.001", "network.dimensions=1", "front_end.mels=4"];
    small("separator", Some(Instrument::Drums), &smallest)
}

/// A run of the smallest network, made if it is not there.
pub fn run(folder: &Path) -> PathBuf {
    let run = folder.join("run");
    match run.is_dir() {
        true => run,
        false => untrained(&run, &network(), |_, _| {}),
    }
}

pub fn record(_: &Path) -> Vec<Vec<u8>> {
    let start = |step| Start {
        step,
        version: "0.1.0".into(),
        git_commit: Some("0".repeat(40)),
        device: "cpu".into(),
        store: Some("0".repeat(64)),
        judgements: None,
        selection: Some("0".repeat(64)),
        licence: Some("CC BY 4.0".into()),
        stems: None,
        judged: None,
    };
    let parent = Parent {
        recipe: "separator".into(),
        instrument: Some(Instrument::Drums),
        hash: "0".repeat(64),
        simulated: true,
    };
    let record = RunRecord {
        seed: u64::MAX,
        parameters: 1000,
        parents: vec![parent],
        starts: vec![start(0), start(100)],
    };
    vec![json(&record)]
}

pub fn checkpoint(folder: &Path) -> Vec<Vec<u8>> {
    vec![fs::read(run(folder).join("last.safetensors")).unwrap()]
}

/// Weights as they are exported, and as other programs write them.
pub fn weights(folder: &Path) -> Vec<Vec<u8>> {
    let out = folder.join("exported");
    if !out.is_dir() {
        export(&run(folder), &out, EXPORT).unwrap();
    }
    let exported = fs::read(out.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&exported).unwrap();
    let plain = safetensors::serialize(file.tensors(), None).unwrap();
    vec![exported, plain]
}

pub fn evaluation(_: &Path) -> Vec<Vec<u8>> {
    let triangle = |text: &str| serde_json::from_value(text.into()).unwrap();
    let score = |measure: Measure| Score {
        what: measure.what(),
        measure,
        instrument: Instrument::Bass,
        unit: measure.unit(),
        value: 0.5,
        interval: Some([0.25, 0.75]),
        spread: Some(0.01),
        n: 20,
        pieces: 4,
        seed: 1,
        chance: Some(0.2),
        silence: Some(0.0),
        gain: Some(1.5),
        trivial: None,
        ceiling: None,
        untrained: Some(0.3),
    };
    let evaluation = Evaluation {
        version: "0.1.0".into(),
        device: "cpu".into(),
        runs: vec![EvaluatedRun {
            folder: "run".into(),
            recipe: "direct".into(),
            instrument: None,
            checkpoint: "0".repeat(64),
        }],
        identity: Some("0".repeat(64)),
        simulated: false,
        corpus: "corpus".into(),
        store: None,
        selection: None,
        stems: None,
        judgements: None,
        criteria: Vec::new(),
        split: "test".into(),
        seed: 1,
        seconds: 10.0,
        pieces: None,
        segments: None,
        ties: Some(Ties::Lowest),
        preset: Preset::I25,
        draws: 3,
        scores: vec![
            score(Measure::Length(10.0)),
            score(Measure::Separated(Ratio::Sdr, Average::Means)),
        ],
        left_out: Vec::new(),
        confusion: vec![vec![1, 2], vec![3, 4]],
        across: vec![vec![Some(1.0), None]],
        distances: vec![Distances {
            instrument: Instrument::Drums,
            pieces: vec![1, 2, 3],
            clean: triangle("AQL/"),
            mix: triangle("AAAA"),
        }],
        pictures: Vec::new(),
        figures: Vec::new(),
    };
    vec![json(&evaluation)]
}

// ---------------------------------------------------------------------------------------------- judgements

pub fn answers(_: &Path) -> Vec<Vec<u8>> {
    vec![fixture("abx/answers.csv"), fixture("abx/reordered.csv")]
}

pub fn clips(_: &Path) -> Vec<Vec<u8>> {
    vec![
        fixture("abx/dict_triplet_1.json"),
        fixture("abx/dict_triplet_2.json"),
    ]
}

// ---------------------------------------------------------------------------------------------- stores, libraries

/// A store of one short track, made if it is not there.
pub fn store(folder: &Path) -> PathBuf {
    let (corpus, store) = (folder.join("corpus"), folder.join("store"));
    if store.is_dir() {
        return store;
    }
    let track = corpus.join("train/Track00001");
    fs::create_dir_all(track.join("stems")).unwrap();
    fs::write(track.join("all_src.mid"), midi(folder).swap_remove(0)).unwrap();
    let silence = vec![0; 8000];
    let quiet = riff(b"WAVE", &[(b"fmt ", format(1, 1, 16, &[])), (b"data", silence)]);
    let stems = [("S00", 33, quiet), ("S01", 0, fixture("audio/s16.wav"))];
    let mut metadata = String::from("stems:\n");
    for (name, program, wav) in stems {
        fs::write(track.join(format!("stems/{name}.wav")), wav).unwrap();
        metadata += &format!("  {name}:\n    is_drum: false\n    program_num: {program}\n");
    }
    fs::write(track.join("metadata.yaml"), metadata).unwrap();
    let (corpus, stop) = (Corpus::open(&corpus).unwrap(), AtomicBool::new(false));
    prepare(&corpus, &store, &PrepareOptions::default(), &stop, &|_| {}).unwrap();
    store
}

pub fn store_record(folder: &Path) -> Vec<Vec<u8>> {
    vec![fs::read(store(folder).join("train/Track00001.json")).unwrap()]
}

pub fn store_manifest(folder: &Path) -> Vec<Vec<u8>> {
    vec![fs::read(store(folder).join("store.json")).unwrap()]
}

/// A library of three files, one of them silent, made if it is not there. None of the files is.
pub fn library(folder: &Path) -> PathBuf {
    let library = folder.join("library");
    if library.is_dir() {
        return library;
    }
    let subspace = |instrument| Subspace {
        instrument,
        dimensions: 2,
    };
    let run = RunName {
        folder: "run".into(),
        recipe: "direct".into(),
        weights: "0".repeat(64),
    };
    let header = Header {
        format: 1,
        identity: "0".repeat(64),
        runs: vec![run],
        rate: 44_100,
        segment: 1000,
        hop: 1000,
        stems: None,
        subspaces: Instrument::ALL.map(subspace).to_vec(),
    };
    let mut writer = Writer::open(&library, &header).unwrap();
    for (name, row) in [
        ("a.wav", Some([1.0; 10])),
        ("b.wav", Some([-1.0; 10])),
        ("c.wav", None),
    ] {
        let file = FileInfo {
            path: Path::new("/nowhere").join(name),
            relative: name.into(),
            size: 1000,
            modified: 1_700_000_000_000_000_000,
            changed: None,
            inode: None,
        };
        let content = Content {
            presence: None,
            tags: None,
            hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
            seconds: 1.5,
            channel: None,
        };
        writer
            .add(file, content, row.as_ref().map(|row| row.as_slice()))
            .unwrap();
    }
    writer.finish().unwrap();
    library
}

pub fn library_header(folder: &Path) -> Vec<Vec<u8>> {
    vec![fs::read(library(folder).join("library.json")).unwrap()]
}

pub fn library_log(folder: &Path) -> Vec<Vec<u8>> {
    vec![fs::read(library(folder).join("files.jsonl")).unwrap()]
}
