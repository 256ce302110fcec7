//! A person's own music: described once, whatever happens, and searched.

mod common;

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
        EmbedOptions, Entry, FOLD, FileInfo, Header, Library, LibraryError, Queries, Query, Subspace,
        Summary, Writer, embed, search,
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

#[test]
fn vectors_do_not_depend_on_company_order_or_threads() {
    let folder = tempfile::tempdir().unwrap();
    let music = music(folder.path(), 7);
    let run = model(folder.path(), 1);
    let gpus = adapters();
    let gpus = gpus
        .iter()
        .filter_map(|adapter| Gpu::open(adapter).ok().map(Device::Gpu));
    for (number, device) in [Device::Cpu].into_iter().chain(gpus).enumerate() {
        let mut describer = Describer::load(std::slice::from_ref(&run), &device).unwrap();
        let [together, alone] =
            ["together", "alone"].map(|name| folder.path().join(format!("{name}-{number}")));
        let summary = embed_with(&mut describer, std::slice::from_ref(&music), &together, OPTIONS);
        assert_eq!((summary.described, summary.entries), (7, 7), "{summary:?}");
        let all = rows(&together);
        // one by one, from the last to the first, by one thread
        let one = EmbedOptions { jobs: 1, ..OPTIONS };
        for (entry, _) in all.values().rev() {
            embed_with(
                &mut describer,
                std::slice::from_ref(&entry.file.path),
                &alone,
                one,
            );
        }
        let by_path = |rows: &BTreeMap<PathBuf, (Entry, Option<Vec<u32>>)>| -> Vec<_> {
            let rows = rows.values();
            let mut rows: Vec<_> = rows
                .map(|(e, row)| (e.file.path.clone(), e.seconds, row.clone()))
                .collect();
            rows.sort_by(|a, b| a.0.cmp(&b.0));
            rows
        };
        assert!(by_path(&all) == by_path(&rows(&alone)), "{device}");
        for (a, (_, row)) in &all {
            let row = row.as_ref().unwrap();
            assert!(row.iter().all(|x| f32::from_bits(*x).is_finite()));
            let same = all
                .iter()
                .filter(|(_, (_, other))| other.as_ref() == Some(row))
                .count();
            assert_eq!(same, 1, "{} is described as another song is", a.display());
        }
        // as a query that is not in the library
        let first = all.values().next().unwrap();
        let others = folder.path().join(format!("others-{number}"));
        embed_with(&mut describer, &[music.join("below")], &others, OPTIONS);
        let library = Library::open(&others).unwrap();
        let loaded = device.clone();
        let mut queries = Queries::new(&library, |header: &Header| {
            let runs: Vec<PathBuf> = header.runs.iter().map(|run| run.folder.clone()).collect();
            Ok(Describer::load(&runs, &loaded)?)
        });
        let query = queries.find(&first.0.file.path).unwrap();
        let bits: Vec<u32> = query.vectors.iter().map(|x| x.to_bits()).collect();
        assert_eq!(Some(bits), first.1);
    }
}

/// The log, without its first line that names the file of vectors, and that file's bytes.
fn contents(library: &Path) -> (String, Vec<u8>) {
    let log = fs::read_to_string(library.join("files.jsonl")).unwrap();
    let (first, rest) = log.split_once('\n').unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    let vectors = fs::read(library.join(first["vectors"].as_str().unwrap())).unwrap();
    (rest.to_string(), vectors)
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 0);
    for number in 0..16 {
        wav(&root.join(format!("{number}.wav")), RATE, &song(number, 8.0));
    }
    let run = model(folder.path(), 1);
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let started = Instant::now();
    let said = done(&embed_command(&root, &run, &whole).output().unwrap());
    let all = started.elapsed();
    assert!(said.contains("16 described"), "{said}");

    let mut before: BTreeMap<PathBuf, (Entry, Option<Vec<u32>>)> = BTreeMap::new();
    let (mut kills, mut partly) = (0, 0);
    for round in 1..60u32 {
        let mut child = embed_command(&root, &run, &killed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(all.mul_f64(0.2) + Duration::from_millis(u64::from(7 * round)));
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        if ended {
            break;
        }
        kills += 1;
        if killed.join("library.json").exists() {
            let now = rows(&killed);
            // what was finished is there, and was not done again
            for (path, (entry, row)) in &before {
                let (again, again_row) = &now[path];
                // a run that was killed while it exited has sorted its rows
                let known = |entry: &Entry| (entry.file.clone(), entry.hash.clone(), entry.seconds);
                assert!(
                    known(entry) == known(again) && row == again_row,
                    "{}",
                    path.display()
                );
            }
            partly += usize::from(!now.is_empty() && now.len() < 16);
            before = now;
        }
    }
    assert!(
        kills >= 2 && partly >= 1,
        "{kills} kills, {partly} of them in the middle"
    );
    let said = done(&embed_command(&root, &run, &killed).output().unwrap());
    assert!(said.contains("holds 16 files"), "{said}");
    assert!(contents(&whole) == contents(&killed));
    // and then there is nothing to do
    let said = done(&embed_command(&root, &run, &killed).output().unwrap());
    assert!(said.contains("0 described, 16 unchanged"), "{said}");
    assert!(contents(&whole) == contents(&killed));
}

