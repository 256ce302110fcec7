//! The command line, on small networks.

use super::*;

#[test]
fn lengths_that_a_network_cannot_take_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 2);
    let set = ["front_end.stft_size=512", "front_end.stft_hop=256"];
    let run = untrained(&folder.path().join("h25"), &small("h25", None, &set), |_, _| {});
    // five poolings leave nothing of 0.12 s
    let output = evaluate(&[&run], &store, &["--what", "mes-normal", "--seconds", "0.4"]);
    let text = done(&output);
    assert!(text.contains("| 0.2 s |") && text.contains("| 0.4 s |"), "{text}");
    assert!(text.contains("cannot describe segments of 0.12 s"), "{text}");
}

/// A network of all instruments, that was never trained: all protocols, and the same again.
#[test]
fn a_network_of_all_instruments_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 7);
    let run = folder.path().join("run");
    untrained(&run, &small("direct-reconst", None, &[]), |_, _| {});
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let options = ["--pieces", "3", "--untrained", "--seed", "4"];
    let printed = done(&evaluate(
        &[&run],
        &store,
        &[&options[..], &["--out", one.to_str().unwrap()]].concat(),
    ));
    done(&evaluate(
        &[&run],
        &store,
        &[&options[..], &["--out", two.to_str().unwrap()]].concat(),
    ));
    for file in ["evaluation.json", "evaluation.md"] {
        assert!(
            fs::read(one.join(file)).unwrap() == fs::read(two.join(file)).unwrap(),
            "{file} differs"
        );
    }
    assert_eq!(
        fs::read_to_string(one.join("evaluation.md")).unwrap().trim(),
        printed.trim()
    );
    let found = read(&one);
    assert_eq!(
        (found.seed, found.split.as_str(), found.preset),
        (4, "test", Preset::I25)
    );
    assert!(found.store.is_some() && found.identity.is_some() && !found.simulated);
    assert_eq!(found.runs.len(), 1);
    let neither = [What::Agreement, What::Presence];
    for what in What::ALL.into_iter().filter(|what| !neither.contains(what)) {
        let scores: Vec<_> = found.scores.iter().filter(|score| score.what == what).collect();
        assert!(scores.len() >= 3, "{what}: {scores:?} {:?}", found.left_out);
        assert!(printed.contains(what.title()), "{printed}");
        for score in scores {
            assert!(score.n > 0 && score.pieces > 0 && score.seed == 4, "{score:?}");
            // it never left where it started from
            assert_eq!(score.untrained, Some(score.value), "{score:?}");
            assert!(score.chance.is_some() || what == What::Sdr, "{score:?}");
        }
    }
    assert_eq!(found.pictures.len(), 5);
    // another seed draws others
    let other = folder.path().join("other");
    let arguments = [
        "--pieces",
        "3",
        "--what",
        "mes-pseudo",
        "--out",
        other.to_str().unwrap(),
    ];
    done(&evaluate(
        &[&run],
        &store,
        &[&arguments[..], &["--seed", "5"]].concat(),
    ));
    let of = |found: &Evaluation| {
        let scores = found.scores.iter().filter(|score| score.what == What::MesPseudo);
        scores.map(|score| score.value).collect::<Vec<_>>()
    };
    assert_ne!(of(&read(&other)), of(&found));

    // Hashizume et al. ask half as long segments
    let short = folder.path().join("short");
    let mut arguments = arguments.to_vec();
    *arguments.last_mut().unwrap() = short.to_str().unwrap();
    done(&evaluate(
        &[&run],
        &store,
        &[&arguments[..], &["--preset", "h25"]].concat(),
    ));
    let short = read(&short);
    let measures = short.scores.into_iter().map(|score| score.measure);
    assert!(
        measures
            .into_iter()
            .all(|m| m == Measure::Pseudo(Preset::H25, Some(0.5)))
    );

    // with their figures: of three whole pieces, and of twelve pseudo pieces
    assert!(found.figures.is_empty());
    assert_eq!(short.figures.len(), 5);
    for figures in &short.figures {
        let all = |points: &[Point], of: fn(&Point) -> u32| points.iter().map(of).collect::<BTreeSet<u32>>();
        let targets = all(&figures.pseudo, |point| point.target);
        let rests = all(&figures.pseudo, |point| point.other);
        assert!(targets.len() == 3 && rests.len() == 4 && targets.is_disjoint(&rests));
        assert!(figures.pieces.iter().all(|point| point.target == point.other));
        assert!((4..=30).contains(&figures.pieces.len()) && figures.pseudo.len() <= 120);
        let stems = figures.stems.as_ref().unwrap();
        assert_eq!(stems.dimensions, 40);
        assert_eq!(stems.values.len(), 40 * figures.pieces.len());
    }

    // two draws are those of both seeds
    let both = folder.path().join("both");
    *arguments.last_mut().unwrap() = both.to_str().unwrap();
    arguments.extend(["--seed", "4", "--draws", "2"]);
    let printed = done(&evaluate(&[&run], &store, &arguments));
    assert!(printed.contains("standard deviation of draws"), "{printed}");
    let (both, other) = (read(&both), read(&other));
    assert_eq!((both.draws, both.ties), (2, Some(Ties::Lowest)));
    for score in &both.scores {
        let of = |found: &Evaluation| {
            let mut scores = found.scores.iter();
            let same = scores.find(|s| (s.what, s.instrument) == (score.what, score.instrument));
            same.unwrap().clone()
        };
        let (a, b) = (of(&found), of(&other));
        assert!((score.value - (a.value + b.value) / 2.0).abs() < 1e-12);
        // of two values, the deviation of a sample is their difference by √2
        let spread = (a.value - b.value).abs() / 2f64.sqrt();
        assert!((score.spread.unwrap() - spread).abs() < 1e-12, "{score:?}");
        assert_eq!((score.n, score.pieces), (a.n + b.n, a.pieces + b.pieces));
        assert_eq!((score.interval, a.spread), (None, None));
    }
}

