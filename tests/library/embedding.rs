//! Every file described once, whatever happens.

use super::*;

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
                one.clone(),
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
    for says in ["is no audio file", "which failed"] {
        assert_eq!(
            texts.iter().filter(|reason| reason.contains(says)).count(),
            1,
            "{texts:?}"
        );
    }

    // silence has an entry, and neighbours nowhere
    let held = rows(&library);
    assert!(held[Path::new("silent.wav")].1.is_none());
    let found = command(["search", "--library"])
        .arg(&library)
        .arg("00.wav")
        .output()
        .unwrap();
    let found = done(&found);
    assert!(
        found.contains("01.wav") && !found.contains("silent") && !found.contains("00.wav"),
        "{found}"
    );
    let silent = command(["search", "--library"])
        .arg(&library)
        .arg(root.join("silent.wav"))
        .output()
        .unwrap();
    refused(&silent, 1, &["silent.wav", "it is silent"]);
    let other = folder.path().join("other.wav");
    wav(&other, RATE, &[0.0; 1000]);
    refused(
        &command(["search", "--device", "cpu", "--library"])
            .arg(&library)
            .arg(&other)
            .output()
            .unwrap(),
        1,
        &["silent"],
    );
    refused(
        &command(["search", "--library"])
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

/// Silence has no row; the others stand in the order of their paths, as NumPy's format 1.0 says.
#[test]
fn vectors_are_exported_as_numpy_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let music = music(folder.path(), 3);
    wav(&music.join("a silence.wav"), 44_100, &[0.0; 60_000]);
    let (run, library, out) = (
        model(folder.path(), 1),
        folder.path().join("library"),
        folder.path().join("vectors"),
    );
    let mut command = embed_command(&music, &run, &library);
    let output = command.arg("--export").arg(&out).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let library = Library::open(&library).unwrap();
    let rows: Vec<_> = library
        .entries()
        .iter()
        .filter_map(|entry| Some((entry, library.row(entry)?)))
        .collect();
    assert_eq!((rows.len(), library.entries().len()), (3, 4));
    let mut from = 0;
    for subspace in &library.header().subspaces {
        let bytes = fs::read(out.join(format!("{}.npy", subspace.instrument))).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\0");
        let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let (header, values) = bytes.split_at(length);
        assert_eq!((length % 64, header.last()), (0, Some(&b'\n')));
        let shape = format!("'shape': (3, {},)", subspace.dimensions);
        assert!(String::from_utf8_lossy(header).contains(&shape));
        let to = from + subspace.dimensions;
        let wanted = rows.iter().flat_map(|(_, row)| &row[from..to]);
        let wanted: Vec<u8> = wanted.flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(values, wanted);
        from = to;
    }
    let table = fs::read_to_string(out.join("files.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("path,seconds,drums sounds,"));
    for (line, (entry, _)) in lines[1..].iter().zip(&rows) {
        let wanted = format!("{},{},,,,,", entry.file.path.display(), entry.seconds);
        assert_eq!(*line, wanted, "this model does not say what sounds");
    }
}
