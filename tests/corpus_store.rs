//! Stores prepared from small corpora: what is in them, and what becomes of them when something goes wrong.

#[path = "common/headers.rs"]
mod headers;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use midly::{Format, Header, MetaMessage, Smf, Timing, TrackEvent, TrackEventKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::{
    audio::{AudioError, SampleFormat, WavWriter},
    corpus::{
        Corpus, CorpusError, Instrument, QuietStretches, SoundingStarts, Split, Store, load_instrument,
        midi::read_tempo,
        store::{Event, PrepareOptions, Summary, prepare},
        track_frames,
    },
};
use tempfile::TempDir;

const RATE: u32 = 8_000;
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio");

/// Program, rate, seconds, amplitude.
type Stem = (u16, u32, f64, f32);

/// Writes a track of noise that comes and goes.
fn make_track(folder: &Path, stems: &[Stem]) {
    fs::create_dir_all(folder.join("stems")).unwrap();
    for (i, &(program, rate, seconds, amplitude)) in stems.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(program) + 1000 * i as u64);
        let mut samples = Vec::new();
        while samples.len() < (seconds * f64::from(rate)) as usize {
            let loud = if rng.random_range(0..3) > 0 {
                amplitude
            } else {
                0.0
            };
            for _ in 0..rng.random_range(100..9000) {
                samples.push(loud * rng.random_range(-1.0..1.0f32));
            }
        }
        samples.truncate((seconds * f64::from(rate)) as usize);
        write_wav(&folder.join(format!("stems/S{i:02}.wav")), rate, &samples);
    }
    let programs: Vec<_> = stems.iter().map(|stem| stem.0).collect();
    write_metadata(folder, &programs);
}