#[test]
fn bad_files_are_noted_and_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 3);
    let run = model(folder.path(), 1);
    let library = folder.path().join("library");
    fs::write(root.join("empty.mp3"), b"").unwrap();
    fs::write(root.join("text.ogg"), "this is a text").unwrap();
    let whole = fs::read(root.join("00.wav")).unwrap();
    fs::write(root.join("cut.wav"), &whole[..whole.len() / 2]).unwrap();
    fs::copy(root.join("text.ogg"), root.join("text again.mp3")).unwrap();
    wav(&root.join("silent.wav"), RATE, &[0.0; 60_000]);
    fs::write(root.join("cover.jpg"), "no music").unwrap();
    fs::write(root.join(".hidden.wav"), "no music").unwrap();
    let missing = folder.path().join("missing.wav");

    let output = embed_command(&root, &run, &library)
        .arg(&missing)
        .output()
        .unwrap();
    let said = done(&output);
    assert!(
        said.contains("4 described") && said.contains("5 failed") && said.contains("(1 silent)"),
        "{said}"
    );
    let errors = fs::read_to_string(library.join("errors.jsonl")).unwrap();
    let errors: BTreeMap<String, String> = errors
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = Path::new(line["path"].as_str().unwrap()).file_name().unwrap();
            (
                name.to_string_lossy().into_owned(),
                line["reason"].as_str().unwrap().to_string(),
            )
        })
        .collect();
    for (name, reason) in [
        ("empty.mp3", "empty file"),
        ("text.ogg", "text"),
        ("text again.mp3", "text"),
        ("cut.wav", "truncated"),
        ("missing.wav", "cannot be read"),
    ] {
        assert!(errors[name].contains(reason), "{errors:?}");
        assert!(text(&output.stderr).contains(name), "{}", text(&output.stderr));
    }
    assert_eq!(errors.len(), 5, "{errors:?}");
    // one content is tried once
    let texts = ["text.ogg", "text again.mp3"].map(|name| &errors[name]);
    for says in ["is no WAV, FLAC, MP3, OGG or M4A file", "which failed"] {
        assert_eq!(
            texts.iter().filter(|reason| reason.contains(says)).count(),
            1,
            "{texts:?}"
        );
    }

    // silence has an entry, and neighbours nowhere
    let held = rows(&library);
    assert!(held[Path::new("silent.wav")].1.is_none());
    let found = command(["search"]).arg(&library).arg("00.wav").output().unwrap();
    let found = done(&found);
    assert!(
        found.contains("01.wav") && !found.contains("silent") && !found.contains("00.wav"),
        "{found}"
    );
    let silent = command(["search"])
        .arg(&library)
        .arg(root.join("silent.wav"))
        .output()
        .unwrap();
    refused(&silent, 1, &["silent.wav", "it is silent"]);
    let other = folder.path().join("other.wav");
    wav(&other, RATE, &[0.0; 1000]);
    refused(
        &command(["search", "--device", "cpu"])
            .arg(&library)
            .arg(&other)
            .output()
            .unwrap(),
        1,
        &["silent"],
    );
    refused(
        &command(["search"])
            .arg(&library)
            .arg("nothing.wav")
            .output()
            .unwrap(),
        1,
        &["nothing.wav"],
    );

    // mended, they leave the list; what was not looked at stays in it
    fs::write(root.join("cut.wav"), &whole).unwrap();
    fs::remove_file(root.join("empty.mp3")).unwrap();
    fs::remove_file(root.join("text again.mp3")).unwrap();
    done(&embed_command(&root, &run, &library).output().unwrap());
    let errors = fs::read_to_string(library.join("errors.jsonl")).unwrap();
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(
        errors.contains("text.ogg") && errors.contains("missing.wav"),
        "{errors}"
    );

    // nothing but bad ones
    let bad = folder.path().join("bad");
    fs::create_dir(&bad).unwrap();
    refused(
        &embed_command(&bad, &run, &library).output().unwrap(),
        1,
        &["no music"],
    );
    fs::copy(root.join("text.ogg"), bad.join("text.ogg")).unwrap();
    refused(
        &embed_command(&bad, &run, &library).output().unwrap(),
        1,
        &["nothing could be described"],
    );
}

