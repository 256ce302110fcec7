//! How the program behaves in a shell: signals end it, nothing half-made is left, and nobody else writes to its terminal.
#![cfg(unix)]

mod common;
#[path = "common/soundfont.rs"]
mod soundfont;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{
    SMALL, corpus, prepared,
    program::{command, done, text},
    small, train, untrained,
};
use stemwise::{audio, corpus::Instrument, gpu::Device, train::Checkpoint};

/// What a person notices as at once; on a machine that does other things, too.
const AT_ONCE: Duration = Duration::from_secs(1);

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits for the end of a process, and gives how long that took.
#[track_caller]
fn ended(child: &mut Child) -> (ExitStatus, Duration) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, began.elapsed());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    panic!("it goes on and on");
}

/// Waits until a file holds a text.
#[track_caller]
fn until(path: &Path, holds: &str) {
    let began = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| text.contains(holds)) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no '{holds}' in {}",
            path.display()
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Starts a command whose words go to a file.
fn started(command: &mut Command, words: &Path) -> Child {
    let file = File::create(words).unwrap();
    command.stdout(Stdio::null()).stderr(file).spawn().unwrap()
}

/// A WAV file of silence that takes no room on the disk.
fn endless(path: &Path) {
    let bytes: u32 = 4_000_000_000;
    let mut file = File::create(path).unwrap();
    let header = [
        &b"RIFF"[..],
        &(bytes + 36).to_le_bytes(),
        b"WAVEfmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &1u16.to_le_bytes(),
        &44_100u32.to_le_bytes(),
        &88_200u32.to_le_bytes(),
        &2u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
    ];
    file.write_all(&header.concat()).unwrap();
    file.seek(SeekFrom::Start(u64::from(bytes) + 43)).unwrap();
    file.write_all(&[0]).unwrap();
}

fn song(path: &Path, number: usize) {
    let noise = common::noise(60_000 + 100 * number);
    let mut writer = audio::WavWriter::create(path, 44_100, 1, audio::SampleFormat::Pcm16).unwrap();
    writer.write(&noise).unwrap();
    writer.finish().unwrap();
}

/// Verbs that only read, or write all in the end: the system ends them, wherever they are.
#[test]
fn verbs_that_read_end_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let root = corpus(folder.path());
    let store = prepared(&root, folder.path().join("store"));
    let run = untrained(&folder.path().join("run"), &small("direct", None, &[]), |_, _| {});
    fs::create_dir(folder.path().join("music")).unwrap();
    song(&folder.path().join("music/a.wav"), 0);
    let model = at("run");
    let embed = [
        "embed",
        &at("music"),
        "--model",
        &model,
        "--out",
        &at("library"),
        "--device",
        "cpu",
    ];
    done(&command(embed).output().unwrap());
    endless(&folder.path().join("long.wav"));
    let (root, store) = (root.display().to_string(), store.display().to_string());
    let run = run.display().to_string();
    let verbs: [&[&str]; 11] = [
        &["devices"],
        &["recipes"],
        &["corpus", "check", &root],
        &["corpus", "verify", &store],
        &["runs", &run],
        &["plan", "separator", "--device", "cpu"],
        &[
            "search",
            "--library",
            &at("library"),
            &at("long.wav"),
            "--device",
            "cpu",
        ],
        &["evaluate", "--model", &run, "--corpus", &store, "--device", "cpu"],
        &["report", &run, "--out", &at("report.html"), "--device", "cpu"],
        &["bench", "--device", "cpu", "--samples", "1000"],
        &["tune", &run, "--device", "cpu"],
    ];
    for (number, verb) in verbs.iter().enumerate() {
        for signal in ["INT", "TERM"] {
            let mut child = started(&mut command(*verb), &folder.path().join("words"));
            thread::sleep(Duration::from_millis(60 + 20 * number as u64));
            send(&child, signal);
            let (status, took) = ended(&mut child);
            assert!(took < AT_ONCE, "{verb:?} took {took:?} to end");
            let killed = [Some(2), Some(15)].contains(&status.signal());
            // one that was done before has nothing to say
            assert!(
                killed || status.code().is_some_and(|code| code < 2),
                "{verb:?} {status:?}"
            );
        }
    }
}

