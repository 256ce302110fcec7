//! What a store holds, however often it was begun.

use super::*;

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
    assert_eq!((summary.written, summary.kept), (5, 0));
    assert_eq!((summary.heard_tempo, summary.without_tempo), (4, 0));
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
    // those without MIDI files are heard
    assert!(store.tracks()[1..].iter().all(|track| track.tempo.is_some()));

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