#[test]
fn only_what_changed_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 6);
    let mut describer = load(&[model(folder.path(), 1)]);
    let library = folder.path().join("library");
    let mut again = |prune| {
        embed_with(
            &mut describer,
            std::slice::from_ref(&root),
            &library,
            EmbedOptions { prune, ..OPTIONS },
        )
    };
    let counts = |s: &Summary| (s.described, s.kept, s.known, s.dropped, s.entries);
    assert_eq!(counts(&again(false)), (6, 0, 0, 0, 6));
    let first = rows(&library);
    let before = contents(&library);
    assert_eq!(counts(&again(false)), (0, 6, 0, 0, 6));
    assert!(contents(&library) == before);

    // touched, moved, copied
    let file = fs::File::options()
        .append(true)
        .open(root.join("00.wav"))
        .unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    fs::rename(root.join("01.wav"), root.join("below/moved.wav")).unwrap();
    fs::copy(root.join("03.wav"), root.join("copy.wav")).unwrap();
    assert_eq!(counts(&again(false)), (0, 4, 3, 0, 7));
    let second = rows(&library);
    let of =
        |rows: &BTreeMap<PathBuf, (Entry, Option<Vec<u32>>)>, name: &str| rows[Path::new(name)].1.clone();
    assert!(!second.contains_key(Path::new("01.wav")));
    assert_eq!(of(&second, "below/moved.wav"), of(&first, "01.wav"));
    assert_eq!(of(&second, "copy.wav"), of(&first, "03.wav"));
    assert_eq!(
        second[Path::new("copy.wav")].0.row,
        second[Path::new("03.wav")].0.row,
        "one row for one content"
    );

    // two that change places are known, too
    fs::rename(root.join("03.wav"), root.join("x")).unwrap();
    fs::rename(root.join("04.wav"), root.join("03.wav")).unwrap();
    fs::rename(root.join("x"), root.join("04.wav")).unwrap();
    assert_eq!(counts(&again(false)), (0, 5, 2, 0, 7));
    assert_eq!(of(&rows(&library), "03.wav"), of(&first, "04.wav"));

    // changed, gone, new twice at once
    wav(&root.join("00.wav"), RATE, &song(11, 1.2));
    fs::remove_file(root.join("04.wav")).unwrap();
    wav(&root.join("new.wav"), RATE, &song(12, 1.2));
    fs::copy(root.join("new.wav"), root.join("new too.wav")).unwrap();
    let summary = again(false);
    assert_eq!(counts(&summary), (2, 5, 1, 0, 9), "{summary:?}");
    assert!(
        rows(&library).contains_key(Path::new("04.wav")),
        "kept until it is pruned"
    );
    assert_eq!(counts(&again(true)), (0, 8, 0, 1, 8));
    let held = rows(&library);
    assert_ne!(of(&held, "00.wav"), of(&first, "00.wav"));
    // the file of vectors holds what the log speaks of: seven contents and no more
    let mut contents_held: Vec<&String> = held.values().map(|(entry, _)| &entry.hash).collect();
    contents_held.sort();
    contents_held.dedup();
    let width = Library::open(&library).unwrap().header().width();
    assert_eq!(contents(&library).1.len(), contents_held.len() * width * 4);

    // it becomes bad: what it was is gone
    fs::write(root.join("new.wav"), "no music").unwrap();
    let summary = again(false);
    assert_eq!((summary.failures.len(), summary.entries), (1, 7), "{summary:?}");

    // an empty folder may be a disk that is missing
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    let summary = again(true);
    assert_eq!((counts(&summary), summary.spared.len()), ((0, 0, 0, 0, 7), 1));
}

