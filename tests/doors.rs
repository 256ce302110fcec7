//! What other programs get: arrays and tables of what the program hears, describes, asks and draws.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use common::{
    SMALL, identity, noise, prepared,
    program::{done, stemwise},
    recipe, small, untrained,
};
use stemwise::{
    audio::{SampleFormat, Stft, WavWriter, read_mono_at},
    corpus::Instrument,
    eval::{Average, Evaluation, Measure, Ratio},
    generate::synth::{SynthOptions, synthesise},
    library::Library,
    metrics::{Embeddings, Ties, mean_of_means, nearest_others},
};

/// Shape and 32-bit numbers of an array; of complex ones, the real and the imaginary part of each.
fn npy(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\0");
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..length]).into_owned();
    let shape = header.split(['(', ')']).nth(1).unwrap();
    let shape: Vec<usize> = shape
        .split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect();
    let values: Vec<f32> = bytes[length..]
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let wide = if header.contains("'<c8'") { 2 } else { 1 };
    assert_eq!(values.len(), wide * shape.iter().product::<usize>(), "{header}");
    (shape, values)
}

/// Cells by the names of their columns.
type Line = BTreeMap<String, String>;

/// The lines of a table, each by the names of its columns.
fn table(path: &Path) -> Vec<Line> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|line| line.unwrap()).collect()
}