fn write_wav(path: &Path, rate: u32, samples: &[f32]) {
    let mut writer = WavWriter::create(path, rate, 1, SampleFormat::Pcm16).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

fn write_metadata(folder: &Path, programs: &[u16]) {
    let mut metadata = String::from("UUID: x\nstems:\n");
    for (i, program) in programs.iter().enumerate() {
        let drum = *program == 128;
        let stem = format!("  S{i:02}:\n    is_drum: {drum}\n    program_num: {program}");
        writeln!(metadata, "{stem}").unwrap();
    }
    fs::write(folder.join("metadata.yaml"), metadata).unwrap();
}

fn write_midi(folder: &Path, tempo: u32) {
    let event = |delta: u32, message| TrackEvent {
        delta: delta.into(),
        kind: TrackEventKind::Meta(message),
    };
    let mut smf = Smf::new(Header::new(Format::SingleTrack, Timing::Metrical(480.into())));
    let tempo = event(0, MetaMessage::Tempo(tempo.into()));
    smf.tracks.push(vec![tempo, event(960, MetaMessage::EndOfTrack)]);
    smf.save(folder.join("all_src.mid")).unwrap();
}

/// Five tracks in three splits: a complete one with two pianos and a guitar of another rate; one with a broken MIDI
/// file; one whose drums exceed full scale; two more.
fn make_corpus(root: &Path) -> Corpus {
    let stems: &[Stem] = &[
        (128, RATE, 20.0, 0.3),
        (33, RATE, 19.0, 0.3),
        (0, RATE, 20.0, 0.3),
        (5, RATE, 12.345, 0.3),
        (27, 2 * RATE, 20.0, 0.3),
        (50, RATE, 20.0, 0.3),
    ];
    make_track(&root.join("train/Track00001"), stems);
    write_midi(&root.join("train/Track00001"), 487_333);
    make_track(&root.join("train/Track00012"), &stems[..3]);
    fs::write(root.join("train/Track00012/all_src.mid"), "no MIDI").unwrap();
    make_track(
        &root.join("validation/Track00003"),
        &[
            (128, RATE, 15.0, 0.8),
            (128, RATE, 10.0, 0.8),
            (0, RATE, 9.0, 0.1),
        ],
    );
    make_track(&root.join("test/Track00004"), &stems[3..]);
    make_track(&root.join("test/Track00005"), &stems[1..]);
    Corpus::open(root).unwrap()
}

struct Case {
    folder: TempDir,
    corpus: Corpus,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus = make_corpus(&folder.path().join("corpus"));
        Case { folder, corpus }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    fn prepare(&self, skip_broken: bool) -> Result<Summary, CorpusError> {
        let stop = AtomicBool::new(false);
        let corpus = Corpus::open(self.path("corpus"))?;
        prepare(&corpus, &self.store(), &options(skip_broken), &stop, &|_| {})
    }

    fn prepared() -> Self {
        let case = Self::new();
        assert!(case.prepare(false).unwrap().hash.is_some());
        case
    }

    fn command(&self, out: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stemwise"));
        command.args(["corpus", "prepare", "--rate", "8000"]);
        command.arg(self.path("corpus")).arg("--out").arg(out);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn options(skip_broken: bool) -> PrepareOptions {
    PrepareOptions {
        rate: RATE,
        skip_broken,
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Names and contents of all files and folders below `root`.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_path_buf();
            if path.is_dir() {
                found.insert(name, Vec::new());
                folders.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (files(left), files(right));
    assert!(
        left.keys().eq(right.keys()),
        "{:?} {:?}",
        left.keys(),
        right.keys()
    );
    for (name, bytes) in &left {
        assert!(*bytes == right[name], "{}", name.display());
    }
}

/// Opens a store that cannot be, and returns why.
fn refusal(store: &Path) -> CorpusError {
    Store::open(store).err().unwrap()
}

#[test]
fn a_store_holds_the_rounded_submixes_and_where_they_are_quiet() {
    let case = Case::new();
    let planned = Mutex::new(None);
    let observe = |event| {
        if let Event::Planned(plan) = event {
            *planned.lock().unwrap() = Some(plan);
        }
    };
    let stop = AtomicBool::new(false);
    let summary = prepare(&case.corpus, &case.store(), &options(false), &stop, &observe).unwrap();
    assert_eq!((summary.written, summary.kept, summary.without_tempo), (5, 0, 4));
    assert!(summary.failures.is_empty() && !summary.interrupted);

    let store = Store::open(case.store()).unwrap();
    assert_eq!((store.rate(), store.tracks().len()), (RATE, 5));
    assert_eq!(Some(store.hash()), summary.hash.as_deref());
    assert_eq!(store.split(Split::Test).len(), 2);
    assert!(store.left_out().is_empty());
    store.verify(&|done, total| assert!(done <= total)).unwrap();
    let mut clipped = Vec::new();
    for (track, stored) in case.corpus.tracks().iter().zip(store.tracks()) {
        assert_eq!((track.split, track.id), (stored.split, stored.id));
        assert_eq!(stored.frames, track_frames(track, RATE).unwrap());
        for instrument in Instrument::ALL {
            let sum = load_instrument(track, instrument, 0, stored.frames as usize, RATE).unwrap();
            let wide: Vec<f32> = sum.iter().map(|x| (x * 32768.0).round()).collect();
            let ideal: Vec<i16> = wide.iter().map(|x| x.clamp(-32768.0, 32767.0) as i16).collect();
            let beyond = wide
                .iter()
                .zip(&ideal)
                .filter(|(x, y)| **x != f32::from(**y))
                .count() as u64;
            assert_eq!(stored.clipped(instrument), beyond);
            if beyond > 0 {
                clipped.push((track.id, instrument, beyond));
            }
            let plays = !track.instrument_stems(instrument).unwrap().is_empty();
            assert_eq!(stored.plays(instrument), plays);
            assert!(
                stored.samples(instrument) == plays.then_some(&ideal[..]),
                "{instrument}"
            );

            let end = stored.frames;
            for (start, len) in [(0, 0), (1234, 5000), (end - 7, 7), (end, 0)] {
                let wanted = plays.then(|| &ideal[start as usize..][..len]);
                assert!(stored.excerpt(instrument, start, len) == wanted, "{start} {len}");
            }
            for (start, len) in [(end - 7, 8), (end + 1, 0), (u64::MAX, 1), (1, usize::MAX)] {
                assert_eq!(stored.excerpt(instrument, start, len), None);
            }

            let rounded: Vec<f32> = ideal.iter().map(|&x| f32::from(x) / 32768.0).collect();
            assert_eq!(*stored.quiet(instrument), QuietStretches::find(&rounded, 1024));
            for len in [4096, 8000, 20_000, 70_000] {
                let found = SoundingStarts::of(stored.quiet(instrument), len).unwrap();
                assert_eq!(found, SoundingStarts::find(&rounded, len), "{instrument} {len}");
                assert!(found.count() > 0 || !plays || len > 8000, "{instrument} {len}");
            }
        }
    }
    let reported: Vec<_> = summary
        .clipped
        .iter()
        .map(|c| (c.id, c.instrument, c.samples))
        .collect();
    assert!(
        reported == clipped && reported.len() == 1 && reported[0].2 > 100,
        "{reported:?}"
    );
    let midi = case.path("corpus/train/Track00001/all_src.mid");
    assert_eq!(store.tracks()[0].tempo, Some(read_tempo(&midi).unwrap()));
    assert!(store.tracks()[1..].iter().all(|track| track.tempo.is_none()));

    let plan = planned.into_inner().unwrap().unwrap();
    assert_eq!((plan.tracks, plan.kept, plan.missing, plan.changed), (5, 0, 5, 0));
    let written: usize = files(&case.store()).values().map(Vec::len).sum();
    let error = (plan.needed as f64 - written as f64) / written as f64;
    assert!((0.0..0.01).contains(&error), "{} for {written}", plan.needed);
}

#[test]
fn a_killed_preparation_is_continued_to_the_same_bytes() {
    let case = Case::new();
    // Longer than the rest, and slower: their rates differ.
    for id in 20..28 {
        let stems: Vec<Stem> = [128, 33, 0, 27, 50].map(|p| (p, 44_100, 20.0, 0.2)).to_vec();
        make_track(&case.path(&format!("corpus/train/Track{id:05}")), &stems);
    }
    let whole = case.path("whole");
    let output = case.command(&whole).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(Store::open(&whole).unwrap().hash()));

    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut unfinished, mut strays) = (0, 0);
    for round in 0..3 {
        let store = case.path(&format!("killed{round}"));
        let mut tracks = [0; 3].map(|_| rng.random_range(0..10));
        tracks.sort_unstable();
        for wanted in tracks {
            // Somewhere after so many tracks.
            let mut child = case.command(&store).spawn().unwrap();
            while records(&store) < wanted && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(rng.random_range(0..40_000)));
            child.kill().unwrap();
            child.wait().unwrap();
            if store.join("store.json").exists() {
                assert_same(&store, &whole);
            } else if store.exists() {
                unfinished += 1;
                strays += files(&store).keys().filter(|name| is_partial(name)).count();
                let error = refusal(&store);
                assert!(matches!(error, CorpusError::Missing { .. }), "{error}");
                assert!(error.to_string().contains("corpus prepare"), "{error}");
            }
        }
        let output = case.command(&store).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert_same(&store, &whole);
    }
    assert!(
        unfinished >= 3 && strays > 0,
        "{unfinished} {strays}: the kills came too late to mean anything"
    );
}

/// How many tracks a store in the making has.
fn records(store: &Path) -> usize {
    let list = ["train", "validation", "test"].map(|split| fs::read_dir(store.join(split)));
    let names = list.into_iter().flatten().flatten().flatten();
    names
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "json"))
        .count()
}

