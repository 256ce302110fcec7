//! Excerpts of small corpora of known content, from the folder and from a store.

#[path = "common/headers.rs"]
mod headers;

use std::{
    f64::consts::TAU,
    fmt::Write as _,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use stemwise::{
    audio::{SampleFormat, WavWriter},
    corpus::{
        Corpus, CorpusError, Excerpt, Instrument, PieceOptions, Pieces, Sampler, SamplerOptions, Sampling,
        Source, Split, is_silent, load_all, load_instrument,
        store::{PrepareOptions, prepare},
        track_frames,
    },
};

const RATE: u32 = 8_000;
const LEN: usize = 8_000;

/// `(program, rate, seconds, amplitude by second)` of each stem.
type Stem<'a> = (u16, u32, &'a [f64]);

/// Writes a track of tones; the amplitude is given second by second.
fn make_track(folder: &Path, stems: &[Stem]) {
    fs::create_dir_all(folder.join("stems")).unwrap();
    let mut metadata = String::from("UUID: x\nstems:\n");
    for (i, &(program, rate, amplitudes)) in stems.iter().enumerate() {
        let drum = program == 128;
        writeln!(
            metadata,
            "  S{i:02}:\n    is_drum: {drum}\n    program_num: {program}"
        )
        .unwrap();
        let path = folder.join(format!("stems/S{i:02}.wav"));
        let mut writer = WavWriter::create(&path, rate, 1, SampleFormat::Pcm16).unwrap();
        for (second, amplitude) in amplitudes.iter().enumerate() {
            let at =
                |n: u32| TAU * (200.0 + 90.0 * i as f64) * (second as f64 + f64::from(n) / f64::from(rate));
            let part: Vec<f32> = (0..rate).map(|n| (amplitude * at(n).sin()) as f32).collect();
            writer.write(&part).unwrap();
        }
        writer.finish().unwrap();
    }
    fs::write(folder.join("metadata.yaml"), metadata).unwrap();
}

/// Four tracks: one complete (with two pianos and one stem of another rate), one whose drums rest in the middle,
/// one without drums, one shorter than a segment.
fn make_corpus(root: &Path) -> Corpus {
    let on = [0.2; 5];
    let stems: &[Stem] = &[
        (128, RATE, &on),
        (33, RATE, &on),
        (0, RATE, &on),
        (5, RATE, &on[..4]),
        (27, 2 * RATE, &on),
        (50, RATE, &on),
    ];
    make_track(&root.join("Track00001"), stems);
    make_track(
        &root.join("Track00002"),
        &[(128, RATE, &[0.3, 0.3, 0.0, 0.0, 0.3, 0.3]), (0, RATE, &on)],
    );
    make_track(
        &root.join("Track00003"),
        &[(0, RATE, &on), (128, RATE, &[0.0; 5])],
    );
    make_track(&root.join("Track00004"), &[(128, 10 * RATE, &[])]);
    let mut short = WavWriter::create(
        &root.join("Track00004/stems/S00.wav"),
        RATE,
        1,
        SampleFormat::Pcm16,
    )
    .unwrap();
    short.write(&[0.5; RATE as usize / 10]).unwrap();
    short.finish().unwrap();
    Corpus::open(root).unwrap()
}

fn options(memory: u64) -> PieceOptions {
    PieceOptions {
        segment_len: LEN,
        rate: RATE,
        memory,
    }
}

fn open(source: &Source, memory: u64) -> Pieces {
    let classes = source.tempo_classes().unwrap();
    let pieces = source.pieces(Split::Unsplit, &options(memory), &classes, &|_, _| ());
    pieces.unwrap()
}

fn read(pieces: &Pieces, piece: u32, instrument: Instrument, start: u64) -> Vec<i16> {
    // what is there before must not be there after
    let mut samples = vec![123; LEN];
    let excerpt = Excerpt {
        piece,
        instrument,
        start,
    };
    pieces.read(excerpt, &mut samples).unwrap();
    samples
}

/// Places in all pieces and instruments, some of them beyond the end.
fn everywhere() -> impl Iterator<Item = (u32, Instrument, u64)> {
    let starts = [0, 1, 7_777, 2 * LEN as u64 + 3, 4 * LEN as u64 + 500, 1 << 40];
    let pieces = (0..4).flat_map(|piece| Instrument::ALL.map(|instrument| (piece, instrument)));
    pieces.flat_map(move |(piece, instrument)| starts.map(|start| (piece, instrument, start)))
}

