//! Names that are no good names, and files that are gone.

use super::*;

/// Searches, and gives what was printed, what was noted, and the playlist.
fn searched(library: &Path, query: &Path, list: &Path) -> (String, String, String) {
    let output = command(["search", "--device", "cpu", "--fold", "0", "--m3u"])
        .arg(list)
        .arg("--library")
        .arg(library)
        .arg(query)
        .output()
        .unwrap();
    let said = done(&output);
    (said, text(&output.stderr), fs::read_to_string(list).unwrap())
}

/// The paths of a playlist, as a player reads them.
fn played(list: &str) -> Vec<String> {
    let places = list.lines().filter(|line| !line.starts_with('#'));
    let decoded = |place: &str| match place.strip_prefix("file://") {
        None => place.to_string(),
        Some(url) => {
            let mut bytes = Vec::new();
            let mut rest = url.as_bytes();
            while let [first, others @ ..] = rest {
                (rest, _) = match first {
                    b'%' => {
                        let hex = std::str::from_utf8(&others[..2]).unwrap();
                        (&others[2..], bytes.push(u8::from_str_radix(hex, 16).unwrap()))
                    }
                    &byte => (others, bytes.push(byte)),
                };
            }
            String::from_utf8(bytes).unwrap()
        }
    };
    places.map(decoded).collect()
}

#[cfg(unix)]
#[test]
fn no_name_breaks_a_line_or_reaches_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 0);
    let names = [
        "one\ntwo.wav",
        "a\r.wav",
        "\u{1b}[31mred\u{1b}[0m.wav",
        "\u{202e}vaw.evil.wav",
        "\u{85}\u{2028}.wav",
        " tab\t.wav",
        "50 % #1 é 例.wav",
    ];
    for (number, name) in names.iter().enumerate() {
        wav(&root.join(name), RATE, &song(number, 0.6));
    }
    fs::write(root.join("bad\n\u{1b}[2J.wav"), "no music").unwrap();
    let query = folder.path().join("query.wav");
    wav(&query, RATE, &song(20, 0.6));
    let run = model(folder.path(), 1);
    let library = folder.path().join("library");
    let output = embed_command(&root, &run, &library).output().unwrap();
    done(&output);
    let list = folder.path().join("x.m3u");
    let (table, notes, list) = searched(&library, &query, &list);
    let shown = [table.as_str(), notes.as_str(), &text(&output.stderr), &list].concat();
    let strange = |c: &char| c.is_control() && *c != '\n' || "\u{202e}\u{2028}".contains(*c);
    assert_eq!(shown.chars().find(strange), None, "{shown:?}");
    assert_eq!(table.lines().count(), 1 + names.len(), "{table}");
    assert!(
        text(&output.stderr).contains("bad\\n\\u001b[2J.wav: "),
        "{}",
        text(&output.stderr)
    );
    // a line for the path and one for the title of each, and every path is there
    assert_eq!(list.lines().count(), 2 + 2 * names.len(), "{list}");
    let mut played: Vec<PathBuf> = played(&list).into_iter().map(PathBuf::from).collect();
    let root = fs::canonicalize(&root).unwrap();
    let mut expected = names.map(|name| root.join(name)).to_vec();
    played.sort();
    expected.sort();
    assert_eq!(played, expected);
    // what is a good name stays as it is
    assert!(list.contains("/50 % #1 é 例.wav\n"), "{list}");

    // errors, too
    let missing = command(["search", "--library"])
        .arg(&library)
        .arg("no\n\u{1b}[31m.wav")
        .output()
        .unwrap();
    refused(&missing, 1, &["no\\n\\u001b[31m.wav"]);
    let output = command(["search", "--json", "--device", "cpu", "--library"])
        .arg(&library)
        .arg(&query)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&done(&output)).unwrap();
    let paths = json["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|near| near["path"].as_str().unwrap());
    assert!(
        paths
            .into_iter()
            .any(|path| path.ends_with("\u{202e}vaw.evil.wav")),
        "{json}"
    );
}

#[test]
fn files_that_are_gone_are_marked_and_not_played() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 6);
    let run = model(folder.path(), 1);
    let library = folder.path().join("library");
    done(&embed_command(&root, &run, &library).output().unwrap());
    let list = folder.path().join("x.m3u");
    let (table, notes, all) = searched(&library, Path::new("00.wav"), &list);
    assert!(
        !table.contains("(gone)") && notes.is_empty() && played(&all).len() == 5,
        "{table}{notes}"
    );

    fs::remove_file(root.join("01.wav")).unwrap();
    let (table, notes, some) = searched(&library, Path::new("00.wav"), &list);
    let line = table.lines().find(|line| line.contains("01.wav")).unwrap();
    assert!(
        line.ends_with("(gone)") && table.matches("(gone)").count() == 1,
        "{table}"
    );
    assert!(
        notes.contains("1 of the files found") && notes.contains("not in the playlist"),
        "{notes}"
    );
    assert_eq!(played(&some).len(), 4);
    assert!(!some.contains("01.wav"), "{some}");

    // all of them, as for the case that the folder was moved
    let moved = folder.path().join("moved");
    fs::rename(&root, &moved).unwrap();
    let (table, notes, none) = searched(&library, &moved.join("00.wav"), &list);
    assert!(
        table.matches("(gone)").count() == 5 && notes.contains("5 of the files"),
        "{table}{notes}"
    );
    assert_eq!(played(&none).len(), 0);
    done(&embed_command(&moved, &run, &library).output().unwrap());
    let (table, notes, all) = searched(&library, &moved.join("00.wav"), &list);
    // but for the one that was removed before
    assert!(
        table.matches("(gone)").count() == 1 && notes.contains("1 of the") && played(&all).len() == 4,
        "{table}{notes}"
    );

    // a file that is no playlist of ours stays what it is
    for kept in ["#EXTM3U\nmy own.mp3\n", "RIFF", ""] {
        fs::write(&list, kept).unwrap();
        let output = command(["search", "--m3u"])
            .arg(&list)
            .arg("--library")
            .arg(&library)
            .arg("02.wav")
            .output()
            .unwrap();
        refused(&output, 2, &["x.m3u", "another name"]);
        assert_eq!(fs::read_to_string(&list).unwrap(), kept);
    }
}
