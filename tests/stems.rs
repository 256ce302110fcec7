//! Stems that another program separated, played by one that separates without error.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    slice,
};

use common::{
    SMALL, prepared,
    program::{done, refused, stemwise},
    small, untrained,
};
use stemwise::{
    audio::{SampleFormat, WavWriter, read_mono_at},
    corpus::{Excerpt, Instrument, PieceOptions, Pieces, Source, Split, track_name},
    describe::{Describer, Heard},
    eval::{Average, Evaluation, Measure, Ratio, What},
    generate::synth::{SynthOptions, synthesise},
    gpu::Device,
    library::Library,
};
use tempfile::TempDir;

const RATE: u32 = 44_100;
/// Samples of the segments that are evaluated: half a second.
const SEGMENT: usize = 22_050;

fn corpus(folder: &TempDir) -> PathBuf {
    let root = folder.path().join("corpus");
    let options = SynthOptions {
        seed: 5,
        train: 3,
        validation: 2,
        test: 7,
        seconds: 6.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    prepared(&root, folder.path().join("store"))
}

fn pieces(store: &Path, split: Split) -> Pieces {
    let source = Source::open(store).unwrap();
    let options = PieceOptions {
        segment_len: SEGMENT,
        rate: RATE,
        memory: 0,
    };
    let classes = source.tempo_classes().unwrap();
    source.pieces(split, &options, &classes, &|_, _| {}).unwrap()
}

fn wav(path: &Path, samples: &[f32]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = WavWriter::create(path, RATE, 1, SampleFormat::Float32).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

fn stem(pieces: &Pieces, piece: u32, instrument: Instrument, start: u64, len: usize) -> Vec<f32> {
    let excerpt = Excerpt {
        piece,
        instrument,
        start,
    };
    let mut pcm = vec![0; len];
    pieces.read(excerpt, &mut pcm).unwrap();
    pcm.into_iter().map(|x| f32::from(x) / 32768.0).collect()
}

/// The clean stems of all splits times a gain; residuals in two files that add up to them.
fn separate(store: &Path, to: &Path, gain: f32) {
    for split in [Split::Train, Split::Validation, Split::Test] {
        let pieces = pieces(store, split);
        for (piece, i) in pieces.catalogue().pieces().iter().zip(0..) {
            let folder = to.join(split.name()).join(track_name(piece.id));
            for instrument in Instrument::ALL {
                let mut samples = stem(&pieces, i, instrument, 0, piece.frames as usize);
                samples.iter_mut().for_each(|x| *x *= gain);
                if instrument == Instrument::Residuals {
                    samples.iter_mut().for_each(|x| *x *= 0.5);
                    wav(&folder.join("vocals.wav"), &samples);
                    wav(&folder.join("other.wav"), &samples);
                } else {
                    // programs may add a little in the end
                    samples.extend([0.1; 100]);
                    wav(&folder.join(format!("{instrument}.wav")), &samples);
                }
            }
        }
    }
}

fn run(arguments: &[&str], store: &Path, more: &[&str]) -> std::process::Output {
    let store = store.to_str().unwrap();
    stemwise(&[arguments, &["--corpus", store, "--device", "cpu"], more].concat())
}

/// What is separated without error is heard as what is clean: the same weights come of it, and the same scores; and at
/// half the volume the error is as loud as the stem.
#[test]
fn perfect_stems_are_as_good_as_clean_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = corpus(&folder);
    let [perfect, half] = ["perfect", "half"].map(|name| folder.path().join(name));
    separate(&store, &perfect, 1.0);
    separate(&store, &half, 0.5);
    let [exact, half] = [&perfect, &half].map(|path| path.to_str().unwrap());

    let train = |to: &str, more: &[&str]| {
        let out = folder.path().join(to);
        let mut arguments = vec![
            "train",
            "clean",
            "--instrument",
            "bass",
            "--out",
            out.to_str().unwrap(),
        ];
        for setting in SMALL.iter().chain(&["training.epochs=1"]) {
            arguments.extend(["--set", setting]);
        }
        done(&run(&arguments, &store, more));
        out
    };
    let (clean, separated) = (train("clean", &[]), train("separated", &["--stems", exact]));
    let weights = |run: &Path| fs::read(run.join("last.safetensors")).unwrap();
    assert!(weights(&clean) == weights(&separated));
    let record = |run: &Path| fs::read_to_string(run.join("run.json")).unwrap();
    assert!(record(&separated).contains("\"stems\": \"") && !record(&clean).contains("\"stems\""));

    let evaluated = |to: &str, more: &[&str]| {
        let out = folder.path().join(to);
        let arguments = [
            "evaluate",
            "--model",
            clean.to_str().unwrap(),
            "--seconds",
            "0.5",
            "--out",
            out.to_str().unwrap(),
        ];
        done(&run(&arguments, &store, more));
        Evaluation::read(&out.join(Evaluation::FILE)).unwrap()
    };
    let without = evaluated("without", &["--what", "mes-normal"]);
    let with = evaluated("with", &["--what", "mes-normal", "--stems", exact]);
    assert!(without.scores == with.scores && with.scores.len() == 3);
    assert!(without.stems.is_none() && with.stems.is_some_and(|stems| stems.hash.len() == 64));
    let sdr = evaluated("sdr", &["--what", "sdr", "--stems", half]).scores;
    let mean = sdr
        .iter()
        .find(|score| score.measure == Measure::Separated(Ratio::Sdr, Average::Means))
        .unwrap();
    assert!((mean.value - 20.0 * 2f64.log10()).abs() < 1e-3, "{}", mean.value);

    // mixes cannot be heard as stems, and what is missing is named
    let direct = untrained(
        &folder.path().join("direct"),
        &small("direct", None, &[]),
        |_, _| {},
    );
    let arguments = ["evaluate", "--model", direct.to_str().unwrap()];
    let output = run(&arguments, &store, &["--stems", exact]);
    refused(&output, 2, &["--stems", "runs of clean"]);
    let track = perfect
        .join("test")
        .join(track_name(pieces(&store, Split::Test).catalogue().pieces()[2].id));
    let short = |arguments: &[&str]| {
        let arguments = [&["evaluate", "--model", clean.to_str().unwrap()], arguments].concat();
        run(&arguments, &store, &["--stems", exact, "--seconds", "0.5"])
    };
    let bass = fs::read(track.join("bass.wav")).unwrap();
    wav(&track.join("bass.wav"), &[0.1; 100_000]);
    refused(
        &short(&["--what", "mes-normal"]),
        1,
        &["bass.wav ends 3.7 s before"],
    );
    fs::remove_file(track.join("bass.wav")).unwrap();
    refused(
        &short(&["--what", "mes-normal"]),
        1,
        &["bass.wav", "separates this instrument"],
    );
    fs::write(track.join("bass.wav"), bass).unwrap();
    wav(&track.join("no_drums.wav"), &[0.1; 100]);
    refused(
        &short(&["--what", "mes-normal"]),
        1,
        &["no_drums.wav is no stem by its name"],
    );
}

/// Of pseudo pieces that are separated without error, each segment's nearest neighbours are its like in the other pseudo
/// pieces of its target.
#[test]
fn perfect_stems_of_pseudo_pieces_score_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = corpus(&folder);
    let [mixes, stems, out] = ["mixes", "stems", "out"].map(|name| folder.path().join(name));
    let arguments = [
        "corpus",
        "export",
        store.to_str().unwrap(),
        "--split",
        "test",
        "--out",
        mixes.to_str().unwrap(),
    ];
    let protocol = ["--seconds", "0.5", "--pieces", "3"];
    let said = done(&stemwise(
        &[&arguments[..], &["--pseudo", "i25"], &protocol].concat(),
    ));
    assert!(
        said.contains("60 pseudo pieces"),
        "three targets, as they are and with three others: {said}"
    );
    let said = done(&stemwise(&arguments));
    assert!(said.contains("7 mixes"), "{said}");
    let pieces = pieces(&store, Split::Test);
    let catalogue = pieces.catalogue();
    let sum = read_mono_at(
        &mixes.join(format!("{}.wav", track_name(catalogue.pieces()[1].id))),
        RATE,
    )
    .unwrap();
    let all = Instrument::ALL.map(|i| stem(&pieces, 1, i, 0, sum.len()));
    for (i, x) in sum.iter().enumerate() {
        let wanted: f32 = all.iter().map(|stem| stem[i]).sum();
        assert!((x - wanted).abs() < 1e-6);
    }

    let target = Instrument::Bass;
    let mut separated = 0;
    for entry in fs::read_dir(&mixes).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Some(tracks) = name.strip_prefix("i25-bass-Track") else {
            continue;
        };
        let id: u32 = tracks[..5].parse().unwrap();
        let piece = catalogue
            .pieces()
            .iter()
            .position(|piece| piece.id == id)
            .unwrap() as u32;
        let count = read_mono_at(&path, RATE).unwrap().len() / SEGMENT;
        let starts = (0..).map(|i| i * SEGMENT as u64);
        let sounding = starts
            .filter(|&start| catalogue.sounds(piece, target, start))
            .take(count);
        let sound = sounding.flat_map(|start| stem(&pieces, piece, target, start, SEGMENT));
        wav(&stems.join(name).join("bass.wav"), &sound.collect::<Vec<_>>());
        separated += 1;
    }
    assert_eq!(separated, 3 * 4);
    // of normal pieces nothing is asked, but their stems are looked for
    for piece in catalogue.pieces() {
        let silence = vec![0.0; piece.frames as usize];
        wav(&stems.join(track_name(piece.id)).join("bass.wav"), &silence);
    }
    let recipe = small("clean", Some(target), &[]);
    let model = untrained(&folder.path().join("model"), &recipe, |_, _| {});
    let [model, stems, to] = [&model, &stems, &out].map(|path| path.to_str().unwrap());
    let arguments = [
        "evaluate",
        "--model",
        model,
        "--stems",
        stems,
        "--what",
        "mes-pseudo",
        "--out",
        to,
    ];
    done(&run(&arguments, &store, &protocol));
    let found = Evaluation::read(&out.join(Evaluation::FILE)).unwrap();
    assert_eq!(found.scores.len(), 1);
    assert_eq!(
        (found.scores[0].what, found.scores[0].value),
        (What::MesPseudo, 1.0)
    );
    assert_eq!(found.scores[0].pieces, 12);
}

