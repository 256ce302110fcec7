//! What goes wrong with stores, corpora and disks.

use super::*;

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
    assert!(matches!(into(&file), CorpusError::Io(error) if error.path == file));
    assert!(matches!(
        refusal(&case.path("nowhere")),
        CorpusError::Missing { .. }
    ));
    let output = case.command(&file).output().unwrap();
    assert!(output.status.code() == Some(1) && text(&output).contains("all_src.mid"));
}
