//! Finding tracks and stems in folders, whole and broken.

use std::{fs, path::Path};

use stemwise::{
    audio::{SampleFormat, WavWriter},
    corpus::{Corpus, CorpusError, Instrument, Split},
};

const METADATA: &str = "UUID: 1a81ae092884234f3264e2f45927f00a
audio_dir: Track00001/stems
normalization_factor: -13.0
normalized: true
overall_gain: 0.18270259567062658
stems:
  S00:
    audio_rendered: false
    inst_class: Drums
    integrated_loudness: -27.12
    is_drum: true
    midi_program_name: Drums
    midi_saved: true
    plugin_name: session_kit_full.nkm
    program_num: 128
  S02:
    audio_rendered: true
    inst_class: Piano
    integrated_loudness: -20.0
    is_drum: false
    midi_program_name: Bright Acoustic Piano
    midi_saved: true
    plugin_name: None
    program_num: 1
  S06:
    audio_rendered: true
    inst_class: Sound Effects
    is_drum: false
    midi_program_name: FX 8 (sci-fi)
    midi_saved: false
    plugin_name: None
    program_num: 103
target_peak: -1.0
";

fn tone(path: &Path) {
    let mut writer = WavWriter::create(path, 44_100, 1, SampleFormat::Pcm16).unwrap();
    writer.write(&[0.25; 100]).unwrap();
    writer.finish().unwrap();
}

fn track(folder: &Path) {
    fs::create_dir_all(folder.join("stems")).unwrap();
    fs::write(folder.join("metadata.yaml"), METADATA).unwrap();
}

#[test]
fn splits_and_tracks_are_in_order() {
    let root = tempfile::tempdir().unwrap();
    for name in [
        "train/Track00010",
        "train/Track00002",
        "test/Track02100",
        "validation/Track01501",
        "train/notes",
    ] {
        fs::create_dir_all(root.path().join(name)).unwrap();
    }
    fs::write(root.path().join("train/Track00003"), "a file").unwrap();
    let corpus = Corpus::open(root.path()).unwrap();
    let ids = |split| corpus.split(split).iter().map(|t| t.id).collect::<Vec<_>>();
    assert_eq!(ids(Split::Train), [2, 10]);
    assert_eq!(ids(Split::Validation), [1501]);
    assert_eq!(ids(Split::Test), [2100]);
    assert_eq!(ids(Split::Omitted), [0; 0]);
    assert_eq!(corpus.tracks().len(), 4);
    assert_eq!(corpus.tracks()[0].name(), "Track00002");
}

#[test]
fn a_corpus_without_splits_is_one_split() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("Track00007")).unwrap();
    let corpus = Corpus::open(root.path()).unwrap();
    assert_eq!(corpus.split(Split::Unsplit)[0].id, 7);
    assert!(corpus.split(Split::Train).is_empty());
    fs::create_dir(root.path().join("Track7")).unwrap();
    let error = Corpus::open(root.path()).unwrap_err();
    assert!(error.to_string().contains("same number"), "{error}");
}

#[test]
fn no_corpus_is_an_error_that_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let empty = Corpus::open(root.path()).unwrap_err();
    assert!(matches!(empty, CorpusError::Missing { .. }));
    assert!(empty.to_string().contains("TrackNNNNN"), "{empty}");
    assert!(matches!(
        Corpus::open(root.path().join("gone")),
        Err(CorpusError::Missing { .. })
    ));
}

#[test]
fn stems_are_the_files_that_exist() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("Track00001");
    track(&folder);
    for name in ["S00.wav", "S02.wav", "S09.wav"] {
        tone(&folder.join("stems").join(name));
    }
    fs::write(folder.join("stems/S02.flac"), "").unwrap();
    fs::write(folder.join("stems/notes.txt"), "").unwrap();
    let corpus = Corpus::open(root.path()).unwrap();
    let track = &corpus.tracks()[0];
    let stems = track.stems().unwrap();
    let present: Vec<_> = stems
        .present
        .iter()
        .map(|s| (s.name.as_str(), s.instrument(), s.path.clone()))
        .collect();
    let at = |name: &str| folder.join("stems").join(name);
    assert_eq!(
        present[0],
        ("S00", Instrument::Drums, at("S00.wav")),
        "rendered, though the flag denies it"
    );
    assert_eq!(
        present[1],
        ("S02", Instrument::Piano, at("S02.flac")),
        "FLAC before WAV"
    );
    assert_eq!(stems.missing, ["S06"]);
    assert_eq!(stems.unlisted, [at("S09.wav")]);
    assert_eq!(track.instrument_stems(Instrument::Drums).unwrap().len(), 1);
    assert!(track.instrument_stems(Instrument::Residuals).unwrap().is_empty());
    assert!(matches!(track.mix_path(), Err(CorpusError::Missing { .. })));
    tone(&folder.join("mix.wav"));
    assert_eq!(track.mix_path().unwrap(), folder.join("mix.wav"));
    fs::remove_dir_all(folder.join("stems")).unwrap();
    assert_eq!(track.stems().unwrap().missing, ["S00", "S02", "S06"]);
}

#[test]
fn broken_metadata_names_the_file_and_the_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("Track00001");
    track(&folder);
    let corpus = Corpus::open(root.path()).unwrap();
    let path = folder.join("metadata.yaml");
    for (broken, line) in [
        (
            METADATA.replace("program_num: 1\n", "program_num: loud\n"),
            "line 24",
        ),
        (METADATA.replace("    is_drum: true\n", "  : [ {\n"), "line 1"), // line 11 or a little later
        (METADATA.replace("    program_num: 103\n", ""), "line"),
        ("just text".to_string(), "line 1"),
        (String::new(), ""),
    ] {
        fs::write(&path, &broken).unwrap();
        let error = corpus.tracks()[0].stems().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, CorpusError::Metadata { .. }), "{text}");
        assert!(text.contains("metadata.yaml") && text.contains(line), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    fs::write(&path, b"\xFF\xFE\x00").unwrap();
    assert!(matches!(
        corpus.tracks()[0].metadata(),
        Err(CorpusError::Metadata { .. })
    ));
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        corpus.tracks()[0].metadata(),
        Err(CorpusError::Missing { .. })
    ));
}
