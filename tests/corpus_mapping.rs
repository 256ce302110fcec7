//! Corpora in other layouts than Slakh2100's, without MIDI and without splits.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use common::{
    EXPORT, config, noise, prepared,
    program::{done, refused, stemwise},
    train,
};
use stemwise::{
    audio::{SampleFormat, WavWriter},
    corpus::{
        Corpus, Instrument, MAPPING_FILE, PieceOptions, SPLIT_FILE, Source, Split, Store, Track, load_all,
        read_splits,
    },
    eval::Evaluation,
    gpu::Device,
    train::{Run, exchange, resume},
};

const RATE: u32 = 44_100;

/// Noise of some loudness in two channels, of which the right is silent.
fn stem(path: PathBuf, loud: f32, seconds: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let samples = noise(seconds * RATE as usize);
    let both: Vec<f32> = samples.iter().flat_map(|x| [loud * x, 0.0]).collect();
    let mut writer = WavWriter::create(&path, RATE, 2, SampleFormat::Float32).unwrap();
    writer.write(&both).unwrap();
    writer.finish().unwrap();
}

/// The loudness of each instrument, as [`stem`] was given it.
fn loudness(track: &Track) -> [f32; 5] {
    let whole = noise(RATE as usize);
    let heard = load_all(track, 0, RATE as usize, RATE).unwrap();
    // the mean of two channels is half
    heard.map(|samples| 2.0 * samples[7] / whole[7])
}

fn near(a: [f32; 5], b: [f32; 5]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
}

#[test]
fn musdb18_hq_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("musdb18hq");
    for piece in ["train/A - One", "train/ANiMAL - Rockshow", "test/B - Two & Three"] {
        for (name, loud) in [
            ("mixture", 0.65),
            ("drums", 0.1),
            ("bass", 0.2),
            ("other", 0.05),
            ("vocals", 0.3),
        ] {
            stem(root.join(piece).join(format!("{name}.wav")), loud, 1);
        }
    }
    let corpus = Corpus::open(&root).unwrap();
    let names = |split| -> Vec<String> { corpus.split(split).iter().map(|t| t.work().unwrap()).collect() };
    assert_eq!(names(Split::Train), ["A - One"]);
    assert_eq!(names(Split::Validation), ["ANiMAL - Rockshow"]);
    assert_eq!(names(Split::Test), ["B - Two & Three"]);
    assert!(corpus.licence().unwrap().contains("educational"));
    for track in corpus.tracks() {
        assert!(
            near(loudness(track), [0.1, 0.2, 0.0, 0.0, 0.35]),
            "{:?}",
            loudness(track)
        );
        assert!(track.mix_path().unwrap().ends_with("mixture.wav"));
    }
    // the mix is found, and is the sum of the stems: nothing is noted but that there are no MIDI files
    let said = done(&stemwise(&["corpus", "check", root.to_str().unwrap()]));
    assert!(said.contains("0 broken, 3 notes"), "{said}");
    let store = Store::open(prepared(&root, folder.path().join("store"))).unwrap();
    assert_eq!(store.licence(), corpus.licence());
    assert_eq!(
        store.split(Split::Test)[0].work.as_deref(),
        Some("B - Two & Three")
    );
    assert!(
        store
            .tracks()
            .iter()
            .all(|track| track.plays(Instrument::Residuals))
    );
}

fn moises(root: &Path) {
    for (piece, loud) in [("0a", 0.1), ("1b", 0.2), ("2c", 0.3)] {
        let piece = root.join("moisesdb_v0.1").join(piece);
        for name in ["drums/k", "guitar/l", "guitar/m", "vocals/n", "percussion/o"] {
            stem(piece.join(format!("{name}.wav")), loud, 3);
        }
        fs::write(piece.join("data.json"), "{}").unwrap();
    }
}