fn wav(path: &Path, channels: u16, samples: &[f32]) {
    let mut writer = WavWriter::create(path, 44_100, channels, SampleFormat::Float32).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

/// A file's vector is the mean of its segments'; the last segment ends with the music, silence has none.
#[test]
fn segments_are_exported_beside_files() {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("music");
    fs::create_dir(&music).unwrap();
    let model = untrained(
        &folder.path().join("model"),
        &small("direct", None, &[]),
        |_, _| {},
    );
    wav(&music.join("a.wav"), 1, &noise(4 * 22_050));
    // half a second of sound, a whole one of silence, and 0.4 s more
    let mut gap = noise(22_050);
    gap.extend(vec![0.0; 44_100]);
    gap.extend(noise(17_640));
    wav(&music.join("b.wav"), 1, &gap);
    let (library, out) = (folder.path().join("library"), folder.path().join("out"));
    let [music, model, library, out] = [&music, &model, &library, &out].map(|path| path.to_str().unwrap());
    let arguments = [
        "embed",
        music,
        "--model",
        model,
        "--out",
        library,
        "--export",
        out,
        "--segments",
        "--device",
        "cpu",
    ];
    let said = done(&stemwise(&arguments));
    assert!(
        said.contains("2 rows written") && said.contains("6 rows of segments"),
        "{said}"
    );
    let rows = table(&Path::new(out).join("segments/segments.csv"));
    let starts: Vec<&str> = rows.iter().map(|row| row["start"].as_str()).collect();
    assert_eq!(starts, ["0", "0.5", "1", "1.5", "0", "1.4"]);
    assert!(
        rows.iter()
            .map(|row| &row["path"])
            .all(|path| path.starts_with(music))
    );
    let library = Library::open(Path::new(library)).unwrap();
    let mut from = 0;
    for subspace in &library.header().subspaces {
        let (shape, vectors) = npy(&Path::new(out).join(format!("segments/{}.npy", subspace.instrument)));
        let d = subspace.dimensions;
        assert_eq!(shape, [6, d]);
        for (entry, segments) in library.entries().iter().zip([0..4, 4..6]) {
            let row = &library.row(entry).unwrap()[from..from + d];
            for (i, x) in row.iter().enumerate() {
                let sum: f64 = segments.clone().map(|s| f64::from(vectors[s * d + i])).sum();
                assert_eq!(*x, (sum / segments.len() as f64) as f32);
            }
        }
        from += d;
    }
}

/// From the exported vectors and labels the votes follow, and from the votes the score.
#[test]
fn what_is_asked_and_answered_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("corpus");
    let options = SynthOptions {
        seed: 5,
        train: 1,
        validation: 1,
        test: 7,
        seconds: 6.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    let store = prepared(&root, folder.path().join("store"));
    let model = untrained(
        &folder.path().join("model"),
        &small("direct-reconst", None, &[]),
        |_, _| {},
    );
    let out = folder.path().join("out");
    let [store, model, to] = [&store, &model, &out].map(|path| path.to_str().unwrap());
    let arguments = [
        "evaluate",
        "--model",
        model,
        "--corpus",
        store,
        "--what",
        "mes-normal,mes-pseudo,sdr",
        "--seconds",
        "1",
        "--pieces",
        "3",
        "--untrained",
        "--export",
        to,
        "--out",
        to,
        "--device",
        "cpu",
    ];
    done(&stemwise(&arguments));
    let evaluation = Evaluation::read(&out.join(Evaluation::FILE)).unwrap();
    let mut compared = 0;
    for score in &evaluation.scores {
        let instrument = score.instrument;
        let name = match score.measure {
            Measure::Length(seconds) => format!("mes-normal-{instrument}-{seconds}s"),
            Measure::Pseudo(preset, _) => format!("mes-pseudo-{preset}-{instrument}"),
            Measure::Separated(Ratio::Sdr, Average::Means) => {
                let lines = table(&out.join(format!("sdr-{instrument}.csv")));
                let mut tracks: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
                for line in &lines {
                    let track = tracks.entry(line["piece"].parse().unwrap()).or_default();
                    assert_eq!(line["frame"], track.len().to_string());
                    track.push(line["sdr"].parse().unwrap());
                }
                let tracks: Vec<Vec<f64>> = tracks.into_values().collect();
                assert_eq!(tracks.len(), 3);
                let mean = mean_of_means(&tracks).unwrap();
                assert!((mean - score.value).abs() < 1e-9, "{instrument} {mean}");
                continue;
            }
            _ => continue,
        };
        let (shape, vectors) = npy(&out.join(format!("{name}.npy")));
        let lines = table(&out.join(format!("{name}.csv")));
        assert_eq!((shape[0], lines.len()), (score.n as usize, score.n as usize));
        let column =
            |name: &str| -> Vec<u32> { lines.iter().map(|line| line[name].parse().unwrap()).collect() };
        let (labels, groups, votes) = (column("label"), column("group"), column("vote"));
        let pseudo = matches!(score.measure, Measure::Pseudo(..));
        let vectors = Embeddings::new(&vectors, shape[1]).unwrap();
        let found = nearest_others(vectors, 5, pseudo.then_some(&groups[..])).unwrap();
        assert_eq!(found.predict(&labels, Ties::Lowest).unwrap(), votes, "{name}");
        let right = votes.iter().zip(&labels).filter(|(vote, label)| vote == label);
        assert_eq!(right.count() as f64 / score.n as f64, score.value, "{name}");
        let own = lines.iter().filter(|line| line["label"] == line["rest"]).count();
        assert!(
            if pseudo {
                own < lines.len()
            } else {
                own == lines.len()
            },
            "{name}"
        );
        compared += 1;
    }
    assert_eq!(compared, 5 * 4, "three lengths and pseudo pieces");
}

/// The mix is the transform of the channels, and a mask of ones is ones.
#[test]
fn spectra_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), identity);
    let song = folder.path().join("song.wav");
    let left = noise(50_000);
    let right: Vec<f32> = left.iter().map(|x| -0.5 * x).collect();
    let both: Vec<f32> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
    wav(&song, 2, &both);
    let [out, spectra] = ["out", "spectra"].map(|name| folder.path().join(name));
    let [model, song, stems, to] = [&model, &song, &out, &spectra].map(|path| path.to_str().unwrap());
    let arguments = [
        "separate",
        song,
        "--model",
        model,
        "--out",
        stems,
        "--spectra",
        to,
        "--device",
        "cpu",
    ];
    done(&stemwise(&arguments));
    // the small recipes' transform
    let (frames, bins) = (1 + 50_000 / 128, 129);
    let (shape, mix) = npy(&spectra.join("song/mix.npy"));
    assert_eq!(shape, [frames, 2, bins]);
    let stft = Stft::new(256, 128).unwrap();
    for (channel, signal) in [left, right].iter().enumerate() {
        let wanted = stft.forward(signal);
        for frame in [0, 1, 100, frames - 1] {
            for bin in 0..bins {
                let at = 2 * ((frame * 2 + channel) * bins + bin);
                let wanted = wanted.at(bin, frame);
                // sums of 256 products of numbers below one in 32 bits
                let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
                assert!(
                    near(mix[at], wanted.re) && near(mix[at + 1], wanted.im),
                    "{frame} {bin}"
                );
            }
        }
    }
    let (shape, mask) = npy(&spectra.join("song/bass.mask.npy"));
    assert_eq!(shape, [frames, 2, bins]);
    assert!(mask.iter().all(|x| *x == 1.0));
    let (shape, log_mel) = npy(&spectra.join("song/log-mel.npy"));
    assert_eq!(shape, [frames, 2, 40]);
    // half as loud is 6 dB less, above the floor of -100 dB
    for row in log_mel.chunks_exact(80) {
        for (l, r) in row[..40].iter().zip(&row[40..]) {
            assert!(*l <= -100.0 + 7.0 || (l - r - 6.0206).abs() < 1e-2, "{l} {r}");
        }
    }
    assert!(log_mel.iter().any(|x| *x > -60.0));
    assert!(read_mono_at(&out.join("song/bass.wav"), 44_100).is_ok());
    // nothing is overwritten unasked
    fs::remove_dir_all(&out).unwrap();
    let again = stemwise(&arguments);
    common::program::refused(&again, 1, &["mix.npy exists already"]);
}