#[test]
fn embed_keeps_what_is_done_and_ends_inside_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("music");
    fs::create_dir(&music).unwrap();
    // fewer segments than are described at once: they do not wait for the end of the long silence
    for number in 0..2 {
        song(&music.join(format!("{number}.wav")), number);
    }
    endless(&music.join("x.wav"));
    let run = untrained(&folder.path().join("run"), &small("direct", None, &[]), |_, _| {});
    let (library, words) = (folder.path().join("library"), folder.path().join("words"));
    let mut embed = command(["embed", "--device", "cpu", "--jobs", "2", "--model"]);
    embed.arg(&run).arg("--out").arg(&library).arg(&music);
    for signal in ["INT", "TERM"] {
        let mut child = started(&mut embed, &words);
        until(&library.join("files.jsonl"), "0.wav");
        thread::sleep(Duration::from_millis(300)); // into the file that takes seconds
        send(&child, signal);
        let (status, took) = ended(&mut child);
        let words = fs::read_to_string(&words).unwrap();
        assert!(
            took < AT_ONCE && status.code() == Some(1),
            "{took:?} {status:?} {words}"
        );
        let says = ["stopping after this step", "the same command goes on"];
        assert!(says.iter().all(|says| words.contains(says)), "{words}");
        let log = fs::read_to_string(library.join("files.jsonl")).unwrap();
        assert!(log.contains("0.wav") && !log.contains("x.wav"), "{log}");
    }
}

fn train_command(root: &Path, run: &Path) -> Command {
    let mut train = command(["train", "separator", "--instrument", "drums", "--device", "cpu"]);
    train.arg("--corpus").arg(root).arg("--out").arg(run);
    SMALL.iter().chain(&["training.epochs=100000"]).for_each(|set| {
        train.args(["--set", set]);
    });
    train
}

#[test]
fn training_ends_after_its_update_and_at_once_if_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let root = prepared(&corpus(folder.path()), folder.path().join("store"));
    let words = folder.path().join("words");
    let whole = |run: &Path| {
        Checkpoint::read(&run.join("last.safetensors"))
            .unwrap()
            .state
            .step
    };

    let polite = folder.path().join("polite");
    let mut child = started(&mut train_command(&root, &polite), &words);
    until(&words, "first step done");
    send(&child, "INT");
    let (status, took) = ended(&mut child);
    let said = fs::read_to_string(&words).unwrap();
    assert!(
        took < AT_ONCE && status.code() == Some(1),
        "{took:?} {status:?} {said}"
    );
    let step = whole(&polite);
    assert!(
        step > 0 && said.contains(&format!("stopped after step {step} of")),
        "{step}: {said}"
    );

    // a second signal does not wait, and the checkpoint before is whole
    for pause in [0, 1, 5] {
        let mut again = command(["train", "--device", "cpu", "--resume"]);
        let mut child = started(again.arg(&polite), &words);
        until(&words, "first step done");
        send(&child, "INT");
        thread::sleep(Duration::from_millis(pause));
        if child.try_wait().unwrap().is_none() {
            send(&child, "INT");
        }
        let (status, took) = ended(&mut child);
        assert!(took < AT_ONCE && status.code() == Some(1), "{took:?} {status:?}");
        assert!(whole(&polite) >= step);
    }

    // before the first step there is nothing to wait for
    let early = folder.path().join("early");
    let mut child = started(&mut train_command(&folder.path().join("corpus"), &early), &words);
    until(&words, "decoded at every start");
    send(&child, "TERM");
    let (status, took) = ended(&mut child);
    assert!(took < AT_ONCE && status.code() == Some(1), "{took:?} {status:?}");
}

/// The files below a folder, by relative path, but for what tells the time or how often the work was begun.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    let read = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(folder).unwrap().to_path_buf();
        let name = entry.file_name().to_string_lossy();
        if let Some(alike) = ["events.out", "vectors-"]
            .iter()
            .find(|start| name.starts_with(**start))
        {
            return (path.with_file_name(alike), Vec::new());
        }
        match ["metrics.jsonl", "run.json", "files.jsonl"].contains(&name.as_ref()) {
            true => (path, Vec::new()),
            false => (path, fs::read(entry.path()).unwrap()),
        }
    };
    files.map(read).collect()
}

fn half_made(path: &Path) -> bool {
    path.iter()
        .any(|part| part.to_string_lossy().starts_with(".partial-"))
}

