//! The command line.

use super::*;

#[test]
fn summary_on_the_command_line() {
    let path = fixture("answers.csv");
    let path = path.to_str().unwrap();
    let text = succeeds(&["abx", "summary", path]);
    let line = |begins: &[&str]| {
        let mut rows = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row.starts_with(begins))
            .unwrap_or_else(|| panic!("{begins:?}: {text}"))
    };
    assert_eq!(
        line(&["piano", "One-Shared"])[2..],
        ["1", "5", "1", "5", "80.00", "80.00"]
    );
    assert_eq!(
        line(&["drums", "All-Diff"])[2..],
        ["1", "4", "0", "0", "-", "n/a"]
    );
    assert_eq!(
        line(&["all", "five", "One-Shared"])[3..],
        ["2", "7", "2", "7", "85.71", "57.14"]
    );
    assert!(!text.contains("SIMULATED"));

    // what was published of the public answers
    assert!(
        text.contains("[I25] Table 1") && text.contains("1163") && !text.contains("[H25]"),
        "{text}"
    );
    let timbre = succeeds(&["abx", "summary", path, "--aspect", "timbre", "--share", "0.8"]);
    for words in ["items ≥80 %", "(timbre)", "[H25] Table 7", "463"] {
        assert!(timbre.contains(words), "{timbre}");
    }
    fails(2, "use 0.75", &["abx", "summary", path, "--share", "0.9"]);
    fails(
        2,
        "use overall, timbre",
        &["abx", "summary", path, "--aspect", "sound"],
    );

    let json: serde_json::Value =
        serde_json::from_str(&succeeds(&["abx", "summary", path, "--json"])).unwrap();
    assert_eq!(
        (&json["aspect"], &json["share"]),
        (&"overall".into(), &0.75.into())
    );
    assert_eq!(json["simulated"], false);
    let rows = json["table"].as_array().unwrap();
    let guitar = rows
        .iter()
        .find(|row| row["part"] == "guitar" && row["condition"] == "One-Shared")
        .unwrap();
    assert_eq!(
        (&guitar["clear_responses"], &guitar["ceiling"]),
        (&2.into(), &100.0.into())
    );
    assert_eq!(guitar["baseline"], 0.0);

    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.csv");
    fs::write(&broken, format!("{HEADER}\n{}\n", ROW.replace("A+,1", "A,1"))).unwrap();
    fails(
        1,
        "broken.csv: line 2, column 'answer_total'",
        &["abx", "summary", broken.to_str().unwrap()],
    );
    fails(1, "nowhere.csv", &["abx", "summary", "nowhere.csv"]);
    fails(2, "FILE", &["abx", "summary"]);
}

#[test]
fn simulation_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (corpus().to_str().unwrap(), folder.path().join("abx"));
    let out = out.to_str().unwrap();
    let simulate = ["abx", "simulate", "--corpus", root, "--out", out, "--items", "3"];
    let text = succeeds(&simulate);
    assert!(text.contains("SIMULATED") && text.contains(CSV_FILE), "{text}");
    let csv = Path::new(out).join(CSV_FILE);
    let summary = succeeds(&["abx", "summary", csv.to_str().unwrap()]);
    assert!(summary.starts_with("SIMULATED"), "{summary}");
    assert_eq!(succeeds(&simulate), text, "the same once more is no error");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(Path::new(out).join("simulation.json")).unwrap()).unwrap();
    assert!(record["oracle"].as_str().unwrap().contains("likeness") && record["simulated"] == true);

    fails(1, "other options", &[&simulate[..6], &["--items", "4"]].concat());
    let with = |more: &[&'static str]| [&["abx", "simulate", "--corpus", root, "--out", "x"], more].concat();
    fails(2, "--noise", &with(&["--noise", "-1"]));
    fails(2, "--noise", &with(&["--noise", "nan"]));
    fails(2, "--items", &with(&["--items", "0"]));
    fails(2, "--subjects", &with(&["--subjects", "0"]));
    fails(2, "no split", &with(&["--split", "best"]));
    fails(1, "omitted", &with(&["--split", "omitted"]));
    fails(1, "no item can be drawn", &with(&["--split", "train"]));
    fails(
        1,
        "nowhere",
        &["abx", "simulate", "--corpus", "nowhere", "--out", "x"],
    );
    assert!(!Path::new("x").exists());

    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    succeeds(&["corpus", "prepare", root, "--out", store]);
    fails(1, "store", &["abx", "simulate", "--corpus", store, "--out", "x"]);
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    done(&stemwise(arguments))
}

#[track_caller]
fn fails(code: i32, named: &str, arguments: &[&str]) {
    let output = stemwise(arguments);
    refused(&output, code, &[named]);
    assert!(output.stdout.is_empty());
}