/// Pseudo triplets as the papers draw them: the target's stem of anchor and positive is of one piece, that of the negative
/// of another; the rest of anchor and negative is of one piece, that of the positive of another.
#[test]
fn draws_are_written_without_training() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("corpus");
    let options = SynthOptions {
        seed: 3,
        train: 8,
        validation: 8,
        test: 1,
        seconds: 8.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    let draws = folder.path().join("draws.csv");
    let [root, to] = [&root, &draws].map(|path| path.to_str().unwrap());
    let mut arguments = vec!["train", "cascade", "--instrument", "drums", "--corpus", root];
    arguments.extend(["--dump-draws", to, "--dump-steps", "3"]);
    for setting in SMALL {
        arguments.extend(["--set", setting]);
    }
    done(&stemwise(&arguments));
    let lines = table(&draws);
    let mut triplets: BTreeMap<[&str; 2], BTreeMap<&str, Vec<&Line>>> = BTreeMap::new();
    for line in &lines {
        let place = ["step", "example"].map(|column| line[column].as_str());
        let inputs = triplets.entry(place).or_default();
        inputs.entry(line["input"].as_str()).or_default().push(line);
        assert_eq!(
            (line["condition"].as_str(), line["split"].as_str()),
            ("drums", "train")
        );
        assert_eq!((line["corpus"].as_str(), line["gain"].as_str()), (root, "1"));
        let (start, seconds): (f64, f64) = (line["start"].parse().unwrap(), line["seconds"].parse().unwrap());
        assert_eq!(start / 44_100.0, seconds);
    }
    assert_eq!(triplets.len(), 3 * 2, "three batches of two");
    for inputs in triplets.values() {
        let of = |input: &str, target: bool| -> BTreeSet<&str> {
            let stems = inputs[input].iter();
            let stems = stems.filter(|line| (line["instrument"] == "drums") == target);
            stems.map(|line| line["piece"].as_str()).collect()
        };
        let [a, p, n] = ["anchor", "positive", "negative"].map(|input| (of(input, true), of(input, false)));
        assert!(a.0 == p.0 && a.0 != n.0 && a.0.len() == 1, "{a:?} {p:?} {n:?}");
        assert!(a.1 == n.1 && a.1 != p.1 && a.1.len() == 1, "{a:?} {p:?} {n:?}");
    }
    let before = fs::read(&draws).unwrap();
    done(&stemwise(&arguments));
    assert!(fs::read(&draws).unwrap() == before);
}
