//! What users and disks get wrong, through the command line: every case ends with a message that names the
//! file, an exit code of 1 or 2, and nothing under a final name.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use common::{corpus, identity, noise, recipe, untrained};
use stemwise::{
    audio::{SampleFormat, WavWriter},
    corpus::Instrument,
};
use tempfile::TempDir;

struct Case {
    folder: TempDir,
    model: PathBuf,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = untrained(&folder.path().join("model"), &recipe(Instrument::Drums), identity);
        Case { folder, model }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn song(&self, name: &str, samples: usize) -> PathBuf {
        wav(&self.path(name), &noise(samples))
    }

    /// Separates files into `out` below the folder.
    fn separate(&self, files: &[&Path]) -> Output {
        self.separate_with(&self.model, files, &self.path("out"))
    }

    fn separate_with(&self, model: &Path, files: &[&Path], out: &Path) -> Output {
        let (model, out) = (model.to_str().unwrap(), out.to_str().unwrap());
        let mut arguments = vec!["separate", "--device", "cpu", "--model", model, "--out", out];
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        stemwise(&arguments)
    }
}

fn wav(path: &Path, samples: &[f32]) -> PathBuf {
    let mut writer = WavWriter::create(path, 44_100, 1, SampleFormat::Float32).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
    path.to_path_buf()
}

fn stemwise(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stemwise"))
        .args(arguments)
        .env_remove("STEMWISE_DEVICE")
        .output()
        .unwrap()
}

/// The command failed as it should, and said so once, naming `named`.
#[track_caller]
fn assert_refused(output: &Output, named: &str) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    assert!(matches!(code, Some(1 | 2)), "exit code {code:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(text.contains(named), "'{named}' is not named: {text}");
    // a driver may write there, too
    let lines: Vec<_> = text
        .lines()
        .filter(|l| l.starts_with("error:") && !l.contains("XDG_RUNTIME"))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    text
}

/// All files below a folder, without those that were never finished.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[track_caller]
fn assert_no_stems(case: &Case) {
    assert_eq!(files(&case.path("out")), [] as [PathBuf; 0]);
}

#[test]
fn broken_audio() {
    let case = Case::new();
    let whole = fs::read(case.song("whole.wav", 44_100)).unwrap();
    let flac = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/audio/noise8.flac"
    ))
    .unwrap();
    let nan = [f32::NAN; 64]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect::<Vec<u8>>();
    let mut poisoned = whole.clone();
    let middle = (poisoned.len() / 2) & !3;
    poisoned[middle..middle + nan.len()].copy_from_slice(&nan);
    for (name, content, says) in [
        ("cut.wav", &whole[..whole.len() / 2], "truncated"),
        ("header.wav", &whole[..40], ""),
        ("empty.wav", &[], "empty"),
        ("cut.flac", &flac[..flac.len() / 2], ""),
        ("header.flac", &flac[..20], ""),
        ("empty.flac", &[], "empty"),
        (
            "text.wav",
            b"I am a text that someone renamed".as_slice(),
            "text file",
        ),
        ("nan.wav", &poisoned, "NaN"),
    ] {
        let path = case.file(name, content);
        let text = assert_refused(&case.separate(&[&path]), name);
        assert!(text.contains(says), "{name}: {text}");
        assert_no_stems(&case);
    }
    let none = wav(&case.path("none.wav"), &[]);
    assert_refused(&case.separate(&[&none]), "none.wav");
    assert_refused(&case.separate(&[&case.path("missing.wav")]), "missing.wav");
    assert_refused(
        &case.separate(&[case.folder.path()]),
        case.folder.path().to_str().unwrap(),
    );
    assert_no_stems(&case);
}

#[test]
fn very_short_songs_are_separated() {
    let case = Case::new();
    for (name, samples) in [("one", 1), ("few", 100), ("tenth", 4_410)] {
        let path = case.song(&format!("{name}.wav"), samples);
        let output = case.separate(&[&path]);
        assert!(output.status.success(), "{output:?}");
        let stem = stemwise::audio::read_mono(&case.path(&format!("out/{name}/drums.wav"))).unwrap();
        assert_eq!(stem.samples.len(), samples);
    }
}

