//! Every defect that the check knows, planted and found; and nothing found where nothing is.

mod common;
#[path = "common/headers.rs"]
mod headers;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use common::program::{stemwise, text};
use stemwise::corpus::{
    Corpus, ExcludeList, Instrument, Split,
    check::{Report, check},
    write::{NewStem, NewTrack, Note},
};

const RATE: usize = 44_100;
const SECONDS: usize = 6;

/// A bass, a piano and drums that play different notes in every track; two beats a second.
fn song(split: &str, number: u32) -> NewTrack {
    let stem = |program: u16, low: u8| {
        let mut state = number;
        let notes = (0..2 * SECONDS as u8).map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Note {
                start_beats: f64::from(i),
                beats: 0.75,
                key: low + (state >> 8) as u8 % 13,
                velocity: 90,
            }
        });
        let notes: Vec<_> = notes.collect();
        NewStem {
            program,
            program_name: "a program".into(),
            inst_class: "a class".into(),
            plugin_name: "none".into(),
            samples: pluck(&notes),
            notes,
        }
    };
    NewTrack {
        number,
        split: split.into(),
        stems: vec![stem(33, 30), stem(0, 60), stem(128, 40)],
        tempo_bpm: 120.0,
        beats_per_bar: 4,
        uuid: format!("{number}"),
    }
}

/// Notes that die away, with some overtones.
fn pluck(notes: &[Note]) -> Vec<f32> {
    let mut samples = vec![0.0; SECONDS * RATE];
    for note in notes {
        let start = (note.start_beats * RATE as f64 / 2.0) as usize;
        let pitch = 440.0 * ((f64::from(note.key) - 69.0) / 12.0).exp2() / RATE as f64;
        for (n, sample) in samples[start..].iter_mut().take(RATE / 2).enumerate() {
            let phase = std::f64::consts::TAU * pitch * n as f64;
            let tone = phase.sin() + 0.5 * (2.0 * phase).sin() + 0.3 * (3.0 * phase).sin();
            *sample += (tone * (-9.0 * n as f64 / RATE as f64).exp()) as f32;
        }
    }
    samples
}

fn read(path: &Path) -> Vec<i16> {
    let samples = hound::WavReader::open(path).unwrap().into_samples();
    samples.map(|x| x.unwrap()).collect()
}

fn write(path: &Path, rate: u32, samples: impl IntoIterator<Item = i16>) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.into_iter().for_each(|x| writer.write_sample(x).unwrap());
    writer.finalize().unwrap();
}