#[test]
fn copies_are_folded_and_the_query_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 9);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    for name in ["tones.flac", "tones.mp3", "tones.ogg", "tones.m4a"] {
        fs::copy(fixtures.join(name), root.join(name)).unwrap();
    }
    fs::copy(root.join("04.wav"), root.join("04 copy.wav")).unwrap();
    let run = model(folder.path(), 1);
    let mut describer = load(std::slice::from_ref(&run));
    let path = folder.path().join("library");
    embed_with(&mut describer, std::slice::from_ref(&root), &path, OPTIONS);
    let library = Library::open(&path).unwrap();
    let find = |name: &str| {
        let mut queries = Queries::new(&library, |_: &Header| panic!("{name} is in the library"));
        queries.find(Path::new(name)).unwrap()
    };

    // Music coded again is like itself. Not so the M4A: its encoder begins with 23 ms of silence, which is much of a
    // second, and nothing of a song.
    let query = find("tones.flac");
    let found = search(&library, std::slice::from_ref(&query), &[], 100, FOLD);
    let like = names(found.like_queries);
    assert_eq!(like, ["tones.mp3", "tones.ogg"]);
    let matches = names(found.matches.iter().map(|near| near.entry));
    assert_eq!(matches.len(), 10, "{matches:?}");
    // not folded, the same two are the nearest
    let found = search(&library, &[query], &[], 2, 0.0);
    assert!(found.matches.iter().all(|near| near.distance < FOLD));
    assert!(
        names(found.matches.iter().map(|near| near.entry))
            .iter()
            .all(|name| name.starts_with("tones."))
    );

    // another's: three files of one piece are one match, two copies another
    let query = find("00.wav");
    let found = search(&library, &[query], &[], 100, FOLD);
    let groups: Vec<usize> = found
        .matches
        .iter()
        .map(|near| near.like.len())
        .filter(|&n| n > 0)
        .collect();
    assert_eq!(
        found.matches.len(),
        10,
        "{:?}",
        names(found.matches.iter().map(|near| near.entry))
    );
    assert!(groups == [2, 1] || groups == [1, 2], "{groups:?}");
    assert!(
        found
            .matches
            .windows(2)
            .all(|pair| pair[0].distance <= pair[1].distance)
    );
    let shown = found
        .matches
        .iter()
        .flat_map(|near| [near.entry].into_iter().chain(near.like.iter().copied()));
    assert!(!names(shown).contains(&"00.wav".to_string()));
    // the query's copy is the query
    let found = search(&library, &[find("04.wav")], &[], 100, 0.0);
    let all = names(found.matches.iter().map(|near| near.entry));
    assert!(
        !all.iter().any(|name| name.starts_with("04")) && all.len() == 12,
        "{all:?}"
    );

    // on the command line
    let command = |arguments: &[&str]| {
        let output = command(["search"]).arg(&path).args(arguments).output().unwrap();
        done(&output)
    };
    let table = command(&["00.wav", "--focus", "drums=2,bass", "--count", "30"]);
    assert!(
        table.contains("(+2 like it)") && table.contains("(+1 like it)"),
        "{table}"
    );
    let list = folder.path().join("near.m3u");
    let json = command(&[
        "tones.flac",
        "--json",
        "--count",
        "2",
        "--m3u",
        list.to_str().unwrap(),
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["matches"].as_array().unwrap().len(), 2);
    assert_eq!(json["like_queries"].as_array().unwrap().len(), 2);
    assert!(json["matches"][0]["instruments"]["drums"].is_f64(), "{json}");
    let list = fs::read_to_string(list).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!((lines.len(), lines[0]), (5, "#EXTM3U"));
    assert!(
        lines[1].starts_with("#EXTINF:") && Path::new(lines[2]).is_file(),
        "{list}"
    );
    for (arguments, says) in [
        (["00.wav", "--focus", "flute"], "no instrument 'flute'"),
        (["00.wav", "--focus", "drums=-1"], "above 0"),
        (["00.wav", "--focus", "drums=x"], "above 0"),
        (["00.wav", "--focus", "drums,drums=2"], "twice"),
        (["00.wav", "--fold", "NaN"], "--fold"),
    ] {
        refused(
            &program::command(["search"])
                .arg(&path)
                .args(arguments)
                .output()
                .unwrap(),
            2,
            &[says],
        );
    }
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
        subspaces: Instrument::ALL.map(subspace).to_vec(),
    }
}

