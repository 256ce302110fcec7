//! Libraries as files: of unlike models, damaged, and large.

use super::*;

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
        let mut command = command(["search", "--device", "cpu", "--library"]);
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
        &command(["search", "--library"])
            .arg(&root)
            .arg("00.wav")
            .output()
            .unwrap(),
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
        changed: Some(5),
        inode: Some(6),
    };
    let content = |n: usize| Content {
        hash: n.to_string(),
        seconds: 1.0,
        channel: None,
        presence: None,
        tags: None,
    };
    let row = |n: usize| vec![n as f32; 10];
    let mut writer = Writer::open(&root, &header).unwrap();
    assert!(matches!(
        Writer::open(&root, &header),
        Err(LibraryError::Locked { .. })
    ));
    for n in [2, 1] {
        writer.add(file(n), content(n), Some(&row(n))).unwrap();
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
    writer.add(file(0), content(0), Some(&row(0))).unwrap();
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