#[test]
fn one_bad_song_does_not_end_the_run() {
    let case = Case::new();
    let bad = case.file("bad.wav", b"RIFF");
    let (a, b) = (case.song("a.wav", 10_000), case.song("b.wav", 10_000));
    let text = assert_refused(&case.separate(&[&a, &bad, &b]), "bad.wav");
    assert!(text.contains("1 of 3"), "{text}");
    assert_eq!(files(&case.path("out")).len(), 2);

    let before = fs::read(case.path("out/a/drums.wav")).unwrap();
    wav(&a, &[0.25; 500]);
    assert_refused(&case.separate(&[&a]), "drums.wav");
    assert!(
        fs::read(case.path("out/a/drums.wav")).unwrap() == before,
        "overwritten without --force"
    );
    let (model, out) = (case.model.to_str().unwrap(), case.path("out"));
    let (a, out) = (a.to_str().unwrap(), out.to_str().unwrap());
    let forced = stemwise(&[
        "separate", a, "--device", "cpu", "--model", model, "--out", out, "--force",
    ]);
    assert!(forced.status.success() && fs::read(case.path("out/a/drums.wav")).unwrap() != before);
}

#[test]
fn songs_of_one_name_do_not_overwrite_each_other() {
    let case = Case::new();
    fs::create_dir(case.path("other")).unwrap();
    let (a, b) = (case.song("a.wav", 5_000), case.song("other/a.wav", 6_000));
    assert_refused(&case.separate(&[&a, &b]), "other/a.wav");
    assert_eq!(
        stemwise::audio::read_mono(&case.path("out/a/drums.wav"))
            .unwrap()
            .samples
            .len(),
        5_000
    );
}

#[test]
fn unusable_models() {
    let case = Case::new();
    let song = case.song("a.wav", 10_000);
    let out = case.path("out");
    let refused = |model: &Path, named: &str| {
        let text = assert_refused(&case.separate_with(model, &[&song], &out), named);
        assert_no_stems(&case);
        text
    };
    refused(&case.path("nowhere"), "nowhere");

    let cut = untrained(&case.path("cut"), &recipe(Instrument::Bass), identity).join("last.safetensors");
    let content = fs::read(&cut).unwrap();
    fs::write(&cut, &content[..content.len() / 2]).unwrap();
    refused(&case.path("cut"), cut.to_str().unwrap());

    let wide = common::small("separator", Some(Instrument::Bass), &["network.width=0.25"]);
    let other = untrained(&case.path("wide"), &wide, identity).join("last.safetensors");
    fs::copy(&other, case.model.join("last.safetensors")).unwrap();
    let text = refused(&case.model, "model/last.safetensors");
    assert!(text.contains("encoder.0.conv.weight"), "{text}");

    fs::remove_file(case.model.join("last.safetensors")).unwrap();
    refused(&case.model, "no checkpoint");
    fs::write(case.model.join("config.toml"), "corpus = 3").unwrap();
    refused(&case.model, "config.toml");
}

#[test]
fn output_that_cannot_be_written() {
    let case = Case::new();
    let song = case.song("a.wav", 10_000);
    let below = case.file("file", b"in the way").join("out");
    assert_refused(
        &case.separate_with(&case.model, &[&song], &below),
        below.to_str().unwrap(),
    );
    if cfg!(target_os = "linux") {
        assert_refused(
            &case.separate_with(&case.model, &[&song], Path::new("/proc/out")),
            "/proc/out",
        );
    }
}