/// A corpus without splits is given some, and both they and its licence are in whatever is made of it.
#[test]
fn moisesdb_is_read_and_its_pieces_are_assigned_to_splits() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("moisesdb");
    moises(&root);
    let corpus = Corpus::open(&root).unwrap();
    assert_eq!(corpus.split(Split::Unsplit).len(), 3);
    assert_eq!(corpus.selection(), None);
    assert!(near(loudness(&corpus.tracks()[1]), [0.2, 0.0, 0.0, 0.4, 0.4]));

    let at = root.to_str().unwrap();
    let assign = ["corpus", "select", at, "--assign", "70,15,15"];
    let said = done(&stemwise(&assign));
    assert!(
        said.contains("1 pieces to train on, 1 to validate, 1 to test"),
        "{said}"
    );
    refused(&stemwise(&assign), 1, &[SPLIT_FILE, "already"]);
    let nothing = ["corpus", "select", at, "--assign", "0,0,0"];
    refused(&stemwise(&nothing), 2, &["--assign", "above 0"]);
    let before = fs::read(root.join(SPLIT_FILE)).unwrap();
    fs::remove_file(root.join(SPLIT_FILE)).unwrap();
    done(&stemwise(&assign));
    assert!(fs::read(root.join(SPLIT_FILE)).unwrap() == before);
    let corpus = Corpus::open(&root).unwrap();
    let of = |split| {
        corpus
            .split(split)
            .iter()
            .map(|track| track.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Split::Unsplit), [0u32; 0]);
    for (id, split) in read_splits(&root).unwrap() {
        assert_eq!(of(split), [id]);
    }
    let selection = corpus.selection().unwrap().to_string();
    refused(
        &stemwise(&["corpus", "select", at, "--split", "unsplit", "--most", "1"]),
        1,
        &["no pieces in 'unsplit'"],
    );

    let run = folder.path().join("run");
    train(&run, &config(&root), &Device::Cpu).unwrap();
    let start = Run::open(&run)
        .unwrap()
        .record()
        .unwrap()
        .unwrap()
        .starts
        .remove(0);
    assert_eq!((start.selection.as_ref(), start.store), (Some(&selection), None));
    assert_eq!(start.licence.as_deref(), Some("CC BY-NC-SA 4.0 (MoisesDB)"));
    let files = exchange::export(&run, &folder.path().join("out"), EXPORT).unwrap();
    let card = fs::read_to_string(&files.card).unwrap();
    assert!(
        card.contains("Licence of what it was trained on: CC BY-NC-SA 4.0 (MoisesDB)"),
        "{card}"
    );
    let to = folder.path().join("scores");
    let [model, scores] = [&run, &to].map(|path| path.to_str().unwrap());
    let evaluate = [
        "evaluate", "--model", model, "--corpus", at, "--what", "sdr", "--device", "cpu", "--out", scores,
    ];
    done(&stemwise(&evaluate));
    let evaluation = Evaluation::read(&to.join(Evaluation::FILE)).unwrap();
    assert_eq!(
        (evaluation.selection.as_ref(), evaluation.store),
        (Some(&selection), None)
    );
    assert!(evaluation.scores.iter().all(|score| score.pieces == 1));
    // other splits are another corpus
    let text = fs::read_to_string(root.join(SPLIT_FILE)).unwrap();
    let swapped = text
        .replace("train", "?")
        .replace("validation", "train")
        .replace('?', "validation");
    fs::write(root.join(SPLIT_FILE), swapped).unwrap();
    let error = resume(&run, Some(4), &Device::Cpu, &AtomicBool::new(false), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("lists of tracks"), "{error}");
    // a store has them in its own hash
    let one = prepared(&root, folder.path().join("one"));
    fs::write(root.join(SPLIT_FILE), text).unwrap();
    let two = prepared(&root, folder.path().join("two"));
    let [one, two] = [one, two].map(|store| Store::open(store).unwrap());
    assert!(one.hash() != two.hash() && two.licence() == corpus.licence());
}

