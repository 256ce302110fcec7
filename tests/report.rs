//! The report: whole, the same every time, and safe from what people call their runs.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::AtomicBool,
};

use common::{corpus, identity, small, untrained};
use stemwise::{
    corpus::Instrument,
    eval::{Asked, Evaluation, Figures, Heldout, Measure, Preset, Stack, Unit, What},
    gpu::Device,
    listening::{Condition, Criterion},
    report::{Report, ReportError, ReportOptions, report},
};

/// No name of a recipe that anybody should write into a page.
const HOSTILE: &str = "<script>alert(\"x\")</script>&'";

fn stemwise(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stemwise"));
    command.args(arguments).output().unwrap()
}

fn options(folders: &[&Path], out: &Path) -> ReportOptions {
    ReportOptions {
        folders: folders.iter().map(PathBuf::from).collect(),
        out: out.into(),
        seed: 0,
        audio: true,
    }
}

fn written(options: &ReportOptions) -> Result<(Report, String), ReportError> {
    let done = report(options, &Device::Cpu, &AtomicBool::new(false), &|_| {})?;
    let text = fs::read_to_string(&done.path).unwrap();
    assert_eq!(text.len() as u64, done.bytes);
    Ok((done, text))
}

/// A run of an untrained network that has a log, and says that it was trained on a corpus.
fn run(folder: &Path, recipe: &stemwise::train::Recipe, corpus: &Path, edit: impl Fn(&str, &mut [f32])) {
    untrained(folder, recipe, edit);
    let path = folder.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let corpus = toml::Value::from(corpus.to_str().unwrap()).to_string();
    fs::write(&path, text.replace("\"nowhere\"", &corpus)).unwrap();
    let mut log =
        String::from("{\"step\":0,\"validation_loss\":0.75,\"knn\":{\"mean\":0.25},\"seconds\":0.5}\n");
    for step in 1..=900 {
        let loss = 1.0 / f64::from(step);
        log += &format!(
            "{{\"step\":{step},\"loss\":{loss},\"learning_rate\":0.1,\"seconds\":{step},\"segments_per_second\":1.0}}\n"
        );
    }
    log += "{\"step\":900,\"validation_loss\":0.125,\"knn\":{\"mean\":0.5},\"seconds\":900.5}\n{\"step\":901,\"lo";
    fs::write(folder.join("metrics.jsonl"), log).unwrap();
}

fn evaluate(run: &Path, corpus: &Path, out: &Path, more: &[&str]) -> Evaluation {
    let [run, corpus, to] = [run, corpus, out].map(|path| path.to_str().unwrap());
    let mut arguments = vec!["evaluate", "--model", run, "--corpus", corpus, "--out", to];
    arguments.extend(["--device", "cpu", "--seconds", "1"]);
    arguments.extend(more);
    let output = stemwise(&arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    read(out)
}

fn read(folder: &Path) -> Evaluation {
    serde_json::from_slice(&fs::read(folder.join("evaluation.json")).unwrap()).unwrap()
}

fn write(folder: &Path, evaluation: &Evaluation) {
    let json = serde_json::to_string(evaluation).unwrap();
    fs::write(folder.join("evaluation.json"), json).unwrap();
}

/// The page asks for nothing but itself.
#[track_caller]
fn asks_for_nothing(page: &str) {
    for word in [
        "http:", "https:", "@import", "url(", "<script", "<link", "<iframe",
    ] {
        assert!(!page.contains(word), "there is '{word}'");
    }
    for (attribute, allowed) in [(" src=\"", "data:"), (" href=\"", "#"), ("srcset=", "\0")] {
        for (at, _) in page.match_indices(attribute) {
            let value = &page[at + attribute.len()..];
            assert!(value.starts_with(allowed), "{attribute}{}", &value[..40]);
        }
    }
}

/// Elements are closed in the order in which they were opened, and attributes are quoted; gives their number.
#[track_caller]
fn well_formed(page: &str) -> usize {
    const VOID: [&str; 3] = ["meta", "img", "br"];
    let page = page.trim_start();
    assert!(page.starts_with("<!doctype html>"));
    let (head, tail) = page.split_once("<style>").unwrap();
    let (_, tail) = tail.split_once("</style>").unwrap();
    let (mut open, mut count) = (Vec::new(), 0);
    for tag in [head, tail].into_iter().flat_map(|part| part.split('<').skip(1)) {
        let (tag, text) = tag
            .split_once('>')
            .unwrap_or_else(|| panic!("unfinished: <{tag}"));
        assert!(!text.contains('>'), "a stray '>' after <{tag}>: {text}");
        assert!(tag.matches('"').count() % 2 == 0, "quotes in <{tag}>");
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "closed too early, or too late"),
            None => {
                let name = tag.split_whitespace().next().unwrap();
                count += 1;
                if !VOID.contains(&name) {
                    open.push(name);
                }
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    // what the table of contents leads to is there
    for (at, _) in page.match_indices("href=\"#") {
        let id = page[at + 7..].split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{id}\"")), "no #{id}");
    }
    count
}