/// Whatever verb is killed whenever: what has its final name is whole, and the same command makes the rest of it and
/// leaves nothing else.
#[test]
fn what_is_killed_leaves_nothing_half_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let synth = [
        "corpus",
        "synth",
        "--train",
        "2",
        "--validation",
        "1",
        "--test",
        "1",
        "--seconds",
        "8",
    ];
    done(&command(synth).arg(at("corpus")).output().unwrap());
    done(
        &command(["corpus", "prepare", &at("corpus"), "--out", &at("store")])
            .output()
            .unwrap(),
    );
    let font = soundfont::sine_font(&[(0, 0), (128, 0)], 440.0);
    fs::write(at("font.sf2"), font).unwrap();
    fs::create_dir(at("music")).unwrap();
    (0..6).for_each(|number| song(&folder.path().join(format!("music/{number}.wav")), number));
    let run = untrained(&folder.path().join("run"), &small("direct", None, &[]), |_, _| {});
    let separator = small("separator", Some(Instrument::Drums), &[]);
    let separator = untrained(&folder.path().join("separator"), &separator, common::identity);
    let embed = [
        "embed",
        &at("music"),
        "--model",
        &at("run"),
        "--device",
        "cpu",
        "--out",
    ];
    done(&command(embed).arg(at("library")).output().unwrap());
    let (run, separator) = (run.display().to_string(), separator.display().to_string());
    let sets: Vec<&str> = SMALL.iter().flat_map(|set| ["--set", set]).collect();
    let training = [
        &[
            "train",
            "separator",
            "--instrument",
            "drums",
            "--device",
            "cpu",
            "--corpus",
        ],
        &sets[..],
    ];
    let mut training = training.concat();
    let store = at("store");
    training.insert(7, &store);
    training.push("--out");
    // the folder or file that is written comes last
    let verbs: [&[&str]; 10] = [
        &synth,
        &["corpus", "prepare", &at("corpus"), "--out"],
        &[
            "corpus",
            "render",
            "--midi",
            &at("corpus"),
            "--soundfont",
            &at("font.sf2"),
            "--seconds",
            "6",
            "--pieces",
            "4",
            "--out",
        ],
        &training,
        &["export", &run, "--out"],
        &[
            "evaluate", "--model", &separator, "--corpus", &store, "--device", "cpu", "--out",
        ],
        &["report", &run, "--no-audio", "--out"],
        &[
            "abx",
            "simulate",
            "--corpus",
            &at("corpus"),
            "--split",
            "train",
            "--items",
            "2",
            "--subjects",
            "2",
            "--out",
        ],
        &embed,
        &["search", "--library", &at("library"), "0.wav", "--m3u"],
    ];
    for (number, verb) in verbs.iter().enumerate() {
        // a file has a folder of its own, too
        let place = |name: &str| {
            let out = folder.path().join(format!("{number}-{name}"));
            match verb.last() {
                Some(&"--m3u") => {
                    (
                        fs::create_dir_all(&out).unwrap(),
                        (out.clone(), out.join("x.m3u")),
                    )
                        .1
                }
                _ if verb[0] == "report" => {
                    (
                        fs::create_dir_all(&out).unwrap(),
                        (out.clone(), out.join("x.html")),
                    )
                        .1
                }
                _ => (out.clone(), out),
            }
        };
        let (reference, target) = place("whole");
        let began = Instant::now();
        done(&command(*verb).arg(&target).output().unwrap());
        let took = began.elapsed();
        let whole = tree(&reference);
        assert!(!whole.keys().any(|path| half_made(path)), "{verb:?}");
        let (killed, target) = place("killed");
        let mut kills = 0;
        for part in [0.35, 0.7, 0.95] {
            let mut child = started(command(*verb).arg(&target), &folder.path().join("words"));
            thread::sleep(took.mul_f64(part));
            kills += usize::from(child.try_wait().unwrap().is_none());
            let _ = child.kill();
            child.wait().unwrap();
            for (path, bytes) in tree(&killed).iter().filter(|(path, _)| !half_made(path)) {
                let grows = verb[0] == "embed" || verb[0] == "train";
                match path
                    .extension()
                    .is_some_and(|extension| extension == "safetensors")
                {
                    true => drop(Checkpoint::read(&killed.join(path)).unwrap()),
                    false => assert!(
                        grows || whole.get(path) == Some(bytes),
                        "{verb:?}: {}",
                        path.display()
                    ),
                }
            }
            // a run that was begun is continued by another command
            if verb[0] == "train" && killed.join("config.toml").exists() {
                break;
            }
        }
        assert!(kills > 0, "{verb:?} was never killed");
        // an export that ended in time is not done again
        if verb[0] == "export" && killed.join("README.md").exists() {
            fs::remove_dir_all(&killed).unwrap();
        }
        let last = match verb[0] == "train" && killed.join("config.toml").exists() {
            true => command(["train", "--device", "cpu", "--resume"])
                .arg(&killed)
                .output(),
            false => command(*verb).arg(&target).output(),
        };
        done(&last.unwrap());
        let again = tree(&killed);
        let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&again), names(&whole), "{verb:?}");
        let differs = again.iter().find(|(path, bytes)| whole[*path] != **bytes);
        assert_eq!(differs.map(|(path, _)| path), None, "{verb:?}");
    }
}