/// A layout of one's own, and what is wrong with it.
#[test]
fn other_layouts_take_a_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("own");
    stem(root.join("x/song/Keys.wav"), 0.1, 1);
    stem(root.join("x/song/kit.wav"), 0.2, 1);
    fs::write(root.join("x/song/notes.txt"), "").unwrap();
    let says = |text: &str| {
        fs::write(root.join(MAPPING_FILE), text).unwrap();
        match Corpus::open(&root) {
            Err(error) => error.to_string(),
            Ok(corpus) => corpus.tracks()[0].stems().unwrap_err().to_string(),
        }
    };
    assert!(says("piece = ").contains(MAPPING_FILE));
    assert!(says("pieces = \"notes.txt\"").contains("unknown field 'pieces'"));
    assert!(says("piece = \"notes.txt\"").contains("[stems]"));
    assert!(says("piece = \"notes.txt\"\n[stems]\nkit = \"kazoo\"").contains("kazoo"));
    let missing = says("piece = \"notes.txt\"\n[stems]\nkit = \"drums\"");
    assert!(missing.contains("no instrument is said for 'keys'"), "{missing}");
    let whole = "licence = \"mine\"\npiece = \"notes.txt\"\n[stems]\nkit = \"drums\"\nkeys = \"piano\"";
    fs::write(root.join(MAPPING_FILE), whole).unwrap();
    let corpus = Corpus::open(&root).unwrap();
    assert_eq!(corpus.licence(), Some("mine"));
    assert!(near(loudness(&corpus.tracks()[0]), [0.2, 0.0, 0.1, 0.0, 0.0]));
}

/// What no MIDI file tells is found in the sound, and the same in the folder as in the store.
#[test]
fn tempo_is_found_in_the_sound() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("corpus");
    for (name, tempo) in [("a", 90.0), ("b", 126.0)] {
        let step = (60.0 / tempo * f64::from(RATE)) as usize;
        let hit = noise(4000);
        let beat = |i: usize| {
            hit.get(i % step)
                .map_or(0.0, |x| x * (-((i % step) as f32) / 800.0).exp())
        };
        let samples: Vec<f32> = (0..15 * RATE as usize).map(beat).collect();
        let path = root.join(name).join("drums/d.wav");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = WavWriter::create(&path, RATE, 1, SampleFormat::Pcm16).unwrap();
        writer.write(&samples).unwrap();
        writer.finish().unwrap();
        fs::write(root.join(name).join("data.json"), "{}").unwrap();
    }
    let at = root.to_str().unwrap();
    let store = folder.path().join("store");
    let output = stemwise(&["corpus", "prepare", at, "--out", store.to_str().unwrap()]);
    let said = common::program::text(&output.stderr);
    assert!(
        output.status.success() && said.contains("2 tracks have no usable all_src.mid: their tempo"),
        "{said}"
    );
    let store = Store::open(store).unwrap();
    let tempi: Vec<f64> = store.tracks().iter().map(|track| track.tempo.unwrap()).collect();
    for (found, wanted) in tempi.iter().zip([90.0, 126.0]) {
        let near = [0.5, 1.0, 2.0]
            .iter()
            .any(|times| (found / (times * wanted) - 1.0).abs() < 0.01);
        assert!(near, "{found} for {wanted}");
    }
    let source = Source::open(&root).unwrap();
    let classes = source.tempo_classes().unwrap();
    // whatever rate it is heard at
    for rate in [RATE, 16_000] {
        let options = PieceOptions {
            segment_len: 8_000,
            rate,
            memory: 1 << 30,
        };
        let pieces = source.pieces(Split::Unsplit, &options, &classes, &|_, _| {});
        let pieces = pieces.unwrap();
        let of_folder: Vec<f64> = pieces
            .catalogue()
            .pieces()
            .iter()
            .map(|piece| piece.tempo.unwrap())
            .collect();
        assert_eq!(of_folder, tempi, "{rate}");
    }
}