/// A library of `files` random rows that nobody described. Every tenth file is silent, and shares no row.
fn random_library(folder: &TempDir, files: usize, dimensions: usize) -> (PathBuf, Vec<Vec<f32>>) {
    let root = folder.path().join("random");
    let header = header(dimensions);
    let width = header.width();
    let numbers = noise(files * width);
    let rows: Vec<Vec<f32>> = numbers.chunks(width).map(<[f32]>::to_vec).collect();
    drop(Writer::open(&root, &header).unwrap());
    // the format itself, as adding one by one waits for the disk each time
    let mut log = fs::File::options()
        .append(true)
        .open(root.join("files.jsonl"))
        .unwrap();
    let mut bytes = Vec::new();
    let mut lines = String::new();
    let mut next = 0;
    for (number, row) in rows.iter().enumerate() {
        let silent = number % 10 == 9;
        let file = FileInfo {
            path: format!("/music/{number:05}.flac").into(),
            relative: format!("{number:05}.flac").into(),
            size: 1,
            modified: 2,
        };
        let hash = blake3::hash(&number.to_le_bytes()).to_hex().to_string();
        let values: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut entry = serde_json::json!({"file": file, "hash": hash, "seconds": 200.0});
        if !silent {
            let check = blake3::hash(&values).to_hex()[..16].to_string();
            entry["row"] = serde_json::json!({"row": next, "check": check});
            bytes.extend(values);
            next += 1;
        }
        lines += &format!("{}\n", serde_json::json!({ "entry": entry }));
    }
    log.write_all(lines.as_bytes()).unwrap();
    fs::write(root.join("vectors-0.f32"), bytes).unwrap();
    (root, rows)
}

/// The ranking by the definition of the distance: numbers of files, and distances.
fn oracle(rows: &[Vec<f32>], queries: &[&[f32]], weights: &[f64], left_out: &[usize]) -> Vec<(usize, f64)> {
    let d = rows[0].len() / 5;
    let distance = |a: &[f32], b: &[f32], part: usize| -> f64 {
        let pairs = a[part * d..(part + 1) * d]
            .iter()
            .zip(&b[part * d..(part + 1) * d]);
        pairs
            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let sounding: Vec<usize> = (0..rows.len()).filter(|n| n % 10 != 9).collect();
    // the root mean square over all pairs, one by one
    let usual: Vec<f64> = (0..5)
        .map(|part| {
            let (mut sum, mut pairs) = (0.0, 0.0);
            for (i, &a) in sounding.iter().enumerate() {
                for &b in &sounding[..i] {
                    sum += distance(&rows[a], &rows[b], part).powi(2);
                    pairs += 1.0;
                }
            }
            (sum / pairs).sqrt()
        })
        .collect();
    let total = |n: usize| -> f64 {
        let of = |query: &[f32]| -> f64 {
            let parts = (0..5).map(|part| weights[part] * distance(query, &rows[n], part) / usual[part]);
            parts.sum::<f64>() / weights.iter().sum::<f64>()
        };
        queries.iter().map(|query| of(query)).sum::<f64>() / queries.len() as f64
    };
    let kept = sounding.iter().filter(|n| !left_out.contains(n));
    let mut ranking: Vec<(usize, f64)> = kept.map(|&n| (n, total(n))).collect();
    ranking.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranking
}

#[test]
fn rankings_are_those_of_the_definition() {
    let folder = tempfile::tempdir().unwrap();
    let (root, rows) = random_library(&folder, 300, 6);
    let library = Library::open(&root).unwrap();
    let query = |n: usize| Query {
        given: "x".into(),
        hash: library.entries()[n].hash.clone(),
        vectors: rows[n].clone(),
    };
    type Focus<'a> = (&'a [(Instrument, f64)], [f64; 5]);
    let focuses: [Focus; 4] = [
        (&[], [1.0; 5]),
        (&[(Instrument::Drums, 1.0)], [1.0, 0.0, 0.0, 0.0, 0.0]),
        (
            &[(Instrument::Drums, 3.0), (Instrument::Residuals, 0.5)],
            [3.0, 0.0, 0.0, 0.0, 0.5],
        ),
        (&[(Instrument::Bass, 7.0)], [0.0, 7.0, 0.0, 0.0, 0.0]),
    ];
    let mut firsts = Vec::new();
    for numbers in [vec![0], vec![4, 17, 200]] {
        let queries: Vec<Query> = numbers.iter().map(|&n| query(n)).collect();
        let vectors: Vec<&[f32]> = queries.iter().map(|query| query.vectors.as_slice()).collect();
        for (focus, weights) in focuses {
            let expected = oracle(&rows, &vectors, &weights, &numbers);
            let found = search(&library, &queries, focus, 25, 0.0);
            assert_eq!(found.matches.len(), 25);
            for (near, (number, distance)) in found.matches.iter().zip(&expected) {
                assert_eq!(near.entry.file.relative, Path::new(&format!("{number:05}.flac")));
                // f32 differences against f64 ones
                assert!(
                    (near.distance - distance).abs() < 1e-6,
                    "{} {distance}",
                    near.distance
                );
            }
            firsts.push(found.matches[0].entry.file.path.clone());
        }
    }
    firsts[..4].sort();
    assert!(
        firsts[..4].windows(2).any(|pair| pair[0] != pair[1]),
        "the focus changes nothing: {firsts:?}"
    );
}

