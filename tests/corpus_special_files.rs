//! Pipes, sockets and devices under the names of a corpus's files: they are refused before they are opened, and waited
//! for by nobody.
#![cfg(unix)]

#[path = "common/program.rs"]
mod program;
#[path = "common/soundfont.rs"]
mod soundfont;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use stemwise::corpus::synth::{SynthOptions, synthesise};

/// What the program says, if it ends in time: with the faults that are tested for, it never would.
#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program::command(arguments);
    let piped = command
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments:?} waits");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn said(output: &Output) -> String {
    let all = program::text(&output.stdout) + &program::text(&output.stderr);
    assert!(!all.contains("panicked"), "{all}");
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let options = SynthOptions {
        train: 2,
        validation: 0,
        test: 0,
        seconds: 6.0,
        seed: 0,
    };
    synthesise(&here.join("corpus"), &options, &|_, _| {}).unwrap();
    let track = here.join("corpus/train/Track00001");

    pipe(&track.join("all_src.mid"));
    let found = said(&run(here, &["corpus", "check", "corpus"]));
    assert!(
        found.contains("all_src.mid unreadable") && found.contains("named pipe"),
        "{found}"
    );
    let found = said(&run(here, &["corpus", "prepare", "corpus", "--out", "store"]));
    assert!(found.contains("1 tracks have no usable all_src.mid"), "{found}");

    // the record of a store, and its list
    for name in ["store/store.json", "store/train/Track00002.json"] {
        if here.join(name).exists() {
            pipe(&here.join(name));
        }
    }
    program::refused(&run(here, &["corpus", "verify", "store"]), 1, &["named pipe"]);

    pipe(&track.join("metadata.yaml"));
    let found = said(&run(here, &["corpus", "check", "corpus"]));
    assert!(
        found.contains("metadata.yaml broken unreadable") && found.contains("named pipe"),
        "{found}"
    );
    let prepared = run(here, &["corpus", "prepare", "corpus", "--out", "other"]);
    program::refused(&prepared, 1, &["1 of 2 tracks cannot be read"]);

    let other = here.join("corpus/train/Track00002");
    let stem = fs::read_dir(other.join("stems"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for path in [&stem, &other.join("mix.wav")] {
        pipe(path);
        let name = path.file_name().unwrap().to_string_lossy();
        let found = said(&run(here, &["corpus", "check", "corpus"]));
        assert!(found.contains(&*name) && found.contains("named pipe"), "{found}");
    }

    symlink("/dev/zero", here.join("corpus/exclude.txt")).unwrap();
    program::refused(
        &run(here, &["corpus", "check", "corpus"]),
        1,
        &["exclude.txt", "a device"],
    );
}

#[test]
fn a_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("midi")).unwrap();
    let font = soundfont::sine_font(&[(0, 0)], 441.0);
    fs::write(here.join("good.sf2"), font).unwrap();
    let note =
        b"MThd\0\0\0\x06\0\0\0\x01\x01\xE0MTrk\0\0\0\x0D\x00\x90\x45\x64\x83\x60\x90\x45\x00\x00\xFF\x2F\x00";
    fs::write(here.join("midi/a.mid"), note).unwrap();
    pipe(&here.join("midi/pipe.mid"));
    symlink("/dev/zero", here.join("midi/zero.mid")).unwrap();
    pipe(&here.join("pipe.sf2"));
    let render = |font| {
        run(
            here,
            &[
                "corpus",
                "render",
                "--midi",
                "midi",
                "--soundfont",
                font,
                "--out",
                "c",
            ],
        )
    };
    program::refused(&render("pipe.sf2"), 1, &["pipe.sf2", "named pipe"]);
    let output = render("good.sf2");
    let found = said(&output);
    assert!(program::done(&output).contains("1 tracks written"), "{found}");
    assert!(
        found.contains("pipe.mid skipped: it cannot be read: it is a named pipe"),
        "{found}"
    );
    assert!(
        found.contains("zero.mid skipped: it cannot be read: it is a device"),
        "{found}"
    );
    pipe(&here.join("c/render.json"));
    program::refused(&render("good.sf2"), 1, &["render.json", "named pipe"]);
}

#[test]
fn judgements() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    pipe(&here.join("abx.csv"));
    let output = run(here, &["abx", "summary", "abx.csv"]);
    program::refused(&output, 1, &["abx.csv", "named pipe"]);
}
