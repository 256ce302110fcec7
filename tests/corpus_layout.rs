//! Finding tracks and stems in folders, whole and broken.

use std::{fs, path::Path};

use stemwise::{
    audio::{SampleFormat, WavWriter},
    corpus::{Corpus, CorpusError, Instrument, Metadata, Split},
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
        (
            METADATA.replace("    program_num: 103\n", ""),
            "S06 has no program_num",
        ),
        (METADATA.replace("program_num: 103", "program_num: -1"), "not -1"),
        (
            METADATA.replace("program_num: 103", "program_num: 1.5"),
            "line 32",
        ),
        (
            METADATA.replace("is_drum: true", "is_drum: maybe"),
            "line 11: is_drum is true or false, not \"maybe\"",
        ),
        (
            METADATA.replace(
                "    program_num: 103\n",
                "    program_num: 103\n    program_num: 0\n",
            ),
            "line 33: program_num is there twice",
        ),
        (format!("{METADATA}---\nmore: 1\n"), "a second document"),
        (
            METADATA.replace("    inst_class: Drums", "\tinst_class: Drums"),
            "line 9: it is indented by a tab",
        ),
        (
            METADATA.replace("program_num: 103", "program_num: *other"),
            "line 32: it refers to an anchor",
        ),
        (METADATA.replace("stems:", "steams:"), "it lists no stems"),
        ("stems: [S00, S01]\n".to_string(), "line 1: names with values"),
        ("just text".to_string(), "line 1"),
        (String::new(), "copy the track again"),
    ] {
        fs::write(&path, &broken).unwrap();
        let error = corpus.tracks()[0].stems().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, CorpusError::Metadata { .. }), "{text}");
        assert!(text.contains("metadata.yaml") && text.contains(line), "{text}");
        for word in ["Option", "from_str", "deserialize", "serde", "budget"] {
            assert!(!text.contains(word), "a word for programmers: {text}");
        }
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

/// The metadata of a corpus of one track that says `yaml` of its stem S00.
fn says(yaml: &str) -> Result<stemwise::corpus::StemMetadata, String> {
    Metadata::parse(&format!("stems:\n  S00:\n{yaml}"))
        .map(|mut metadata| metadata.stems.remove("S00").unwrap())
}

#[test]
fn nothing_but_program_and_drums_needs_to_be_there() {
    let fields = [
        "inst_class",
        "plugin_name",
        "midi_program_name",
        "integrated_loudness",
        "midi_saved",
        "audio_rendered",
    ];
    let whole = [
        "UUID",
        "overall_gain",
        "normalized",
        "target_peak",
        "lmd_midi_dir",
    ];
    for value in [
        "null",
        "~",
        "None",
        "''",
        "7",
        "-.inf",
        "1e999",
        "text",
        "true",
        "[1, {a: b}]",
        "{a: 1}",
    ] {
        let of = |names: &[&str], indent: &str| -> String {
            names
                .iter()
                .map(|name| format!("{indent}{name}: {value}\n"))
                .collect()
        };
        let yaml = format!(
            "{}stems:\n  S00:\n    program_num: 33\n{}",
            of(&whole, ""),
            of(&fields, "    ")
        );
        let metadata = Metadata::parse(&yaml).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(metadata.stems["S00"].instrument(), Instrument::Bass, "{value}");
    }
    let metadata = Metadata::parse("\u{FEFF}stems:\n  S00: {program_num: 128}\n").unwrap();
    assert_eq!((metadata.uuid.as_str(), metadata.overall_gain), ("", 1.0));
    let stem = &metadata.stems["S00"];
    assert!(stem.is_drum && stem.audio_rendered.is_none());
    // anchors are YAML
    let shared = "    program_num: &p 33\n    is_drum: false\n  S01:\n    program_num: *p\n";
    assert_eq!(says(shared).unwrap().program_num, 33);
}

#[test]
fn drums_win() {
    for (yaml, instrument) in [
        ("    program_num: 0\n    is_drum: true\n", Instrument::Drums),
        ("    program_num: 128\n    is_drum: false\n", Instrument::Drums),
        ("    program_num: 999\n    is_drum: true\n", Instrument::Drums),
        ("    program_num: null\n    is_drum: true\n", Instrument::Drums),
        ("    program_num: 128\n    is_drum: null\n", Instrument::Drums),
        ("    program_num: '25'\n    is_drum: None\n", Instrument::Guitar),
        ("    program_num: 999\n", Instrument::Residuals),
    ] {
        assert_eq!(says(yaml).unwrap().instrument(), instrument, "{yaml}");
    }
}

#[test]
fn the_case_of_letters_does_not_matter_and_every_format_is_taken() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("Track00001");
    track(&folder);
    let at = |name: &str| folder.join("stems").join(name);
    for name in ["S00.WAV", "s02.Flac", "S06.mp3", "notes.txt"] {
        fs::write(at(name), "").unwrap();
    }
    fs::write(folder.join("MIX.WAV"), "").unwrap();
    let corpus = Corpus::open(root.path()).unwrap();
    let track = &corpus.tracks()[0];
    let stems = track.stems().unwrap();
    let paths: Vec<_> = stems.present.iter().map(|stem| stem.path.clone()).collect();
    assert_eq!(paths, [at("S00.WAV"), at("s02.Flac"), at("S06.mp3")]);
    assert!(stems.missing.is_empty() && stems.unlisted.is_empty() && stems.passed_over.is_empty());
    assert_eq!(track.mix_path().unwrap(), folder.join("MIX.WAV"));

    // what is coded comes last, and what is not read is said
    for name in ["S06.flac", "S06.wav"] {
        fs::write(at(name), "").unwrap();
    }
    let stems = track.stems().unwrap();
    assert_eq!(stems.present[2].path, at("S06.flac"));
    let others = ["S06.wav", "S06.mp3"].map(|name| ("S06".to_string(), at(name)));
    assert_eq!(stems.passed_over, others);

    let upper = [("metadata.yaml", "METADATA.YAML"), ("stems", "STEMS")];
    for (from, to) in upper {
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }
    fs::write(folder.join("All_Src.MID"), "").unwrap();
    assert_eq!(track.stems().unwrap().present.len(), 3);
    assert!(track.midi_path().exists());
}