/// `cargo test --release --test library -- --ignored --nocapture` prints what a search takes.
#[test]
#[ignore = "a measurement"]
fn ten_thousand_files_are_searched_in_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let (root, rows) = random_library(&folder, 10_000, 128);
    let mut best = [Duration::MAX; 3];
    for _ in 0..10 {
        let started = Instant::now();
        let library = Library::open(&root).unwrap();
        let opened = started.elapsed();
        let query = Query {
            given: "x".into(),
            hash: library.entries()[5].hash.clone(),
            vectors: rows[5].clone(),
        };
        let searching = Instant::now();
        let found = search(&library, &[query], &[(Instrument::Drums, 1.0)], 10, FOLD);
        let searched = searching.elapsed();
        assert_eq!(found.matches.len(), 10);
        let started = Instant::now();
        let output = command(["search"])
            .arg(&root)
            .args(["00005.flac", "--focus", "drums"])
            .output()
            .unwrap();
        done(&output);
        for (best, now) in best.iter_mut().zip([opened, searched, started.elapsed()]) {
            *best = now.min(*best);
        }
    }
    let [opened, searched, command] = best;
    println!(
        "10,000 files of 5 x 128 numbers: opened in {opened:?}, searched in {searched:?}, the whole command {command:?}"
    );
    assert!(command < Duration::from_millis(100), "{command:?}");
}

#[test]
fn unlike_models_are_refused_with_both_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 3);
    let (run, other) = (model(folder.path(), 1), model(folder.path(), 2));
    let path = folder.path().join("library");
    done(&embed_command(&root, &run, &path).output().unwrap());
    let identities = [&run, &other].map(|run| load(std::slice::from_ref(run)).identity().to_string());
    let both = [identities[0].as_str(), identities[1].as_str()];
    let before = contents(&path);
    refused(&embed_command(&root, &other, &path).output().unwrap(), 1, &both);
    let stranger = folder.path().join("stranger.wav");
    wav(&stranger, RATE, &song(20, 1.0));
    let find = |model: Option<&Path>| {
        let mut command = command(["search", "--device", "cpu"]);
        command.arg(&path).arg(&stranger);
        if let Some(model) = model {
            command.arg("--model").arg(model);
        }
        command.output().unwrap()
    };
    refused(&find(Some(&other)), 1, &both);
    done(&find(None));
    // other segments by the same weights
    let longer = folder.path().join("longer");
    fs::create_dir(&longer).unwrap();
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    let config = config.replace("segment_seconds = 0.5", "segment_seconds = 0.75");
    fs::write(longer.join("config.toml"), config).unwrap();
    fs::copy(run.join("last.safetensors"), longer.join("last.safetensors")).unwrap();
    refused(
        &embed_command(&root, &longer, &path).output().unwrap(),
        1,
        &["segments of 22050 samples"],
    );
    // the run's own weights changed under the library
    fs::rename(&run, folder.path().join("elsewhere")).unwrap();
    refused(&find(None), 1, &["--model", "stranger.wav"]);
    done(&find(Some(&folder.path().join("elsewhere"))));
    fs::rename(&other, &run).unwrap();
    refused(&find(None), 1, &both);
    assert!(contents(&path) == before);

    // a model that hears stems, and a later format
    let clean = small("clean", Some(Instrument::Drums), &[]);
    let clean = untrained(&folder.path().join("clean"), &clean, |_, _| {});
    let new = folder.path().join("new");
    refused(
        &embed_command(&root, &clean, &new).output().unwrap(),
        1,
        &["clean stems", "drums"],
    );
    assert!(!new.exists());
    let header = fs::read_to_string(path.join("library.json")).unwrap();
    fs::write(
        path.join("library.json"),
        header.replace("\"format\": 1", "\"format\": 2"),
    )
    .unwrap();
    refused(&find(None), 1, &["format 2"]);
    refused(
        &command(["search"]).arg(&root).arg("00.wav").output().unwrap(),
        1,
        &["is no library"],
    );
    refused(
        &embed_command(&root, &folder.path().join("elsewhere"), &root)
            .output()
            .unwrap(),
        1,
        &["not empty"],
    );
}