fn is_partial(name: &Path) -> bool {
    name.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(".partial-"))
}

#[test]
fn a_stopped_preparation_keeps_what_it_has() {
    let case = Case::prepared();
    let other = case.path("stopped");
    let stop = AtomicBool::new(false);
    let observe = |event| {
        if matches!(event, Event::Prepared { .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let run = || pool.install(|| prepare(&case.corpus, &other, &options(false), &stop, &observe).unwrap());
    let summary = run();
    assert!(summary.interrupted && summary.hash.is_none());
    assert_eq!((summary.written, summary.kept), (1, 0));
    assert!(matches!(refusal(&other), CorpusError::Missing { .. }));
    let summary = run();
    assert!(summary.interrupted, "before anything was looked at");

    stop.store(false, Ordering::Relaxed);
    let summary = prepare(&case.corpus, &other, &options(false), &stop, &|_| {}).unwrap();
    assert_eq!((summary.written, summary.kept), (4, 1));
    assert_same(&other, &case.store());
}

#[test]
fn damage_is_found() {
    let case = Case::prepared();
    let store = case.store();
    let pcm = store.join("train/Track00012.pcm");
    let intact = fs::read(&pcm).unwrap();
    let hash = Store::open(&store).unwrap().hash().to_string();

    let mut damaged = intact.clone();
    damaged[12_345] ^= 1;
    fs::write(&pcm, &damaged).unwrap();
    let error = Store::open(&store)
        .unwrap()
        .verify(&|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Track00012.pcm") && !error.contains("Track00001"),
        "{error}"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_stemwise"))
        .args(["corpus", "verify"])
        .arg(&store)
        .output();
    let output = output.unwrap();
    assert!(output.status.code() == Some(1) && text(&output).contains("Track00012.pcm"));

    fs::write(&pcm, &intact[..intact.len() - 1]).unwrap();
    let error = refusal(&store);
    assert!(
        matches!(&error, CorpusError::Store { path, .. } if *path == pcm),
        "{error}"
    );
    fs::remove_file(&pcm).unwrap();
    assert!(matches!(refusal(&store), CorpusError::Missing { path, .. } if path == pcm));
    // Preparing again mends it.
    let summary = case.prepare(false).unwrap();
    assert_eq!(
        (summary.written, summary.kept, summary.hash),
        (1, 4, Some(hash.clone()))
    );
    assert!(fs::read(&pcm).unwrap() == intact);

    let record = store.join("train/Track00012.json");
    let text = fs::read_to_string(&record).unwrap();
    for (from, to) in [
        ("\"frames\":", "\"frames\":9"),
        ("\"frames\":", "\"frames\":-"),
        ("\"clipped\":0", "\"clipped\":1"),
        ("\"id\":12", "\"id\":13"),
        ("\"split\":\"train\"", "\"split\":\"../train\""),
        ("{", ""),
    ] {
        assert!(text.contains(from));
        fs::write(&record, text.replacen(from, to, 1)).unwrap();
        let error = refusal(&store);
        assert!(
            matches!(&error, CorpusError::Store { path, .. } if *path == record),
            "{from}: {error}"
        );
    }
    fs::write(&record, &text).unwrap();

    let manifest = store.join("store.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("\"id\": 12", "\"id\": 11"),
        ("8000", "8001"),
    ] {
        assert!(text.contains(from));
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        let error = refusal(&store);
        assert!(
            matches!(&error, CorpusError::Store { path, .. } if *path == manifest),
            "{from}: {error}"
        );
    }
    assert_eq!(case.prepare(false).unwrap().hash, Some(hash));
    assert!(Store::open(&store).is_ok());
}

#[test]
fn a_changed_corpus_is_noticed() {
    let case = Case::prepared();
    let dates = || {
        let date = |name: &PathBuf| fs::metadata(case.store().join(name)).unwrap().modified().unwrap();
        files(&case.store()).keys().map(date).collect::<Vec<_>>()
    };
    let (before, hash) = (dates(), case.prepare(false).unwrap().hash);
    assert!(hash.is_some());
    assert_eq!(before, dates(), "nothing to do");

    // One sample in the middle, one tempo; a track that goes and one that comes.
    let stem = case.path("corpus/test/Track00004/stems/S01.wav");
    let mut bytes = fs::read(&stem).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&stem, bytes).unwrap();
    write_midi(&case.path("corpus/train/Track00012"), 500_000);
    let track = |name: &str| case.path("corpus").join(name);
    fs::rename(track("validation/Track00003"), track("test/Track00003")).unwrap();
    // A reader of the old store is not disturbed.
    let old = Store::open(case.store()).unwrap();
    let summary = case.prepare(false).unwrap();
    assert_eq!((summary.written, summary.kept, summary.removed), (3, 2, 1));
    assert!(summary.hash != hash);
    old.verify(&|_, _| {}).unwrap();
    let store = Store::open(case.store()).unwrap();
    assert_eq!(store.tracks()[1].tempo, Some(120.0));
    let anew = case.path("anew");
    let corpus = Corpus::open(case.path("corpus")).unwrap();
    prepare(&corpus, &anew, &options(false), &AtomicBool::new(false), &|_| {}).unwrap();
    assert_same(&case.store(), &anew);
}

#[test]
fn the_hash_is_of_the_audio_not_of_its_files() {
    let case = Case::new();
    let mut hashes = Vec::new();
    for kind in ["wav", "flac"] {
        let track = case.path(kind).join("Track00001");
        fs::create_dir_all(track.join("stems")).unwrap();
        write_metadata(&track, &[0]);
        fs::copy(
            format!("{FIXTURES}/s16.{kind}"),
            track.join(format!("stems/S00.{kind}")),
        )
        .unwrap();
        let corpus = Corpus::open(case.path(kind)).unwrap();
        let run = || {
            prepare(
                &corpus,
                &case.store(),
                &options(false),
                &AtomicBool::new(false),
                &|_| {},
            )
            .unwrap()
        };
        let summary = run();
        assert_eq!(summary.written, 1, "{kind}: other files, so it is decoded again");
        assert_eq!(run().kept, 1, "{kind}");
        hashes.push(summary.hash.unwrap());
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn broken_tracks_do_not_stop_the_others() {
    let case = Case::new();
    let stem = case.path("corpus/train/Track00012/stems/S02.wav");
    let intact = fs::read(&stem).unwrap();
    fs::write(&stem, &intact[..intact.len() / 2]).unwrap();
    fs::remove_dir_all(case.path("corpus/test/Track00005/stems")).unwrap();

    let output = case.command(&case.store()).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("Track00012/stems/S02.wav") && said.contains("Track00005"),
        "{said}"
    );
    assert!(
        said.contains("2 of 5 tracks") && said.contains("--skip-broken"),
        "{said}"
    );
    refusal(&case.store());

    let output = case.command(&case.store()).arg("--skip-broken").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let store = Store::open(case.store()).unwrap();
    assert_eq!(store.tracks().iter().map(|t| t.id).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(store.left_out(), [(Split::Train, 12), (Split::Test, 5)]);
    let failures = case.prepare(true).unwrap().failures;
    assert!(matches!(
        failures[0].error,
        CorpusError::Audio(AudioError::Truncated { .. })
    ));
    let other = case.path("other");
    let output = case.command(&other).arg("--skip-broken").output().unwrap();
    assert!(output.status.success());
    assert_same(&case.store(), &other);

    fs::write(&stem, &intact).unwrap();
    let summary = case.prepare(true).unwrap();
    assert_eq!((summary.written, summary.kept, summary.failures.len()), (1, 3, 1));

    for track in case.corpus.tracks() {
        fs::remove_file(track.path.join("metadata.yaml")).unwrap();
    }
    let error = case.prepare(true).unwrap_err().to_string();
    assert!(error.contains("metadata.yaml"), "{error}");
}

#[test]
fn a_store_of_a_track_that_became_unreadable_is_not_finished() {
    let case = Case::prepared();
    let hash = Store::open(case.store()).unwrap().hash().to_string();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for name in ["metadata.yaml", "stems/S01.wav"] {
        let path = case.path("corpus/train/Track00012").join(name);
        let intact = fs::read(&path).unwrap();
        fs::write(&path, half(&intact)).unwrap();
        let summary = case.prepare(false).unwrap();
        assert_eq!(
            (summary.written, summary.kept, summary.hash),
            (0, 4, None),
            "{name}"
        );
        assert_eq!(summary.failures.len(), 1);
        assert!(
            matches!(refusal(&case.store()), CorpusError::Missing { .. }),
            "{name}"
        );
        let output = case.command(&case.store()).output().unwrap();
        assert!(text(&output).contains("is not finished"), "{}", text(&output));

        fs::write(&path, &intact).unwrap();
        let summary = case.prepare(false).unwrap();
        assert_eq!(
            (summary.written, summary.kept),
            (0, 5),
            "{name}: nothing was lost"
        );
        assert_eq!(summary.hash.as_deref(), Some(&*hash));
    }
}

#[test]
fn a_disk_that_is_too_small_is_refused_beforehand() {
    let case = Case::new();
    let free = Mutex::new(0);
    let observe = |event| {
        if let Event::Planned(plan) = event {
            *free.lock().unwrap() = plan.free;
        }
    };
    let never = AtomicBool::new(false);
    prepare(&case.corpus, &case.store(), &options(false), &never, &observe).unwrap();
    let free = free.into_inner().unwrap();
    assert!(free > 0);

    // FLAC files that promise an hour and a half each: as many as exceed this disk.
    const FRAMES: u64 = 240_000_000;
    let flac = headers::flac_promising(FRAMES);
    let first = case.path("huge/Track00001");
    fs::create_dir_all(first.join("stems")).unwrap();
    let programs = [128, 33, 0, 27, 50];
    write_metadata(&first, &programs);
    for i in 0..programs.len() {
        fs::write(first.join(format!("stems/S{i:02}.flac")), &flac).unwrap();
    }
    for id in 2..=free / (5 * 2 * FRAMES) + 2 {
        let track = case.path(&format!("huge/Track{id:05}"));
        fs::create_dir_all(track.join("stems")).unwrap();
        fs::hard_link(first.join("metadata.yaml"), track.join("metadata.yaml")).unwrap();
        for i in 0..programs.len() {
            let stem = format!("stems/S{i:02}.flac");
            fs::hard_link(first.join(&stem), track.join(&stem)).unwrap();
        }
    }
    let (corpus, out) = (Corpus::open(case.path("huge")).unwrap(), case.path("none"));
    let into = |rate| {
        let options = PrepareOptions {
            rate,
            skip_broken: false,
        };
        prepare(&corpus, &out, &options, &never, &|_| {})
    };
    let error = into(44_100).unwrap_err().to_string();
    assert!(
        error.contains("GiB are free") && error.contains(out.to_str().unwrap()),
        "{error}"
    );
    let names: Vec<_> = files(&out).into_keys().collect();
    assert_eq!(names, [Path::new("store.lock")]);

    // A header that promises more than a song can have is that of a broken file.
    let summary = into(88_200).unwrap();
    assert_eq!(summary.failures.len(), corpus.tracks().len());
    assert!(
        summary.failures[0]
            .error
            .to_string()
            .contains("480000000 samples")
    );
}

#[test]
fn places_that_are_no_place_for_a_store() {
    let case = Case::prepared();
    let lock = File::open(case.store().join("store.lock")).unwrap();
    lock.try_lock().unwrap();
    let error = case.prepare(false).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(lock);
    assert_eq!(case.prepare(false).unwrap().kept, 5);

    let stop = AtomicBool::new(false);
    let other = PrepareOptions {
        rate: 16_000,
        ..options(false)
    };
    let error = prepare(&case.corpus, &case.store(), &other, &stop, &|_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("8000 Hz"), "{error}");
    assert!(Store::open(case.store()).is_ok());

    let into = |out: &Path| prepare(&case.corpus, out, &options(false), &stop, &|_| {}).unwrap_err();
    let error = into(&case.path("corpus")).to_string();
    assert!(error.contains("not empty"), "{error}");
    let file = case.path("corpus/train/Track00001/all_src.mid");
    assert!(matches!(into(&file), CorpusError::Io { path, .. } if path == file));
    assert!(matches!(
        refusal(&case.path("nowhere")),
        CorpusError::Missing { .. }
    ));
    let output = case.command(&file).output().unwrap();
    assert!(output.status.code() == Some(1) && text(&output).contains("all_src.mid"));
}
