//! Segments drawn from small corpora of known content.

use std::{
    f64::consts::TAU,
    fmt::Write as _,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use stemwise::{
    audio::{AudioError, SampleFormat, WavWriter},
    corpus::{
        Corpus, CorpusError, Instrument, Place, SegmentOptions, SegmentSource, is_silent, load_all,
        load_instrument, track_frames,
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

fn source(corpus: &Corpus, memory: u64) -> SegmentSource {
    let options = SegmentOptions {
        targets: vec![Instrument::Drums],
        len: LEN,
        rate: RATE,
        memory,
    };
    SegmentSource::new(corpus.tracks(), options, &|_, _| ()).unwrap()
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
fn draws_sound_and_are_a_function_of_their_arguments() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let source = source(&corpus, u64::MAX);
    assert_eq!(source.usable(Instrument::Drums), [0, 1]);
    assert_eq!((source.left_out(Instrument::Drums), source.resident()), (2, 4));
    let mut tracks = [0; 3];
    for index in 0..200 {
        let segment = source.draw(Instrument::Drums, 1, 2, index).unwrap();
        assert_eq!((segment.mix.len(), segment.target.len()), (LEN, LEN));
        assert!(!is_silent(&segment.target), "{index}");
        tracks[segment.track as usize] += 1;
        assert_eq!(segment, source.draw(Instrument::Drums, 1, 2, index).unwrap());
        if segment.track == 1 {
            let all = load_all(&corpus.tracks()[0], segment.start, LEN, RATE).unwrap();
            let mix = (0..LEN).map(|n| all.iter().map(|samples| samples[n]).sum::<f32>());
            // Only the resampled stem is not on the 16-bit grid.
            assert!(mix.zip(&segment.mix).all(|(a, b)| (a - b).abs() < 1.0 / 32768.0));
            assert_eq!(all[0], segment.target);
        }
    }
    assert!(tracks[1] > 60 && tracks[2] > 60, "{tracks:?}");
    let place = |seed, step, index| source.draw_place(Instrument::Drums, seed, step, index).unwrap();
    let others = [place(2, 2, 0), place(1, 3, 0), place(1, 2, 1), place(0, 0, 0)];
    assert!(others.iter().all(|&other| other != place(1, 2, 0)));
    assert!(source.draw(Instrument::Bass, 1, 2, 3).is_err(), "not a target");
}

#[test]
fn memory_makes_no_difference() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let whole = source(&corpus, u64::MAX);
    let some = source(&corpus, 2 * 6 * u64::from(RATE) * 2);
    let none = source(&corpus, 0);
    assert_eq!((whole.resident(), some.resident(), none.resident()), (4, 1, 0));
    for index in 0..40 {
        let segment = whole.draw(Instrument::Drums, 7, 0, index).unwrap();
        assert!(
            segment == some.draw(Instrument::Drums, 7, 0, index).unwrap(),
            "{index}"
        );
        assert!(
            segment == none.draw(Instrument::Drums, 7, 0, index).unwrap(),
            "{index}"
        );
    }
}

#[test]
fn stems_beyond_full_scale_are_not_clipped() {
    let root = tempfile::tempdir().unwrap();
    make_track(
        &root.path().join("Track00001"),
        &[(128, RATE, &[0.9; 3]), (128, RATE, &[0.9; 3])],
    );
    let corpus = Corpus::open(root.path()).unwrap();
    let segment = source(&corpus, u64::MAX)
        .draw(Instrument::Drums, 0, 0, 0)
        .unwrap();
    assert!(segment.target.iter().any(|x| x.abs() > 1.5));
    assert!(
        segment.target
            == load_instrument(&corpus.tracks()[0], Instrument::Drums, segment.start, LEN, RATE).unwrap()
    );
}

#[test]
fn validation_segments_are_spread_over_all_tracks() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let source = source(&corpus, 0);
    let places = source.validation_segments(Instrument::Drums, 20).unwrap();
    assert_eq!(places.len(), 20);
    assert_eq!(places, source.validation_segments(Instrument::Drums, 20).unwrap());
    for pair in places.windows(2) {
        assert!((pair[0].track, pair[0].start) < (pair[1].track, pair[1].start));
    }
    assert!(places.iter().any(|p| p.track == 0) && places.iter().any(|p| p.track == 1));
    for &place in &places {
        assert!(!is_silent(
            &source.segment(Instrument::Drums, place).unwrap().target
        ));
    }
    assert!(
        source
            .validation_segments(Instrument::Drums, 0)
            .unwrap()
            .is_empty()
    );
    let all = source
        .validation_segments(Instrument::Drums, usize::MAX >> 1)
        .unwrap();
    assert!(all.len() > 20_000 && all[0] == Place { track: 0, start: 0 });
    assert!(
        source
            .submix(Instrument::Drums, Place { track: 9, start: 0 })
            .is_err()
    );
}

#[test]
fn progress_counts_every_track_once() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let (calls, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let options = SegmentOptions {
        targets: vec![Instrument::Piano],
        len: LEN,
        rate: RATE,
        memory: 0,
    };
    let progress = |done, total| {
        assert_eq!(total, 4);
        calls.fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(done, Ordering::Relaxed);
    };
    SegmentSource::new(corpus.tracks(), options, &progress).unwrap();
    assert_eq!((calls.into_inner(), sum.into_inner()), (4, 10));
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    let root = tempfile::tempdir().unwrap();
    let corpus = make_corpus(root.path());
    let make = |targets: &[Instrument], len| {
        let options = SegmentOptions {
            targets: targets.to_vec(),
            len,
            rate: RATE,
            memory: 0,
        };
        SegmentSource::new(corpus.tracks(), options, &|_, _| ())
            .err()
            .unwrap()
    };
    assert!(matches!(make(&[], LEN), CorpusError::Invalid { .. }));
    assert!(matches!(
        make(&[Instrument::Drums], 0),
        CorpusError::Invalid { .. }
    ));
    let error = make(&[Instrument::Drums], 1_000_000);
    assert!(
        error.to_string().contains("drums sounds: use shorter segments"),
        "{error}"
    );

    let stem = root.path().join("Track00002/stems/S00.wav");
    let bytes = fs::read(&stem).unwrap();
    fs::write(&stem, &bytes[..bytes.len() / 2]).unwrap();
    let error = make(&[Instrument::Drums], LEN);
    assert!(
        matches!(error, CorpusError::Audio(AudioError::Truncated { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("Track00002"), "{error}");
}

#[test]
fn a_source_is_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<SegmentSource>();
}