/// All scores as the tables write them.
fn numbers(evaluation: &Evaluation) -> Vec<String> {
    let number = |unit, value: f64| match unit {
        Unit::Share => format!("{:.2}\u{a0}%", 100.0 * value),
        Unit::Decibels => format!("{value:.2}\u{a0}dB").replace('-', "\u{2212}"),
        Unit::Correlation => format!("{value:.3}").replace('-', "\u{2212}"),
    };
    let all = evaluation.scores.iter().flat_map(|score| {
        let values = [Some(score.value), score.chance, score.untrained];
        values
            .into_iter()
            .flatten()
            .map(|value| number(score.unit, value))
    });
    all.collect()
}

#[test]
fn a_run_and_its_evaluation_make_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let top = folder.path().join("all");
    let model = top.join("runs/direct");
    run(&model, &small("direct-reconst", None, &[]), &corpus, |_, _| {});
    let evaluated = top.join("evaluated");
    let protocols = "mes-normal,sdr,identification,correlation";
    let more = ["--what", protocols, "--split", "train", "--untrained"];
    let mut evaluation = evaluate(&model, &corpus, &evaluated, &more);

    // the pictures of distances that are kept: small, and as many as segments
    assert_eq!(evaluation.distances.len(), 5);
    for distances in &evaluation.distances {
        let n = distances.pieces.len();
        // all segments of a second of two pieces of 8 s
        assert!((3..=16).contains(&n), "{n}");
        for triangle in [&distances.clean, &distances.mix] {
            assert_eq!(triangle.0.len(), n * (n - 1) / 2);
            assert_eq!(triangle.0.iter().max(), Some(&255));
            assert_eq!(triangle.at(n, 1, 0), triangle.at(n, 0, 1));
        }
    }
    // a corpus this small has no leak check: its picture is made up
    let point = |i: u32| stemwise::eval::Point {
        x: f64::from(i % 7),
        y: f64::from(i / 7),
        target: 1 + i % 3,
        other: 5 + i % 2,
    };
    evaluation.pictures = vec![(Instrument::Bass, (0..40).map(point).collect())];
    let mut score = evaluation.scores[0].clone();
    (score.what, score.measure) = (What::Leak, Measure::Leak(Asked::Rest));
    evaluation.scores.push(score);
    write(&evaluated, &evaluation);

    let out = folder.path().join("one.html");
    let (done, page) = written(&options(&[&top], &out)).unwrap();
    assert_eq!((done.runs, done.evaluations), (1, 1));
    assert_eq!(done.left_out, Vec::<String>::new());
    asks_for_nothing(&page);
    assert!(well_formed(&page) > 300);
    let wanted = numbers(&evaluation);
    assert!(wanted.len() > 50);
    for number in &wanted {
        assert!(page.contains(number.as_str()), "no {number}");
    }
    // what was published stands beside it, as it was printed
    for number in [
        "84.45\u{a0}%",
        "81.30\u{a0}%",
        "8.51\u{a0}dB",
        "Published, on Slakh2100",
    ] {
        assert!(page.contains(number), "no {number}");
    }
    for title in [
        "MES-Normal",
        "Separation",
        "Identification",
        "Correlation",
        "Leak check",
    ] {
        assert!(page.contains(title), "no {title}");
    }
    assert!(!page.contains("MES-Pseudo</h3>") && !page.contains("class=\"banner\""));
    // both pictures of five instruments; the loss to its last whole line; a mark for each point
    assert_eq!(page.matches("alt=\"Distances of").count(), 10);
    assert!(page.contains("validation loss from 0.75 to 0.125"));
    assert!(
        page.contains("<title>step 900: 50 %</title>") || page.contains("<title>step 900: 50.0 %</title>")
    );
    assert_eq!(page.matches("bass of Track0000").count(), 40);
    // one test song: the mix, and true and separated stems of five instruments
    assert_eq!(page.matches("<audio ").count(), 11);
    assert_eq!(page.matches("alt=\"Spectrogram of").count(), 11);
    assert!(done.bytes < 6_000_000, "{}", done.bytes);

    // again, elsewhere, in two parts, one of them twice
    let two = folder.path().join("two.html");
    let (_, again) = written(&options(&[&top.join("evaluated"), &top.join("runs"), &top], &two)).unwrap();
    assert!(again == page, "another page of the same");

    // [H25]'s figures stand below its protocol
    evaluation.figures = vec![Figures {
        instrument: Instrument::Bass,
        pieces: (0..20).map(point).collect(),
        pseudo: (0..40).map(point).collect(),
        stems: Some(Stack::of(&[0.5; 20], 10)),
    }];
    let mut score = evaluation.scores[0].clone();
    (score.what, score.measure) = (What::MesPseudo, Measure::Pseudo(Preset::H25, None));
    evaluation.scores.push(score);
    write(&evaluated, &evaluation);
    let three = folder.path().join("three.html");
    let (_, page) = written(&options(&[&top], &three)).unwrap();
    asks_for_nothing(&page);
    well_formed(&page);
    // of the leak check one, of the figures three
    assert_eq!(page.matches("<svg class=\"tsne\"").count(), 1 + 3);
    assert_eq!(page.matches("<use href").count(), {
        let marks = 40 + 20 + 2 * 40;
        let keys = (3 + 2) + 3 + 3 + 2;
        marks + keys
    });
    assert_eq!(
        page.matches("alt=\"Absolute embeddings of bass alone\"").count(),
        1
    );
}