#[test]
fn instruments_are_sums_of_their_stems() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let track = &corpus.tracks()[0];
    assert_eq!(track_frames(track, RATE).unwrap(), 5 * u64::from(RATE));
    let (start, len) = (3 * u64::from(RATE) + 7000, 2000);
    let all = load_all(track, start, len, RATE).unwrap();
    for (samples, instrument) in all.iter().zip(Instrument::ALL) {
        assert!(*samples == load_instrument(track, instrument, start, len, RATE).unwrap());
    }
    let tone = |i: usize, n: usize| {
        let seconds = (start as usize + n) as f64 / f64::from(RATE);
        (0.2 * (TAU * (200.0 + 90.0 * i as f64) * seconds).sin()) as f32
    };
    let near = |samples: &[f32], tone: &dyn Fn(usize) -> f32| {
        samples
            .iter()
            .enumerate()
            .all(|(n, x)| (x - tone(n)).abs() < 2e-4)
    };
    assert!(near(&all[0], &|n| tone(0, n)));
    // The second piano ends after four seconds.
    assert!(near(&all[2], &|n| tone(2, n) + if n < 1000 { tone(3, n) } else { 0.0 }));
    assert!(near(&all[3], &|n| tone(4, n)), "resampled");
    let absent = load_instrument(&corpus.tracks()[1], Instrument::Guitar, 0, 100, RATE).unwrap();
    assert_eq!(absent, [0.0; 100]);
    let beyond = load_instrument(track, Instrument::Drums, u64::MAX - 5, 100, RATE).unwrap();
    assert_eq!(beyond, [0.0; 100]);
}

#[test]
fn excerpts_are_the_stems_in_16_bits() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let pieces = open(&Source::open(root.path()).unwrap(), u64::MAX);
    assert_eq!(pieces.resident(), 4);
    for (piece, instrument, start) in everywhere() {
        let track = &corpus.tracks()[piece as usize];
        let want = load_instrument(track, instrument, start, LEN, RATE).unwrap();
        let got = read(&pieces, piece, instrument, start);
        for (got, want) in got.iter().zip(&want) {
            // only the resampled stem is not on the 16-bit grid
            assert!(
                (f32::from(*got) / 32768.0 - want).abs() <= 0.5 / 32768.0,
                "{piece} {instrument} {start}"
            );
        }
    }
    let nowhere = Excerpt {
        piece: 4,
        instrument: Instrument::Drums,
        start: 0,
    };
    assert!(matches!(
        pieces.read(nowhere, &mut [0; 3]),
        Err(CorpusError::Invalid { .. })
    ));
}

#[test]
fn memory_and_store_make_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let (root, stored) = (folder.path().join("corpus"), folder.path().join("store"));
    fs::create_dir(&root).unwrap();
    let corpus = make_corpus(&root);
    let prepared = PrepareOptions {
        rate: RATE,
        skip_broken: false,
    };
    prepare(&corpus, &stored, &prepared, &AtomicBool::new(false), &|_| {}).unwrap();

    let (raw, store) = (Source::open(&root).unwrap(), Source::open(&stored).unwrap());
    assert!(raw.hash().is_none() && store.hash().is_some());
    let whole = open(&raw, u64::MAX);
    let some = open(&raw, 2 * 6 * u64::from(RATE) * 2);
    let none = open(&raw, 0);
    let store = open(&store, 0);
    let resident = [&whole, &some, &none, &store].map(Pieces::resident);
    assert_eq!(resident, [4, 1, 0, 4]);
    for (piece, instrument, start) in everywhere() {
        let want = read(&whole, piece, instrument, start);
        for other in [&some, &none, &store] {
            assert!(
                read(other, piece, instrument, start) == want,
                "{piece} {instrument} {start}"
            );
        }
    }
    for other in [&some, &none, &store] {
        let catalogues = whole.catalogue().pieces().iter().zip(other.catalogue().pieces());
        for (a, b) in catalogues {
            assert_eq!(
                (a.id, a.frames, a.tempo, &a.sounding),
                (b.id, b.frames, b.tempo, &b.sounding)
            );
        }
    }
    let usable = |i| whole.catalogue().usable(i).to_vec();
    assert_eq!(
        usable(Instrument::Drums),
        [0, 1],
        "a rest, silence, and a short piece"
    );
    assert_eq!(usable(Instrument::Bass), [0]);
}

#[test]
fn drawn_segments_sound() {
    let root = tempfile::tempdir().unwrap();
    make_corpus(root.path());
    let pieces = open(&Source::open(root.path()).unwrap(), u64::MAX);
    let options = SamplerOptions {
        seed: 1,
        batch: 8,
        sampling: Sampling::Fresh,
    };
    let sampler = Sampler::new(pieces.catalogue().clone(), options).unwrap();
    for index in 0..200 {
        let Excerpt {
            piece,
            instrument,
            start,
        } = sampler.segment(Instrument::Drums, index / 8, index % 8).unwrap();
        let samples = read(&pieces, piece, instrument, start);
        let samples: Vec<f32> = samples.iter().map(|&x| f32::from(x) / 32768.0).collect();
        assert!(!is_silent(&samples), "{index}");
    }
}

#[test]
fn sums_beyond_full_scale_are_cut_to_it() {
    let root = tempfile::tempdir().unwrap();
    let stems: &[Stem] = &[(128, RATE, &[0.9; 3]), (128, RATE, &[0.9; 3])];
    make_track(&root.path().join("Track00001"), stems);
    let pieces = open(&Source::open(root.path()).unwrap(), u64::MAX);
    let samples = read(&pieces, 0, Instrument::Drums, 0);
    assert!(samples.contains(&i16::MAX) && samples.contains(&i16::MIN));
}