fn halve(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Plants one kind of defect after the other; returns where it lies and what must be found there, by track.
fn plant(root: &Path) -> Vec<(String, Vec<&'static str>)> {
    let mut expected = Vec::new();
    let mut number = 0;
    // Edits the song before it is written, then its files.
    let mut one = |edit: &dyn Fn(&mut NewTrack), damage: &dyn Fn(&Path), found: &[&'static str]| {
        number += 1;
        let mut song = song("train", number);
        edit(&mut song);
        song.write(root).unwrap();
        damage(&song.folder(root));
        expected.push((format!("train/Track{number:05}"), found.to_vec()));
    };
    let keep = |_: &mut NewTrack| ();
    let intact = |_: &Path| ();

    one(&keep, &intact, &[]);
    let missing = |t: &Path| fs::remove_file(t.join("stems/S00.wav")).unwrap();
    one(&keep, &missing, &["S00 broken missing", "track note sum"]);
    let garbage = |t: &Path| fs::write(t.join("stems/S01.wav"), "no audio").unwrap();
    one(&keep, &garbage, &["S01 broken unreadable", "track note sum"]);
    let empty = |t: &Path| fs::write(t.join("stems/S01.wav"), "").unwrap();
    one(&keep, &empty, &["S01 broken unreadable", "track note sum"]);
    let truncated = |t: &Path| halve(&t.join("stems/S02.wav"));
    one(&keep, &truncated, &["S02 broken truncated", "track note sum"]);
    let truncated = |t: &Path| halve(&t.join("mix.wav"));
    one(&keep, &truncated, &["mix note truncated"]);
    one(&|s| s.stems[0].samples.fill(0.0), &intact, &["S00 note silent"]);
    let half = |s: &mut NewTrack| s.stems[1].samples[SECONDS * RATE / 2..].fill(0.0);
    one(&half, &intact, &["S01 note silent_notes"]);
    let noise = |s: &mut NewTrack| s.stems[1].samples = common::noise(SECONDS * RATE);
    one(&noise, &intact, &["S01 broken white_noise"]);
    let tone = |n: usize| (0.06 * n as f32).sin();
    let single = move |s: &mut NewTrack| s.stems[2].samples = (0..SECONDS * RATE).map(tone).collect();
    one(&single, &intact, &["S02 broken single_tone"]);

    // clipped for 1 ms, and for most of the time; the mix, too, as it should be
    let clip = |loud: std::ops::Range<usize>| {
        move |t: &Path| {
            let (stem, mix) = (t.join("stems/S00.wav"), t.join("mix.wav"));
            let (old, mixed) = (read(&stem), read(&mix));
            let square = |i: usize| {
                if (i / 50).is_multiple_of(2) {
                    32_767
                } else {
                    -32_768
                }
            };
            let clipped = |i: usize, x: i16| if loud.contains(&i) { square(i) } else { x };
            let new: Vec<i16> = old.iter().enumerate().map(|(i, &x)| clipped(i, x)).collect();
            let sum = mixed.iter().zip(&old).zip(&new).map(|((&m, &old), &new)| {
                let sum = i32::from(m) - i32::from(old) + i32::from(new);
                sum.clamp(-32_768, 32_767) as i16
            });
            write(&mix, 44_100, sum.collect::<Vec<_>>());
            write(&stem, 44_100, new);
        }
    };
    one(
        &keep,
        &clip(RATE..RATE + 44),
        &["S00 note clipped", "mix note clipped"],
    );
    one(&keep, &clip(0..RATE), &["S00 broken clipped", "mix note clipped"]);

    let quieter = |t: &Path| {
        let mix = read(&t.join("mix.wav"));
        write(&t.join("mix.wav"), 44_100, mix.iter().map(|x| x / 2));
    };
    one(&keep, &quieter, &["track broken sum"]);
    let scratched = |t: &Path| {
        let mut mix = read(&t.join("mix.wav"));
        mix[RATE] += 12;
        write(&t.join("mix.wav"), 44_100, mix);
    };
    one(&keep, &scratched, &["track note sum"]);
    let slower = |t: &Path| {
        let samples = read(&t.join("stems/S00.wav"));
        write(&t.join("stems/S00.wav"), 22_050, samples.into_iter().step_by(2));
    };
    one(&keep, &slower, &["S00 note rate", "track note sum"]);
    let shorter = |t: &Path| {
        let samples = read(&t.join("stems/S01.wav"));
        write(
            &t.join("stems/S01.wav"),
            44_100,
            samples.into_iter().take(4 * RATE),
        );
    };
    one(&keep, &shorter, &["S01 broken length", "track note sum"]);
    let longer = |t: &Path| {
        let samples = read(&t.join("stems/S01.wav"));
        write(
            &t.join("stems/S01.wav"),
            44_100,
            samples.into_iter().chain([0; RATE]),
        );
    };
    one(&keep, &longer, &["S01 note length"]);

    let flag = |t: &Path| {
        replace(
            &t.join("metadata.yaml"),
            "audio_rendered: true",
            "audio_rendered: false",
        )
    };
    one(&keep, &flag, &["S00 note flag"]);
    let unrendered = |t: &Path| {
        flag(t);
        missing(t);
    };
    one(&keep, &unrendered, &["track broken sum"]);
    let unlisted = |t: &Path| {
        fs::copy(t.join("stems/S00.wav"), t.join("stems/S09.wav"))
            .map(|_| ())
            .unwrap()
    };
    one(&keep, &unlisted, &["S09 note unlisted"]);
    let none = |t: &Path| fs::remove_dir_all(t.join("stems")).unwrap();
    let found = [
        "S00 broken missing",
        "S01 broken missing",
        "S02 broken missing",
        "track broken no_stems",
    ];
    one(&keep, &none, &found);
    let metadata = |t: &Path| replace(&t.join("metadata.yaml"), "stems:", "steams:");
    one(&keep, &metadata, &["metadata.yaml broken unreadable"]);
    let metadata = |t: &Path| fs::remove_file(t.join("metadata.yaml")).unwrap();
    one(&keep, &metadata, &["metadata.yaml broken missing"]);
    let midi = |t: &Path| fs::remove_file(t.join("all_src.mid")).unwrap();
    one(&keep, &midi, &["all_src.mid note missing"]);
    let midi = |t: &Path| fs::write(t.join("all_src.mid"), "MThd").unwrap();
    one(&keep, &midi, &["all_src.mid note unreadable"]);
    let mix = |t: &Path| fs::remove_file(t.join("mix.wav")).unwrap();
    one(&keep, &mix, &["mix note missing"]);
    let replaced = |t: &Path| {
        let noise = common::noise(SECONDS * RATE).into_iter();
        write(
            &t.join("stems/S00.wav"),
            44_100,
            noise.map(|x| (x * 9_999.0) as i16),
        );
    };
    one(&keep, &replaced, &["S00 broken white_noise", "track note sum"]);
    let garbage = |t: &Path| fs::write(t.join("mix.wav"), "no audio").unwrap();
    one(&keep, &garbage, &["mix note unreadable"]);
    let endless = |t: &Path| {
        fs::remove_file(t.join("stems/S01.wav")).unwrap();
        fs::write(t.join("stems/S01.flac"), headers::flac_promising((1 << 36) - 1)).unwrap();
    };
    one(&keep, &endless, &["S01 broken unreadable", "track note sum"]);
    // names with which no line of a list reads back
    for name in ["Lead Guitar", "C#1"] {
        let renamed = |t: &Path| {
            replace(&t.join("metadata.yaml"), "S01:", &format!("\"{name}\":"));
            fs::rename(
                t.join("stems/S01.wav"),
                t.join("stems").join(name).with_extension("wav"),
            )
            .unwrap();
        };
        one(&keep, &renamed, &["metadata.yaml broken unreadable"]);
    }

    // what the metadata says and cannot be so; drums win
    let says =
        |from: &'static str, to: &'static str| move |t: &Path| replace(&t.join("metadata.yaml"), from, to);
    one(
        &keep,
        &says("program_num: 128", "program_num: 0"),
        &["S02 note contradiction"],
    );
    one(
        &keep,
        &says("is_drum: true", "is_drum: false"),
        &["S02 note contradiction"],
    );
    one(
        &keep,
        &says("program_num: 0", "program_num: 999"),
        &["S01 note program"],
    );
    // nothing is said of whether the stem was rendered
    let unsaid = says("    audio_rendered: true\n", "");
    one(&keep, &unsaid, &[]);
    let unsaid_and_missing = |t: &Path| {
        unsaid(t);
        missing(t);
    };
    one(
        &keep,
        &unsaid_and_missing,
        &["S00 broken missing", "track note sum"],
    );
    // names and formats
    let rename = |t: &Path, from: &str, to: &str| fs::rename(t.join(from), t.join(to)).unwrap();
    let upper = |t: &Path| {
        rename(t, "stems/S00.wav", "stems/S00.WAV");
        rename(t, "mix.wav", "MIX.WAV");
    };
    one(&keep, &upper, &[]);
    let twice = |t: &Path| {
        fs::copy(t.join("stems/S00.wav"), t.join("stems/S00.wave")).unwrap();
    };
    one(&keep, &twice, &["S00 note passed_over"]);
    let other = |t: &Path| rename(t, "stems/S00.wav", "stems/S00.wma");
    one(&keep, &other, &["S00 broken other_format", "track note sum"]);

    // One song in three splits and in `omitted`, twice in train: other names, another tempo, another order, other
    // instruments and lengths of notes.
    let song = song("train", 100);
    let copies = [
        ("train", 100, "broken"),
        ("train", 101, "broken"),
        ("validation", 102, "broken"),
        ("test", 103, "note"),
        ("omitted", 104, ""),
    ];
    for (split, number, severity) in copies {
        let mut copy = song.clone();
        (copy.split, copy.number) = (split.into(), number);
        copy.stems.rotate_left(number as usize % 3);
        copy.tempo_bpm += f64::from(number - 100);
        for stem in &mut copy.stems {
            stem.program_name = format!("part of {number}");
            stem.program = match stem.program {
                0 => number as u16 - 100,
                other => other,
            };
            let notes = stem.notes.iter_mut();
            notes.for_each(|note| note.beats -= 0.1 * f64::from(number - 100));
        }
        copy.write(root).unwrap();
        let found = match severity {
            "broken" => vec!["track broken duplicate"],
            "note" => vec!["track note duplicate"],
            _ => vec![],
        };
        expected.push((format!("{split}/Track{number:05}"), found));
    }
    let midi = |name: &str| fs::read(root.join(name).join("all_src.mid")).unwrap();
    assert_ne!(midi("train/Track00100"), midi("test/Track00103"));
    expected
}

fn examine(root: &Path) -> Report {
    let corpus = Corpus::open_whole(root).unwrap();
    check(&corpus, &AtomicBool::new(false), &|_, _| {}).unwrap()
}

/// Track, and its findings as "part severity defect".
fn found(report: &Report) -> Vec<(String, Vec<String>)> {
    let findings = |track: &stemwise::corpus::check::TrackReport| {
        let of = |finding| {
            let json = serde_json::to_value(finding).unwrap();
            let text = |key: &str| json[key].as_str().unwrap().to_string();
            [text("part"), text("severity"), text("defect")].join(" ")
        };
        (track.path(), track.findings.iter().map(of).collect())
    };
    report.tracks.iter().map(findings).collect()
}

#[test]
fn every_planted_defect_is_found_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut expected: Vec<_> = plant(root)
        .into_iter()
        .map(|(track, found)| (track, found.into_iter().map(String::from).collect()))
        .collect();
    let report = examine(root);
    let order = |path: &String| {
        let splits = ["train", "validation", "test", "omitted"];
        splits.iter().position(|split| path.starts_with(split))
    };
    expected.sort_by_key(|(path, _): &(String, Vec<String>)| (order(path), path.clone()));
    assert_eq!(found(&report), expected);

    let text = |path: &str| {
        let track = report.tracks.iter().find(|track| track.path() == path).unwrap();
        track
            .findings
            .iter()
            .map(|f| f.defect.to_string())
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert!(
        text("train/Track00003").contains("unreadable: S01.wav is no audio file"),
        "{}",
        text("train/Track00003")
    );
    assert_eq!(
        text("test/Track00103"),
        "the same notes as train/Track00100, train/Track00101, validation/Track00102"
    );
    assert!(
        text("train/Track00010").contains("421 Hz"),
        "{}",
        text("train/Track00010")
    );

    let drums = report
        .tracks
        .iter()
        .find(|track| track.path() == "train/Track00032")
        .unwrap();
    assert!(drums.sounding[&Instrument::Drums] > 2.0);
    assert_eq!(
        text("train/Track00032"),
        "is_drum is true, but program_num 0 is Acoustic Grand Piano: it counts as drums"
    );
    let other = text("train/Track00039");
    assert!(other.contains("S00.wma is there"), "{other}");

    let badly_named = text("train/Track00031");
    assert!(
        badly_named.contains(r#""C#1" cannot be the name of a stem"#),
        "{badly_named}"
    );

    honoured(root, &report);
}

/// The command line writes the list, and what reads the corpus honours it.
fn honoured(root: &Path, report: &Report) {
    let whole = Corpus::open(root).unwrap();
    let list = root.join("exclude.txt");
    let (path, file) = (root.to_str().unwrap(), list.to_str().unwrap());
    let first = stemwise(&["corpus", "check", path, "--json", "--exclude", file]);
    assert_eq!(first.status.code(), Some(1), "{}", text(&first.stderr));
    let json: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    // both through text, in which a float may change its last bit
    let through_text = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let summary = through_text(serde_json::to_string(&report.summary()).unwrap());
    let tracks = through_text(serde_json::to_string(&report.tracks).unwrap());
    assert!(
        json["summary"] == summary && json["tracks"] == tracks,
        "another report than the library's"
    );
    assert_eq!(json["tracks"][8]["findings"][0]["defect"], "white_noise");

    let excluded = ExcludeList::read(&list).unwrap();
    assert_eq!(excluded, report.exclude_list());
    assert!(excluded.excludes(Split::Train, 9, Some("S01")) && !excluded.excludes(Split::Train, 9, None));
    let corpus = Corpus::open(root).unwrap();
    let tracks = |corpus: &Corpus| corpus.tracks().iter().map(|t| t.id).collect::<Vec<_>>();
    let gone = [13, 19, 21, 22, 23, 30, 31, 100, 101, 102];
    let mut left = tracks(&whole);
    left.retain(|id| !gone.contains(id));
    assert_eq!(tracks(&corpus), left);
    let noisy = &corpus.tracks().iter().find(|t| t.id == 9).unwrap();
    let stems = noisy.stems().unwrap();
    let names: Vec<_> = stems.present.iter().map(|stem| stem.name.as_str()).collect();
    assert_eq!(names, ["S00", "S02"]);
    assert!(stems.missing.is_empty() && stems.unlisted.is_empty());
    assert!(noisy.instrument_stems(Instrument::Piano).unwrap().is_empty());

    let second = stemwise(&["corpus", "check", path]);
    assert_eq!(
        second.status.code(),
        Some(0),
        "all are excluded: {}",
        text(&second.stderr)
    );
    let table = String::from_utf8(second.stdout).unwrap();
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("train/Track00009 S01 broken white noise"),
        "{table}"
    );
    assert!(table.contains("bpm, median 120; unknown of 2 tracks"), "{table}");

    fs::write(&list, "Track00001\nTrack00002 S01\n").unwrap();
    let refused = stemwise(&["corpus", "check", path]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("line 2"),
        "{}",
        text(&refused.stderr)
    );
    assert!(Corpus::open(root).unwrap_err().to_string().contains("line 2"));
}

#[test]
fn nothing_is_found_in_a_sound_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let root: PathBuf = common::corpus(folder.path());
    let report = examine(&root);
    assert!(
        report.tracks.iter().all(|track| track.findings.is_empty()),
        "{:?}",
        found(&report)
    );
    for track in &report.tracks {
        assert_eq!((track.rate, track.seconds), (44_100, 8.0));
        assert!(track.remainder_db.unwrap() < -150.0);
        assert!((60.0..200.0).contains(&track.tempo.unwrap()));
        assert_eq!(track.content.as_ref().unwrap().len(), 64);
        let drums = track.sounding[&Instrument::Drums];
        assert!(drums > 2.0 && drums <= 8.0, "{drums}");
    }
    let summary = report.summary();
    assert_eq!((summary.tracks, summary.broken, summary.notes), (4, 0, 0));
    assert_eq!(summary.sounding[&Instrument::Drums].tracks, 4);
    assert_eq!(summary.rates[&44_100], 4);
    assert!(report.exclude_list().entries.is_empty());
    let path = root.to_str().unwrap();
    assert_eq!(stemwise(&["corpus", "check", path]).status.code(), Some(0));

    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| examine(&root)), report, "on any number of threads");
    let corpus = Corpus::open_whole(&root).unwrap();
    assert_eq!(
        check(&corpus, &AtomicBool::new(true), &|_, _| {}),
        None,
        "stopped"
    );
}