#[test]
fn simulated_judgements_are_marked_and_names_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let odd = folder.path().join("a <b> & \"c\"");
    let mut recipe = small("direct", None, &[]);
    recipe.name = HOSTILE.into();
    run(&odd.join("hostile"), &recipe, &corpus, |_, _| {});
    let honest = odd.join("honest");
    run(
        &honest,
        &small("clean", Some(Instrument::Drums), &[]),
        &corpus,
        |_, _| {},
    );
    let more = ["--what", "mes-normal", "--split", "train"];
    let evaluation = evaluate(&honest, &corpus, &odd.join("evaluated"), &more);

    let out = folder.path().join("out.html");
    let (done, page) = written(&options(&[&odd], &out)).unwrap();
    assert_eq!((done.runs, done.evaluations), (2, 1));
    well_formed(&page);
    asks_for_nothing(&page);
    assert!(
        page.contains("&lt;script&gt;alert(&quot;x&quot;)"),
        "the name is there"
    );
    assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot;"), "and the folder");
    let marks = |page: &str| page.matches("class=\"simulated\"").count();
    assert_eq!((marks(&page), page.contains("class=\"banner\"")), (0, false));

    // a table of simulated answers was agreed with: that says nothing of the other scores
    let mut simulated = evaluation.clone();
    simulated.simulated = true;
    let mut agreement = simulated.scores[0].clone();
    (agreement.what, agreement.measure) = (
        What::Agreement,
        Measure::Agreement(Condition::OneShared, Criterion::default(), Heldout::All),
    );
    simulated.scores.push(agreement);
    write(&odd.join("evaluated"), &simulated);
    let (_, page) = written(&options(&[&odd], &out)).unwrap();
    assert!(page.contains("class=\"banner\""));
    let section = |page: &str, id: &str| {
        let (_, tail) = page.split_once(&format!("<section id=\"{id}\">")).unwrap();
        tail.split_once("</section>").unwrap().0.to_string()
    };
    assert_eq!(marks(&section(&page, "mes-normal")), 0);
    assert_eq!(marks(&section(&page, "agreement")), 2);

    // a run that such judgements went into: its scores, its curves and itself
    let record = r#"{"seed": 7, "parameters": 12, "parents":
        [{"recipe": "clean-paft", "hash": "abcdef", "simulated": true}], "starts": []}"#;
    fs::write(honest.join("run.json"), record).unwrap();
    let (_, page) = written(&options(&[&odd], &out)).unwrap();
    well_formed(&page);
    assert_eq!(
        marks(&section(&page, "mes-normal")),
        4,
        "heading and three lengths"
    );
    assert_eq!(marks(&section(&page, "curves")), 1);
    assert_eq!(marks(&section(&page, "runs")), 2, "itself and its parent");
}