#[test]
fn progress_counts_every_track_once() {
    let root = tempfile::tempdir().unwrap();
    make_corpus(root.path());
    let source = Source::open(root.path()).unwrap();
    let (calls, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = |done, total| {
        assert_eq!(total, 4);
        calls.fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(done, Ordering::Relaxed);
    };
    let classes = source.tempo_classes().unwrap();
    source
        .pieces(Split::Unsplit, &options(0), &classes, &progress)
        .unwrap();
    assert_eq!((calls.into_inner(), sum.into_inner()), (4, 10));
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (root, stored) = (folder.path().join("corpus"), folder.path().join("store"));
    fs::create_dir(&root).unwrap();
    let corpus = make_corpus(&root);
    let prepared = PrepareOptions {
        rate: RATE,
        skip_broken: false,
    };
    prepare(&corpus, &stored, &prepared, &AtomicBool::new(false), &|_| {}).unwrap();
    let refused = |path: &Path, split, options: PieceOptions| {
        let source = Source::open(path).unwrap();
        let classes = source.tempo_classes().unwrap();
        let refused = source.pieces(split, &options, &classes, &|_, _| ());
        refused.err().unwrap().to_string()
    };
    for path in [&root, &stored] {
        let error = refused(path, Split::Train, options(0));
        assert!(error.contains("no tracks in 'train'"), "{error}");
        let error = refused(
            path,
            Split::Unsplit,
            PieceOptions {
                segment_len: 0,
                ..options(0)
            },
        );
        assert!(error.contains("sample"), "{error}");
    }
    let error = refused(
        &stored,
        Split::Unsplit,
        PieceOptions {
            rate: 44_100,
            ..options(0)
        },
    );
    assert!(
        error.contains("8000 Hz") && error.contains("--rate 44100"),
        "{error}"
    );
    let error = refused(
        &stored,
        Split::Unsplit,
        PieceOptions {
            segment_len: 4000,
            ..options(0)
        },
    );
    assert!(error.contains("use 4096 or more"), "{error}");

    let stem = root.join("Track00002/stems/S00.wav");
    let bytes = fs::read(&stem).unwrap();
    fs::write(&stem, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused(&root, Split::Unsplit, options(0));
    assert!(error.contains("Track00002"), "{error}");
}

#[test]
fn a_header_that_promises_more_than_a_song_is_refused() {
    let lies = [
        ("flac", headers::flac_promising((1 << 36) - 1)),
        ("wav", headers::wav_promising(1_900_000_000)),
    ];
    for (kind, bytes) in lies {
        let root = tempfile::tempdir().unwrap();
        make_corpus(root.path());
        let stem = root.path().join("Track00002/stems/S00.wav");
        fs::remove_file(&stem).unwrap();
        fs::write(stem.with_extension(kind), bytes).unwrap();
        let source = Source::open(root.path()).unwrap();
        let classes = source.tempo_classes().unwrap();
        for memory in [0, u64::MAX] {
            let pieces = source.pieces(Split::Unsplit, &options(memory), &classes, &|_, _| ());
            let error = pieces.err().unwrap().to_string();
            assert!(
                error.contains("S00") && error.contains("more than"),
                "{kind}: {error}"
            );
        }
        let corpus = Corpus::open(root.path()).unwrap();
        let error = track_frames(&corpus.tracks()[1], RATE).unwrap_err();
        assert!(matches!(error, CorpusError::Invalid { .. }), "{kind}: {error}");
    }
}

#[test]
fn pieces_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Pieces>();
}

/// What `corpus select` drops goes into the list that everything honours: those whose drums sound the shortest, then what is
/// beyond the first pieces.
#[test]
fn a_selection_is_a_list_of_what_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // the drums of piece i sound for i of 8 seconds, but for the last piece's
    for i in 1..=5usize {
        let mut drums = [0.0; 8];
        drums[..i % 5 + 1].fill(0.2);
        let track = root.join(format!("test/Track{i:05}"));
        make_track(&track, &[(128, RATE, &drums), (33, RATE, &[0.2; 8])]);
    }
    let select = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stemwise"));
        command.args(["corpus", "select", root.to_str().unwrap(), "--split", "test"]);
        command.args(more).output().unwrap()
    };
    let tracks = || -> Vec<u32> {
        let corpus = Corpus::open(root).unwrap();
        corpus.split(Split::Test).iter().map(|track| track.id).collect()
    };
    let said = select(&["--drop", "0.4"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.status.success() && text.contains("3 of 5 pieces in 'test' are kept"),
        "{text}"
    );
    let list = fs::read_to_string(root.join("exclude.txt")).unwrap();
    assert!(
        list.contains("test/Track00005  # drums sounds for") && list.contains("test/Track00001  # drums"),
        "{list}"
    );
    assert_eq!(tracks(), [2, 3, 4]);
    assert!(select(&["--most", "2"]).status.success());
    assert_eq!(tracks(), [2, 3]);
    let list = fs::read_to_string(root.join("exclude.txt")).unwrap();
    assert!(
        list.contains("test/Track00004  # beyond the first 2 pieces"),
        "{list}"
    );
    for wrong in [&["--drop", "1.5"][..], &["--most", "0"], &[]] {
        assert_eq!(select(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
