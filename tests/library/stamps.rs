//! When a file is what it was.

use std::time::SystemTime;

use super::*;

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Changes the entries of a library's log.
fn edit(library: &Path, change: impl Fn(&mut serde_json::Value)) {
    let path = library.join("files.jsonl");
    let log = fs::read_to_string(&path).unwrap();
    let lines = log.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(entry) = line.get_mut("entry") {
            change(entry);
        }
        format!("{line}\n")
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
}

/// As earlier versions wrote it.
fn without_stamps(entry: &mut serde_json::Value) {
    let file = entry["file"].as_object_mut().unwrap();
    file.remove("changed");
    file.remove("inode");
}

fn counts(summary: &Summary) -> [usize; 4] {
    [summary.described, summary.kept, summary.known, summary.entries]
}

#[cfg(unix)]
#[test]
fn a_file_changed_in_place_is_described_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 3);
    let mut describer = load(&[model(folder.path(), 1)]);
    let library = folder.path().join("library");
    let mut again = |verify| {
        let options = EmbedOptions { verify, ..OPTIONS };
        embed_with(&mut describer, std::slice::from_ref(&root), &library, options)
    };
    assert_eq!(counts(&again(false)), [3, 0, 0, 3]);
    let before = rows(&library);
    let path = root.join("00.wav");
    let (size, time) = (fs::metadata(&path).unwrap().len(), modified(&path));
    let replace = |by: usize| {
        wav(&path, RATE, &song(by, 0.3));
        set_modified(&path, time);
        assert_eq!(
            (fs::metadata(&path).unwrap().len(), modified(&path)),
            (size, time)
        );
    };
    replace(9);
    assert_eq!(counts(&again(false)), [1, 2, 0, 3]);
    let after = rows(&library);
    let name = Path::new("00.wav");
    assert!(before[name].1 != after[name].1 && before[name].0.hash != after[name].0.hash);

    // where even time of change and number are as they were, only reading tells
    replace(10);
    let now = FileInfo::of(fs::canonicalize(&path).unwrap(), name.into()).unwrap();
    edit(&library, |entry| {
        if entry["file"]["relative"] == "00.wav" {
            entry["file"] = serde_json::to_value(&now).unwrap();
        }
    });
    assert_eq!(counts(&again(false)), [0, 3, 0, 3]);
    assert_eq!(counts(&again(true)), [1, 2, 0, 3]);
    assert!(rows(&library)[name].1 != after[name].1);
    assert_eq!(counts(&again(true)), [0, 3, 0, 3]);

    // other rights or another name do not make other music
    fs::rename(&path, root.join("renamed")).unwrap();
    fs::rename(root.join("renamed"), &path).unwrap();
    assert_eq!(counts(&again(false))[0], 0);
}

#[cfg(unix)]
#[test]
fn earlier_and_copied_libraries_are_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 3);
    let tone = song(7, 1.2);
    let minus: Vec<f32> = tone.iter().map(|x| -x).collect();
    wav_of(&root.join("opposite.wav"), &[&tone, &minus]);
    wav(&root.join("silent.wav"), RATE, &[0.0; 30_000]);
    let mut describer = load(&[model(folder.path(), 1)]);
    let library = folder.path().join("library");
    let mut again =
        |root: &Path, library: &Path| embed_with(&mut describer, &[root.to_path_buf()], library, OPTIONS);
    assert_eq!(counts(&again(&root, &library)), [5, 0, 0, 5]);
    let whole = contents(&library).0;

    // an earlier version knew no stamps, and took opposite channels for silence
    edit(&library, |entry| {
        without_stamps(entry);
        if entry["file"]["relative"] == "opposite.wav" {
            let entry = entry.as_object_mut().unwrap();
            entry.remove("channel");
            entry.remove("row");
        }
    });
    // it can be searched as it is
    let found = command(["search", "--device", "cpu", "--library"])
        .arg(&library)
        .arg("00.wav")
        .output()
        .unwrap();
    assert!(done(&found).contains("01.wav"));
    // what was silent is described anew, the rest is known by its content
    assert_eq!(counts(&again(&root, &library)), [2, 0, 3, 5]);
    assert_eq!(
        contents(&library).0.replace(char::is_numeric, ""),
        whole.replace(char::is_numeric, "")
    );
    assert_eq!(rows(&library)[Path::new("opposite.wav")].0.channel, Some(0));
    assert_eq!(counts(&again(&root, &library)), [0, 5, 0, 5]);

    // on another machine files have other numbers and times of change
    edit(&library, |entry| {
        for stamp in ["changed", "inode"] {
            entry["file"][stamp] = (entry["file"][stamp].as_u64().unwrap() + 1).into();
        }
    });
    assert_eq!(counts(&again(&root, &library)), [0, 0, 5, 5]);
    // and may be elsewhere
    let copy = folder.path().join("copy");
    fs::rename(&root, &copy).unwrap();
    assert_eq!(counts(&again(&copy, &library)), [0, 0, 5, 5]);
}