#[test]
fn what_cannot_be_heard_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let runs = folder.path().join("runs");
    for instrument in [Instrument::Drums, Instrument::Bass] {
        let folder = runs.join("separator").join(instrument.name());
        run(
            &folder,
            &small("separator", Some(instrument), &[]),
            &corpus,
            identity,
        );
    }
    let gone = folder.path().join("gone");
    run(
        &runs.join("reconst"),
        &small("direct-reconst", None, &[]),
        &gone,
        |_, _| {},
    );
    let out = folder.path().join("out.html");
    let mut options = options(&[&runs], &out);
    let (_, page) = written(&options).unwrap();
    well_formed(&page);
    assert!(page.contains("Not heard: direct-reconst: "), "no reason");
    assert!(page.contains(gone.file_name().unwrap().to_str().unwrap()));
    // the mix, two true stems, and two that are the mix: their masks are ones
    let sounds: Vec<&str> = page
        .match_indices("<audio ")
        .map(|(at, _)| {
            page[at..]
                .split("src=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(sounds.len(), 5);
    assert!(page.contains("SDR "));
    // 4 s of 16 bits at 22,050 Hz with a header of 44 bytes, in base64
    let bytes: usize = 2 * 4 * 22_050 + 44;
    assert!(
        sounds
            .iter()
            .all(|sound| sound.len() == "data:audio/wav;base64,".len() + bytes.div_ceil(3) * 4),
        "{}",
        sounds[0].len()
    );

    options.audio = false;
    let (_, page) = written(&options).unwrap();
    assert!(!page.contains("<audio") && !page.contains("Not heard") && !page.contains("href=\"#sounds\""));

    options.audio = true;
    fs::remove_file(&out).unwrap();
    let stopped = report(&options, &Device::Cpu, &AtomicBool::new(true), &|_| {});
    assert!(matches!(stopped, Err(ReportError::Interrupted)));
    assert!(!out.exists());
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let out = path("out.html");
    let message = |folders: &[&Path], out: &Path| {
        let mut options = options(folders, out);
        options.audio = false;
        written(&options).map(|(done, _)| done).unwrap_err().to_string()
    };
    // nothing, no folder, and a file
    fs::create_dir(path("empty")).unwrap();
    let text = message(&[&path("empty")], &out);
    assert!(
        text.contains("nothing to report") && text.contains("empty"),
        "{text}"
    );
    let text = message(&[&path("none")], &out);
    assert!(text.contains("cannot list") && text.contains("none"), "{text}");
    // only what is broken
    fs::create_dir(path("broken")).unwrap();
    fs::write(path("broken").join("evaluation.json"), "{\"version\": 1").unwrap();
    let text = message(&[&path("broken")], &out);
    assert!(
        text.contains("broken/evaluation.json") && text.contains("damaged"),
        "{text}"
    );
    // one bad folder does not lose the rest, nor does a run without a log
    let good = path("good");
    untrained(&good, &small("clean", Some(Instrument::Bass), &[]), |_, _| {});
    fs::create_dir(path("unreadable")).unwrap();
    fs::write(path("unreadable").join("config.toml"), "corpus = 3").unwrap();
    fs::write(good.join("metrics.jsonl"), b"{\"step\": 1, \xff").unwrap();
    let mut options = options(&[folder.path()], &out);
    options.audio = false;
    let (done, page) = written(&options).unwrap();
    well_formed(&page);
    assert_eq!((done.runs, done.left_out.len()), (1, 3), "{:?}", done.left_out);
    let (_, left) = page.split_once("<section id=\"left-out\">").unwrap();
    assert!(left.contains("unreadable") && left.contains("broken"), "{left}");
    // where nothing can be written
    let text = message(&[&good], &path("empty"));
    assert!(text.contains("it is a folder"), "{text}");
    let text = message(&[&good], &path("none/out.html"));
    assert!(text.contains("its folder does not exist"), "{text}");

    // and on the command line
    let [good, out] = [&good, &out].map(|path| path.to_str().unwrap());
    let output = stemwise(&["report", good, "--out", out, "--no-audio"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 runs, 0 evaluations"), "{said}");
    let output = stemwise(&["report", path("empty").to_str().unwrap(), "--no-audio"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stemwise(&["report"]).status.code(), Some(2));
}

/// An evaluation that was written before distances were kept.
#[test]
fn an_older_evaluation_is_read() {
    let text = r#"{"version": "0.1.0", "device": "cpu", "runs": [], "identity": null, "simulated": false,
        "corpus": "slakh", "store": null, "judgements": null, "split": "test", "seed": 0, "seconds": 10.0,
        "pieces": null, "preset": "i25", "scores": [{"what": "correlation", "measure": "clean stem and mix",
        "instrument": "bass", "unit": "correlation", "value": -0.25, "interval": null, "n": 12, "pieces": 3,
        "seed": 0, "chance": 0.0, "trivial": null, "ceiling": null, "untrained": null}],
        "left_out": [{"what": "leak", "reason": "too <few> pieces"}], "confusion": [], "across": [], "pictures": []}"#;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("evaluation.json"), text).unwrap();
    let out = folder.path().join("report.html");
    let (done, page) = written(&options(&[folder.path()], &out)).unwrap();
    well_formed(&page);
    assert_eq!(done.left_out.len(), 1);
    assert!(page.contains("\u{2212}0.250") && page.contains("too &lt;few&gt; pieces"));
}