/// In a shell without a desktop, drivers have nothing to say: no screen is asked for.
#[test]
fn nobody_else_writes_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = untrained(&folder.path().join("run"), &small("direct", None, &[]), |_, _| {});
    fs::create_dir(folder.path().join("music")).unwrap();
    song(&folder.path().join("music/a.wav"), 0);
    song(&folder.path().join("music/c.wav"), 2);
    song(&folder.path().join("b.wav"), 1);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (run, library) = (run.display().to_string(), at("library"));
    let verbs: [&[&str]; 7] = [
        &["devices"],
        &["help"],
        &["recipes"],
        &["plan", "separator"],
        &["embed", &at("music"), "--model", &run, "--out", &library],
        &["search", "--library", &library, &at("b.wav")],
        &["runs", &run],
    ];
    for vulkan in [true, false] {
        for verb in verbs {
            let mut bare = command(verb);
            bare.env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default());
            if !vulkan {
                // as on a machine without a driver
                bare.env("VK_DRIVER_FILES", "/nowhere.json")
                    .env("VK_ICD_FILENAMES", "/nowhere.json");
            }
            let output = bare.output().unwrap();
            done(&output);
            assert_eq!(text(&output.stderr), "", "{verb:?}");
        }
    }
}

/// Where the processor is asked for, or nothing is to be computed, no driver is loaded.
#[cfg(target_os = "linux")]
#[test]
fn no_driver_is_loaded_without_need() {
    let folder = tempfile::tempdir().unwrap();
    let root = corpus(folder.path());
    let run = folder.path().join("run");
    train(&run, &common::config(&root), &Device::Cpu).unwrap();
    let (root, run) = (root.display().to_string(), run.display().to_string());
    let music = folder.path().join("music");
    fs::create_dir(&music).unwrap();
    (0..3).for_each(|number| song(&music.join(format!("{number}.wav")), number));
    let direct = untrained(
        &folder.path().join("direct"),
        &small("direct", None, &[]),
        |_, _| {},
    );
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (music, direct, library) = (
        music.display().to_string(),
        direct.display().to_string(),
        at("library"),
    );
    let verbs: [&[&str]; 9] = [
        &["help"],
        &["recipes"],
        &["runs", &run],
        &["plan", "separator", "--device", "cpu"],
        &["corpus", "check", &root],
        &[
            "embed", &music, "--model", &direct, "--out", &library, "--device", "CPU",
        ],
        &["search", "--library", &library, "1.wav"],
        &["report", &run, "--no-audio", "--out", &at("report.html")],
        &["export", &run, "--out", &at("export")],
    ];
    // the loader of Vulkan tells what it does, if it is loaded at all
    let told = |verb: &[&str]| {
        let mut command = command(verb);
        command
            .env("VK_LOADER_DEBUG", "all")
            .env("EGL_LOG_LEVEL", "debug");
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert!(
            output.status.code().is_some_and(|code| code < 2),
            "{verb:?}: {said}"
        );
        said.contains("Vulkan Loader") || said.contains("libEGL")
    };
    for verb in verbs {
        assert!(!told(verb), "{verb:?} loads a driver");
    }
    if !stemwise::gpu::adapters().is_empty() {
        assert!(
            told(&["devices"]),
            "what was looked for is not how a loader speaks"
        );
    }
}