/// A song is described by its stems, over the segments in which it sounds.
#[test]
fn songs_are_described_by_their_stems() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = small("clean", Some(Instrument::Piano), &[]);
    let model = untrained(&folder.path().join("model"), &recipe, |_, _| {});
    let [songs, stems, library] = ["songs", "stems", "library"].map(|name| folder.path().join(name));
    let sound = common::noise(2 * SEGMENT);
    wav(&songs.join("a song.wav"), &sound);
    let piano: Vec<f32> = sound.iter().rev().map(|x| 0.3 * x).collect();
    wav(&stems.join("a song/piano.wav"), &piano);
    let [from, to, given, by] = [&songs, &library, &stems, &model].map(|path| path.to_str().unwrap());
    let arguments = ["embed", from, "--model", by, "--out", to, "--device", "cpu"];
    refused(&stemwise(&arguments), 1, &["trained on clean stems"]);
    let stems = ["--stems", given];
    done(&stemwise(&[&arguments[..], &stems].concat()));
    let library = Library::open(&library).unwrap();
    let row = library.row(&library.entries()[0]).unwrap();
    let piano: Vec<i16> = piano.iter().map(|x| (x * 32768.0).round() as i16).collect();
    let mut describer = Describer::load(slice::from_ref(&model), &Device::Cpu).unwrap();
    let heard = [&piano[..SEGMENT], &piano[SEGMENT..]].map(|segment| {
        let mut stems = [None; 5];
        stems[Instrument::Piano as usize] = Some(segment);
        Heard::Stems(stems)
    });
    let vectors = describer.describe(&heard, SEGMENT).unwrap();
    let d = vectors.len() / 2;
    for (i, x) in row.iter().enumerate() {
        assert_eq!(
            *x,
            ((f64::from(vectors[i]) + f64::from(vectors[d + i])) / 2.0) as f32
        );
    }
    let direct = untrained(
        &folder.path().join("direct"),
        &small("direct", None, &[]),
        |_, _| {},
    );
    let other = folder.path().join("other");
    let [direct, other] = [&direct, &other].map(|path| path.to_str().unwrap());
    let arguments = [
        "embed", from, "--model", direct, "--out", other, "--device", "cpu",
    ];
    refused(
        &stemwise(&[&arguments[..], &stems].concat()),
        1,
        &["runs of clean"],
    );
}