/// Vectors of length one say nothing by their length; what sounds is said beside them.
#[test]
fn presence_is_evaluated_and_lengths_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 5);
    let run = folder.path().join("run");
    untrained(&run, &small("contrast", None, &[]), |_, _| {});
    let text = done(&evaluate(
        &[&run],
        &store,
        &["--what", "presence", "--seconds", "0.5"],
    ));
    assert!(
        text.contains("area under the ROC curve") && text.contains("50.00 %"),
        "{text}"
    );
    let refusal = evaluate(&[&run], &store, &["--what", "identification"]);
    refused(&refusal, 2, &["identification", "have a length", "contrast"]);
}

/// A mask of ones gives back the mix, which is what chance is.
#[test]
fn separation_is_judged_beside_the_mix() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 2);
    let run = folder.path().join("run");
    untrained(&run, &small("separator", Some(Instrument::Drums), &[]), identity);
    let out = folder.path().join("out");
    done(&evaluate(&[&run], &store, &["--out", out.to_str().unwrap()]));
    let found = read(&out);
    assert!(found.scores.iter().all(|score| score.what == What::Sdr));
    let sdr: Vec<_> = found
        .scores
        .iter()
        .filter(|score| matches!(score.measure, Measure::Separated(Ratio::Sdr, _)))
        .collect();
    assert_eq!(sdr.len(), 2);
    for score in sdr {
        // an f32 transform there and back again, far below the mix
        assert!((score.value - score.chance.unwrap()).abs() < 1e-3, "{score:?}");
        assert_eq!(score.instrument, Instrument::Drums);
        assert_eq!(score.silence, Some(0.0));
        // the drums are a part of the mix: turned down it is nearer to them
        assert!(score.gain.unwrap() > score.chance.unwrap(), "{score:?}");
    }
}