#[test]
fn unknown_devices_and_misuse() {
    let case = Case::new();
    let (model, song) = (case.model.to_str().unwrap(), case.song("a.wav", 100));
    let song = song.to_str().unwrap();
    let output = stemwise(&[
        "separate",
        song,
        "--model",
        model,
        "--out",
        "x",
        "--device",
        "voodoo 9000",
    ]);
    let text = assert_refused(&output, "voodoo 9000");
    assert!(output.status.code() == Some(2) && text.contains("cpu"), "{text}");

    let train = |arguments: &[&'static str]| {
        let mut all = vec!["train", "--out", "x", "--corpus", "y"];
        all.extend(arguments);
        all
    };
    for arguments in [
        vec!["separate", "--out", "x"],
        vec!["train", "separator", "--out", "x"],
        vec!["train", "separator"],
        train(&["separator", "--instrument", "kazoo"]),
        train(&["separator"]),
        train(&["direct", "--instrument", "bass"]),
        train(&["separator", "--instrument", "bass", "--set", "network.width=-1"]),
        train(&["separator", "--instrument", "bass", "--set", "network.widht=1"]),
        train(&["separator", "--instrument", "bass", "--preset", "huge"]),
        train(&["seperator", "--instrument", "bass"]),
        train(&["clean-paft", "--instrument", "bass"]),
        vec!["train", "--resume", model, "--set", "training.batch=3"],
        vec!["train", "--epochs", "3"],
        vec!["recipes", "casacde"],
        vec!["plan", "separator", "--set", "data.segment_seconds=nan"],
        vec!["plan", "h25-pretraining", "--set", "front_end.mels=16"],
        vec!["plan", model, "--preset", "tiny"],
    ] {
        let output = stemwise(&arguments);
        assert_refused(&output, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
    assert!(!Path::new("x").exists());
}

/// A corpus to be damaged by a test.
fn own_corpus(case: &Case) -> PathBuf {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, made) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let root = corpus(folder.path());
        (folder, root)
    });
    for path in files(made) {
        let copy = case.path("corpus").join(path.strip_prefix(made).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&path, copy).unwrap();
    }
    case.path("corpus")
}

#[track_caller]
fn assert_no_training(case: &Case, corpus: &Path, named: &str) {
    let text = toml::to_string(&recipe(Instrument::Drums)).unwrap();
    let recipe = case.file("recipe.toml", text.as_bytes());
    let (recipe, run) = (recipe.to_str().unwrap(), case.path("run"));
    let arguments = [
        "train",
        recipe,
        "--corpus",
        corpus.to_str().unwrap(),
        "--device",
        "cpu",
    ];
    let output = stemwise(&[&arguments[..], &["--out", run.to_str().unwrap()]].concat());
    assert_refused(&output, named);
    assert!(!run.exists(), "{:?}", files(&run));
}

#[test]
fn broken_corpora() {
    let case = Case::new();
    assert_no_training(&case, &case.path("nowhere"), "nowhere");

    let root = own_corpus(&case);
    let track = root.join("train/Track00001");
    let metadata = track.join("metadata.yaml");
    let text = fs::read_to_string(&metadata).unwrap();
    for broken in [
        "stems: [1, 2",
        "stems:\n  S00:\n    program_num: many\n",
        "\0\u{1}",
    ] {
        fs::write(&metadata, broken).unwrap();
        assert_no_training(&case, &root, "Track00001/metadata.yaml");
    }
    fs::remove_file(&metadata).unwrap();
    assert_no_training(&case, &root, "Track00001");
    fs::write(&metadata, &text).unwrap();

    let stem = files(&track.join("stems")).into_iter().next().unwrap();
    let bytes = fs::read(&stem).unwrap();
    fs::write(&stem, &bytes[..bytes.len() / 2]).unwrap();
    assert_no_training(&case, &root, stem.to_str().unwrap());

    for track in ["train/Track00001", "train/Track00002"] {
        fs::remove_dir_all(root.join(track).join("stems")).unwrap();
    }
    assert_no_training(&case, &root, "drums");
    fs::remove_dir_all(root.join("validation")).unwrap();
    assert_no_training(&case, &root, "validation");
}

#[test]
fn training_into_a_place_that_cannot_be_written() {
    let case = Case::new();
    let below = case.file("file", b"in the way").join("run");
    let text = toml::to_string(&recipe(Instrument::Drums)).unwrap();
    let recipe = case.file("recipe.toml", text.as_bytes());
    let root = own_corpus(&case);
    let arguments = [
        "train",
        recipe.to_str().unwrap(),
        "--device",
        "cpu",
        "--corpus",
        root.to_str().unwrap(),
    ];
    let output = stemwise(&[&arguments[..], &["--out", below.to_str().unwrap()]].concat());
    assert_refused(&output, below.to_str().unwrap());

    // an unknown key is no silent default
    fs::write(&recipe, text + "epohcs = 3\n").unwrap();
    let run = case.path("run");
    let output = stemwise(&[&arguments[..], &["--out", run.to_str().unwrap()]].concat());
    assert!(assert_refused(&output, "recipe").contains("did you mean 'training.epochs'?"));
    assert!(!run.exists());
}

#[test]
fn a_broken_pipe_is_no_panic() {
    use std::{io::Read, process::Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_stemwise"))
        .args(["plan", "separator", "--preset", "tiny", "--device", "cpu"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success() && text.is_empty(), "{text}");
}
