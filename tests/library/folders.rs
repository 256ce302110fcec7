//! Folders as people have them.

use super::*;

/// The lines of `errors.jsonl`: names of files and reasons.
fn noted(library: &Path) -> BTreeMap<String, String> {
    let errors = fs::read_to_string(library.join("errors.jsonl")).unwrap();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = Path::new(line["path"].as_str().unwrap()).file_name().unwrap();
        (
            name.to_string_lossy().into_owned(),
            line["reason"].as_str().unwrap().to_string(),
        )
    };
    errors.lines().map(line).collect()
}

#[test]
fn formats_that_are_not_read_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 1);
    for name in [
        "a.mpc",
        "b.wv",
        "c.wma",
        "d.APE",
        "e.mp4",
        "below/f.mpc",
        "cover.jpg",
        "notes.txt",
    ] {
        fs::write(root.join(name), "x").unwrap();
    }
    let run = model(folder.path(), 1);
    let library = folder.path().join("library");
    let output = embed_command(&root, &run, &library).output().unwrap();
    let said = done(&output);
    assert!(
        said.contains("1 described") && said.contains("errors.jsonl"),
        "{said}"
    );
    let line = "passed over, as they are not read: 1 .ape, 1 .mp4, 2 .mpc, 1 .wma, 1 .wv\n";
    assert!(text(&output.stderr).contains(line), "{}", text(&output.stderr));
    let noted = noted(&library);
    assert_eq!(noted.len(), 6, "{noted:?}");
    assert!(noted["f.mpc"].contains(".mpc is not read"), "{noted:?}");

    // they are none of the music that a folder has
    fs::remove_file(root.join("00.wav")).unwrap();
    let output = embed_command(&root, &run, &library).output().unwrap();
    refused(&output, 1, &["no music that can be read", "2 .mpc"]);
}

#[cfg(unix)]
#[test]
fn links_lead_to_every_file_once_and_never_up() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 3);
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("deep")).unwrap();
    wav(&folder.path().join("above.wav"), RATE, &song(5, 0.6));
    wav(&elsewhere.join("deep/there.wav"), RATE, &song(6, 0.6));
    wav(&elsewhere.join("one.wav"), RATE, &song(7, 0.6));
    symlink("..", root.join("up")).unwrap();
    symlink("../..", root.join("below/up too")).unwrap();
    symlink(".", root.join("itself")).unwrap();
    symlink("below", root.join("again")).unwrap();
    symlink("00.wav", root.join("twice.wav")).unwrap();
    symlink("../elsewhere/one.wav", root.join("linked.wav")).unwrap();
    symlink("../elsewhere/one.wav", root.join("linked too.wav")).unwrap();
    symlink("../elsewhere/deep", root.join("link")).unwrap();
    symlink("..", elsewhere.join("deep/up")).unwrap();
    symlink("nowhere", root.join("broken.wav")).unwrap();
    symlink("loop.wav", root.join("loop.wav")).unwrap();
    let mut describer = load(&[model(folder.path(), 1)]);
    let library = folder.path().join("library");
    let summary = embed_with(&mut describer, std::slice::from_ref(&root), &library, OPTIONS);
    let found: Vec<PathBuf> = rows(&library).into_keys().collect();
    let expected = [
        "00.wav",
        "01.wav",
        "below/02.wav",
        "link/there.wav",
        "linked too.wav",
    ];
    assert_eq!(found, expected.map(PathBuf::from), "{summary:?}");
    assert_eq!(
        summary.passed.into_iter().collect::<Vec<_>>(),
        [("link to a folder above".to_string(), 3)]
    );
    let failed: Vec<_> = summary
        .failures
        .iter()
        .map(|failure| failure.path.file_name().unwrap())
        .collect();
    assert_eq!(failed, ["broken.wav", "loop.wav"]);
    assert!(noted(&library)["up"].contains("is above"));

    // the same by other names, given together
    let paths =
        ["music", "music/below", "music/00.wav", "music/up/music"].map(|name| folder.path().join(name));
    let summary = embed_with(&mut describer, &paths, &library, OPTIONS);
    assert_eq!((summary.described, summary.entries), (0, 5));

    // what an earlier version found twice goes when it is pruned
    let log = library.join("files.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let line = text.lines().find(|line| line.contains("00.wav")).unwrap();
    let old = [("00.wav", "up/music/00.wav"), ("00.wav", "twice.wav")]
        .map(|(from, to)| line.replace(from, to) + "\n");
    fs::write(&log, text.clone() + &old.concat()).unwrap();
    let prune = EmbedOptions {
        prune: true,
        ..OPTIONS
    };
    let summary = embed_with(&mut describer, std::slice::from_ref(&root), &library, prune);
    assert_eq!(
        (summary.described, summary.dropped, summary.entries),
        (0, 2, 5),
        "{summary:?}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 2);
    let pipe = root.join("pipe.wav");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket.mp3")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", root.join("device.flac")).unwrap();
    let run = model(folder.path(), 1);
    let library = folder.path().join("library");
    let output = embed_command(&root, &run, &library).output().unwrap();
    assert!(done(&output).contains("2 described;"), "{}", text(&output.stdout));
    let notes = text(&output.stderr);
    assert!(notes.contains("1 device, 1 named pipe, 1 socket"), "{notes}");
    assert!(noted(&library)["pipe.wav"].contains("it is a named pipe, not a file"));

    for (path, what) in [(pipe.as_path(), "named pipe"), (Path::new("/dev/zero"), "device")] {
        let output = embed_command(path, &run, &library).output().unwrap();
        refused(&output, 1, &[&format!("it is a {what}, not a file")]);
        let output = command(["search", "--device", "cpu", "--library"])
            .arg(&library)
            .arg(path)
            .output()
            .unwrap();
        refused(&output, 1, &[&format!("it is a {what}, not a file")]);
    }
    // nor in the library or the run itself
    for (file, of) in [
        ("files.jsonl", &library),
        ("library.json", &library),
        ("config.toml", &run),
    ] {
        fs::remove_file(of.join(file)).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(of.join(file))
                .status()
                .unwrap()
                .success()
        );
        let output = embed_command(&root, &run, &library).output().unwrap();
        refused(
            &output,
            1,
            &[if file == "config.toml" {
                "config.toml"
            } else {
                "named pipe"
            }],
        );
    }
}