/// One mask of ones and four of zeros: one instrument is given the mix, the others silence.
#[test]
fn one_network_separates_all_instruments() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 2);
    let run = folder.path().join("run");
    untrained(
        &run,
        &small("separator-joint", None, &[]),
        |name, values| match name {
            "decoder.5.deconv.weight" => values.fill(0.0),
            "decoder.5.deconv.bias" => values.copy_from_slice(&[0.0, 40.0, 0.0, 0.0, 0.0]),
            _ => {}
        },
    );
    let out = folder.path().join("out");
    done(&evaluate(&[&run], &store, &["--out", out.to_str().unwrap()]));
    let found = read(&out);
    assert!(found.scores.iter().all(|score| score.what == What::Sdr));
    let medians = Measure::Separated(Ratio::Sdr, Average::Medians);
    let scores: Vec<_> = found.scores.iter().filter(|s| s.measure == medians).collect();
    assert_eq!(scores.len(), 5);
    for score in scores {
        let expected = match score.instrument {
            Instrument::Bass => score.chance.unwrap(),
            _ => 0.0,
        };
        // as above
        assert!((score.value - expected).abs() < 1e-3, "{score:?}");
    }
}

/// A pipeline from the corpus to the table, with judgements; and what does not go together.
#[test]
fn a_trained_pipeline_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 6);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (runs, judged) = (path("runs"), path("judged"));
    let mut arguments = vec![
        "pipeline",
        "cascade-normal",
        "--corpus",
        store.to_str().unwrap(),
        "--out",
        &runs,
    ];
    arguments.extend([
        "--device",
        "cpu",
        "--instruments",
        "drums,bass",
        "--set",
        "training.epochs=1",
    ]);
    SMALL
        .iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    // the preset's number of epochs is the last that is set
    arguments.extend(["--set", "training.epochs=1"]);
    done(&stemwise(&arguments));
    let corpus = path("corpus6");
    let mut arguments = vec![
        "abx", "simulate", "--corpus", &corpus, "--out", &judged, "--split", "test",
    ];
    arguments.extend(["--items", "20", "--subjects", "8", "--seed", "1"]);
    done(&stemwise(&arguments));
    let csv = fs::read_dir(&judged).unwrap().map(|entry| entry.unwrap().path());
    let csv = csv
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "csv"))
        .unwrap();

    let mut cascades: Vec<PathBuf> = Vec::new();
    let mut folders = vec![PathBuf::from(&runs)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.join("config.toml").is_file() {
                let config = fs::read_to_string(path.join("config.toml")).unwrap();
                cascades.extend(config.contains("name = \"cascade-normal\"").then_some(path));
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert_eq!(cascades.len(), 2);
    let both: Vec<&Path> = cascades.iter().map(PathBuf::as_path).collect();
    let out = folder.path().join("out");
    let judgements = csv.to_str().unwrap();
    let what = "mes-normal,mes-pseudo,sdr,agreement";
    let arguments = [
        "--judgements",
        judgements,
        "--untrained",
        "--pieces",
        "2",
        "--what",
        what,
        "--out",
    ];
    let arguments = [&arguments[..], &[out.to_str().unwrap()]].concat();
    let printed = done(&evaluate(&both, &store, &arguments));
    let found = read(&out);
    assert!(found.simulated && printed.contains("Simulated"), "{printed}");
    assert!(found.judgements.is_some());
    assert_eq!(
        found.runs.iter().map(|run| run.instrument).collect::<Vec<_>>(),
        [Some(Instrument::Drums), Some(Instrument::Bass)]
    );
    let agreed: Vec<_> = found
        .scores
        .iter()
        .filter(|score| score.what == What::Agreement)
        .collect();
    assert!(!agreed.is_empty(), "{:?}", found.left_out);
    for score in agreed {
        let [low, high] = score.interval.unwrap();
        assert!(
            low <= score.value && score.value <= high && score.value <= score.ceiling.unwrap(),
            "{score:?}"
        );
        assert_eq!(
            score.trivial.is_some(),
            matches!(score.measure, Measure::Agreement(Condition::OneShared, ..)),
            "{score:?}"
        );
    }
    assert!(
        found
            .scores
            .iter()
            .any(|s| s.what == What::Sdr && s.untrained != Some(s.value))
    );
    assert!(
        found
            .scores
            .iter()
            .all(|score| score.untrained.is_some() || score.what == What::Sdr)
    );

    held_out(&store, &csv, &folder.path().join("paft"));
    let direct = folder.path().join("direct");
    untrained(&direct, &small("direct", None, &[]), |_, _| {});
    let clean = folder.path().join("clean");
    untrained(&clean, &small("clean", Some(Instrument::Guitar), &[]), |_, _| {});
    refused(
        &evaluate(&[both[0], &direct], &store, &["--what", "mes-normal"]),
        1,
        &["given alone"],
    );
    refused(
        &evaluate(&[both[0], both[0]], &store, &["--what", "mes-normal"]),
        1,
        &["both describe"],
    );
    refused(
        &evaluate(&[&clean], &store, &["--what", "leak"]),
        2,
        &["leak", "describe mixes", "clean"],
    );
    refused(
        &evaluate(&[&direct], &store, &["--what", "sdr"]),
        2,
        &["sdr", "separate"],
    );
    refused(
        &evaluate(&both, &store, &["--what", "agreement"]),
        2,
        &["--judgements"],
    );
    refused(
        &evaluate(&both, &store, &["--what", "everything"]),
        2,
        &["mes-pseudo"],
    );
    refused(&evaluate(&both, &store, &["--pieces", "0"]), 2, &["--pieces"]);
    refused(
        &evaluate(&both, &store, &["--draws", "0"]),
        2,
        &["--draws", "1 to 1000"],
    );
    refused(
        &evaluate(&both, &store, &["--ties", "first"]),
        2,
        &["lowest or nearest"],
    );
    refused(
        &evaluate(&[&direct], &store, &["--what", "mes-pseudo"]),
        1,
        &["needs 10 pieces", "--pieces"],
    );
    refused(
        &evaluate(&[&direct], &store, &["--seconds", "30"]),
        1,
        &["two segments", "--seconds"],
    );
    refused(
        &evaluate(&[folder.path()], &store, &[]),
        1,
        &["not the folder of a run"],
    );
    let split = evaluate(&[&direct], &store, &["--split", "omitted"]);
    refused(&split, 2, &["no pieces in 'omitted'", "test (6)"]);
}

/// A run that was trained on a table is asked about the rest of it.
fn held_out(store: &Path, csv: &Path, runs: &Path) {
    let (store, csv, out) = (store, csv.to_str().unwrap(), runs.to_str().unwrap());
    let mut arguments = vec![
        "pipeline",
        "clean-paft",
        "--corpus",
        store.to_str().unwrap(),
        "--out",
        out,
    ];
    arguments.extend(["--device", "cpu", "--instruments", "drums", "--judgements", csv]);
    SMALL
        .iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    arguments.extend(["--set", "training.epochs=1"]);
    done(&stemwise(&arguments));
    let items = |run: &str, mark: bool, criterion: Criterion| {
        let share = criterion.share.to_string();
        let folder = runs.join(format!("evaluated-{run}-{share}"));
        let more = [
            "--what",
            "agreement",
            "--judgements",
            csv,
            "--share",
            &share,
            "--out",
            folder.to_str().unwrap(),
        ];
        done(&evaluate(&[&runs.join(run).join("drums")], store, &more));
        let found = read(&folder);
        assert!(found.simulated);
        assert!(found.scores.iter().all(|score| {
            let Measure::Agreement(_, by, heldout) = score.measure else {
                panic!("{score:?}")
            };
            by == criterion && (heldout == Heldout::Part) == mark
        }));
        found.scores.iter().map(|score| score.pieces).sum::<usize>()
    };
    let usual = Criterion::default();
    let (all, held_out) = (items("clean", false, usual), items("clean-paft", true, usual));
    // by another share: of those, the ones that it was not trained on
    let share = Share::AtLeast80;
    let other = Criterion { share, ..usual };
    let (all_others, others) = (items("clean", false, other), items("clean-paft", true, other));
    assert!(
        all_others > 0 && others <= held_out && others < all_others,
        "{others} of {all_others}"
    );
    // 3 of 10, of either condition to the nearest
    assert!(
        held_out >= 1 && (all as f64 * 0.3 - held_out as f64).abs() <= 1.0,
        "{held_out} of {all}"
    );
}