#[test]
fn what_a_crash_leaves_is_mended_and_damage_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("library");
    let header = header(2);
    let file = |n: usize| FileInfo {
        path: format!("/{n}").into(),
        relative: n.to_string().into(),
        size: 3,
        modified: -4,
    };
    let row = |n: usize| vec![n as f32; 10];
    let mut writer = Writer::open(&root, &header).unwrap();
    assert!(matches!(
        Writer::open(&root, &header),
        Err(LibraryError::Locked { .. })
    ));
    for n in [2, 1] {
        writer.add(file(n), n.to_string(), 1.0, Some(&row(n))).unwrap();
    }
    drop(writer); // killed before the end
    let append = |name: &str, bytes: &[u8]| {
        let mut file = fs::File::options().append(true).open(root.join(name)).unwrap();
        file.write_all(bytes).unwrap();
    };
    append("vectors-0.f32", &[1; 17]);
    append("files.jsonl", b"{\"entry\":{\"file\":{\"pa");
    fs::write(root.join(".partial-x"), "").unwrap();
    let check = |expected: &[usize]| {
        let library = Library::open(&root).unwrap();
        let numbers: Vec<f32> = library
            .entries()
            .iter()
            .map(|entry| library.row(entry).unwrap()[9])
            .collect();
        assert_eq!(numbers, expected.iter().map(|&n| n as f32).collect::<Vec<_>>());
    };
    check(&[1, 2]); // a search does not mind
    let mut writer = Writer::open(&root, &header).unwrap();
    writer.add(file(0), "0".into(), 1.0, Some(&row(0))).unwrap();
    check(&[0, 1, 2]);
    writer.remove(Path::new("/1")).unwrap();
    writer.finish().unwrap();
    check(&[0, 2]);
    assert_eq!(fs::read(root.join("vectors-1.f32")).unwrap().len(), 2 * 40);
    assert!(!root.join("vectors-0.f32").exists() && !root.join(".partial-x").exists());

    let mut bytes = fs::read(root.join("vectors-1.f32")).unwrap();
    bytes[50] ^= 1;
    fs::write(root.join("vectors-1.f32"), &bytes).unwrap();
    assert!(matches!(
        Writer::open(&root, &header),
        Err(LibraryError::Damaged { .. })
    ));
    fs::write(root.join("vectors-1.f32"), &bytes[..60]).unwrap();
    assert!(matches!(Library::open(&root), Err(LibraryError::Damaged { .. })));
    for log in [
        "",
        "{}\n",
        "nonsense\n",
        "{\"vectors\":\"../x\"}\n",
        "{\"drop\":\"x\"}\n",
    ] {
        fs::write(root.join("files.jsonl"), log).unwrap();
        assert!(
            matches!(Library::open(&root), Err(LibraryError::Damaged { .. })),
            "{log}"
        );
    }
}

/// The most memory that an embedding took, in bytes.
#[cfg(target_os = "linux")]
fn peak(mut command: Command) -> u64 {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) << 10);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_a_song() {
    let folder = tempfile::tempdir().unwrap();
    let run = model(folder.path(), 1);
    let long = folder.path().join("long.wav");
    let mut used = [5, 1500].map(|seconds| {
        let mut writer = WavWriter::create(&long, RATE, 1, SampleFormat::Pcm16).unwrap();
        writer.write(&song(1, 5.0)).unwrap();
        let second = [0.0; RATE as usize];
        (5..seconds).for_each(|_| writer.write(&second).unwrap());
        writer.finish().unwrap();
        peak(embed_command(
            &long,
            &run,
            &folder.path().join(format!("library-{seconds}")),
        ))
    });
    used.sort();
    // 25 minutes are 132 MB as they are read and 265 MB as floats
    assert!(used[1] - used[0] < 16 << 20, "{used:?}");
}
