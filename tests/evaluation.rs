//! The papers' protocols: that they ask what they say, and their command.

mod common;

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::AtomicBool,
};

use common::{
    SMALL, identity, noise,
    program::{done, refused, stemwise},
    small, untrained,
};
use stemwise::{
    corpus::{
        Catalogue, Corpus, Instrument, Mix, Piece, SoundingStarts, Split, TempoClasses,
        store::{PrepareOptions, prepare},
        synth::{SynthOptions, synthesise},
    },
    eval::{
        EvalError, Evaluation, K, Preset, Subject, What, correlation, identification, leak, mes_normal,
        mes_pseudo,
    },
    metrics::{Embeddings, nearest_others},
};

const LEN: usize = 4096;

/// Pieces in which everything sounds all the time, of two tempo classes.
fn catalogue(count: u32) -> Catalogue {
    let frames = 6 * LEN;
    let starts = SoundingStarts::find(&noise(frames), LEN);
    let piece = |id| Piece {
        id: 100 + id,
        frames: frames as u64,
        tempo: Some(if id % 2 == 0 { 90.0 } else { 140.0 }),
        sounding: std::array::from_fn(|_| starts.clone()),
    };
    let classes = TempoClasses::new(&[90.0, 90.0, 140.0, 140.0], 2).unwrap();
    Catalogue::new(Split::Test, (0..count).map(piece).collect(), LEN, &classes).unwrap()
}

/// A model that knows nothing but one piece of a mix: where the target is from, or the rest.
struct Knows {
    target: bool,
    asked: RefCell<Vec<Mix>>,
}

impl Knows {
    fn only(target: bool) -> Self {
        let asked = RefCell::default();
        Knows { target, asked }
    }
}

/// Numbers in ±0.5 that depend on nothing but these.
fn numbers(of: u64, count: usize) -> Vec<f32> {
    let mut state = of.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..16).for_each(|_| {
        next();
    });
    (0..count).map(|_| next()).collect()
}

impl Subject for Knows {
    fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        self.asked.borrow_mut().extend_from_slice(mixes);
        let vector = |mix: &Mix| {
            let rest = Instrument::ALL
                .into_iter()
                .find(|&other| other != instrument)
                .unwrap();
            let heard = mix.sources[if self.target { instrument } else { rest } as usize].unwrap();
            let mut vector = numbers(u64::from(heard.piece) + 1, 16);
            // and, faintly, the segment
            let faint = numbers(1_000_003 * (heard.start + 1) + u64::from(heard.piece), 16);
            vector.iter_mut().zip(faint).for_each(|(x, y)| *x += 1e-3 * y);
            vector
        };
        Ok(mixes.iter().flat_map(vector).collect())
    }

    fn describe_all(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        let mut rows: Vec<Vec<f32>> = vec![Vec::new(); mixes.len()];
        for instrument in Instrument::ALL {
            let space = self.describe(instrument, mixes)?;
            rows.iter_mut()
                .zip(space.chunks(16))
                .for_each(|(row, space)| row.extend(space));
        }
        Ok(rows.concat())
    }
}

/// Who knows only the target is always right; who knows only the rest is right by chance.
#[test]
fn pseudo_pieces_give_the_rest_no_say() {
    let catalogue = catalogue(60);
    for preset in [Preset::I25, Preset::I24, Preset::H25] {
        let (mut found, mut chance, mut rounds) = (0.0, 0.0, 0.0);
        for instrument in Instrument::ALL {
            for seed in 0..4 {
                let mut target = Knows::only(true);
                let scored = mes_pseudo(&mut target, &catalogue, instrument, preset, None, seed).unwrap();
                assert_eq!(scored.hits.share(), 1.0, "{preset} {instrument} {seed}");
                assert_eq!(scored.labels, 10);
                let groups = 10 * (preset.others() + usize::from(preset.normal()));
                assert_eq!(scored.pieces, groups);
                assert_eq!(scored.hits.trials() as usize, 6 * groups);
                let mut rest = Knows::only(false);
                let scored = mes_pseudo(&mut rest, &catalogue, instrument, preset, None, seed).unwrap();
                found += scored.hits.share();
                // if the query's own pseudo piece were not left out, the rest alone would be enough
                let mixes = rest.asked.take();
                let vectors = rest.describe(instrument, &mixes).unwrap();
                let labels: Vec<u32> = mixes
                    .iter()
                    .map(|mix| mix.sources[instrument as usize].unwrap().piece)
                    .collect();
                let all = nearest_others(Embeddings::new(&vectors, 16).unwrap(), K, None).unwrap();
                assert_eq!(all.accuracy(&labels).unwrap().share(), 1.0);
                chance += scored.chance;
                rounds += 1.0;
            }
        }
        let (found, chance) = (found / rounds, chance / rounds);
        // Of 10 labels with 4 or 5 groups each, 3 of 39, 4 of 49 or 3 of 39 candidates are right.
        assert!((0.06..0.10).contains(&chance), "{preset}: {chance}");
        // The neighbours of a group are those of one other group: 20 times 40 choices, of standard deviation
        // √(0.08 · 0.92 / 800) = 0.01. Who was asked about their own piece would be right all the time.
        assert!(
            (found - chance).abs() < 0.04,
            "{preset}: {found}, by chance {chance}"
        );
    }
}

/// What is asked is made as the protocol says, by the seed and nothing else.
#[test]
fn pseudo_pieces_are_drawn_by_the_seed() {
    let catalogue = catalogue(60);
    let asked = |seed, limit| {
        let mut subject = Knows::only(true);
        mes_pseudo(
            &mut subject,
            &catalogue,
            Instrument::Bass,
            Preset::I25,
            limit,
            seed,
        )
        .unwrap();
        subject.asked.into_inner()
    };
    let mixes = asked(1, None);
    assert_eq!(mixes, asked(1, None));
    assert_ne!(mixes, asked(2, None));
    let piece = |mix: &Mix, i: Instrument| mix.sources[i as usize].unwrap().piece;
    let mut targets: Vec<u32> = mixes.iter().map(|mix| piece(mix, Instrument::Bass)).collect();
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(targets.len(), 10);
    let mut others = Vec::new();
    for mix in &mixes {
        let other = piece(mix, Instrument::Drums);
        let rest = [Instrument::Piano, Instrument::Guitar, Instrument::Residuals];
        assert!(rest.into_iter().all(|i| piece(mix, i) == other));
        if other != piece(mix, Instrument::Bass) {
            assert!(!targets.contains(&other), "{other} gives a target, too");
            // a tempo class has enough pieces
            assert_eq!(other % 2, piece(mix, Instrument::Bass) % 2);
            others.push((other, piece(mix, Instrument::Bass)));
        }
    }
    others.sort_unstable();
    others.dedup();
    assert_eq!(others.len(), 30);
    others.dedup_by_key(|(other, _)| *other);
    assert_eq!(others.len(), 30, "every rest is heard with one target only");
    // fewer target pieces
    let few = asked(1, Some(4));
    let mut targets: Vec<u32> = few.iter().map(|mix| piece(mix, Instrument::Bass)).collect();
    targets.dedup();
    assert_eq!(targets.len(), 4);
}

#[test]
fn the_leak_check_tells_target_and_rest_apart() {
    let catalogue = catalogue(24);
    for target in [true, false] {
        let mut subject = Knows::only(target);
        let found = leak(&mut subject, &catalogue, Instrument::Piano, None, 3).unwrap();
        let (known, unknown) = match target {
            true => (found.target, found.other),
            false => (found.other, found.target),
        };
        assert_eq!(known.hits.share(), 1.0);
        assert_eq!(known.hits.trials(), 1000);
        // The neighbours are 5 of the 99 other segments of a piece, of which 9 are right. A thousand queries of
        // standard deviation 0.3 share neighbours; a tenth of 1000 that do not would give ±0.03.
        assert!((0.05..0.15).contains(&unknown.chance), "{}", unknown.chance);
        assert!(
            (unknown.hits.share() - unknown.chance).abs() < 0.09,
            "{:?}",
            unknown
        );
        assert_eq!(found.points.len(), 1000);
        let point = found.points[0];
        assert!(point.x.is_finite() && point.target >= 100 && point.other != point.target);
        let again = leak(&mut Knows::only(target), &catalogue, Instrument::Piano, None, 3).unwrap();
        assert_eq!(again.points, found.points);
    }
}

#[test]
fn other_protocols_ask_what_they_say() {
    let catalogue = catalogue(12);
    let mut subject = Knows::only(true);
    let scored = mes_normal(&mut subject, &catalogue, Instrument::Drums, Some(5), 0).unwrap();
    assert_eq!(
        (scored.hits.share(), scored.labels, scored.hits.trials()),
        (1.0, 5, 30)
    );
    // 5 of 29 others are right; a vote of five for one of five labels
    assert!((0.08..0.3).contains(&scored.chance), "{}", scored.chance);

    /// Loud where it hears something.
    struct Loud;
    impl Subject for Loud {
        fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
            // bass is taken for drums
            let of = match instrument {
                Instrument::Drums => Instrument::Bass,
                Instrument::Bass => Instrument::Drums,
                other => other,
            };
            let loud = |mix: &Mix| {
                let heard = mix.sources[of as usize];
                numbers(heard.map_or(0, |e| u64::from(e.piece) * 1000 + e.start + 1), 4)
                    .into_iter()
                    .map(move |x| if heard.is_some() { 10.0 + x } else { 0.1 * x })
            };
            Ok(mixes.iter().flat_map(loud).collect())
        }
        fn describe_all(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
            let mut rows: Vec<Vec<f32>> = vec![Vec::new(); mixes.len()];
            for instrument in Instrument::ALL {
                let space = self.describe(instrument, mixes)?;
                rows.iter_mut()
                    .zip(space.chunks(4))
                    .for_each(|(row, space)| row.extend(space));
            }
            Ok(rows.concat())
        }
    }
    let found = identification(&mut Loud, &catalogue, None, 0).unwrap();
    let shares = found.of.map(|hits| hits.unwrap().share());
    assert_eq!(shares, [0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(found.confusion[0], [0, 72, 0, 0, 0]);

    // the vectors of piano, guitar and residuals are the same alone and in a mix; two are constant alone
    let found = correlation(&mut Loud, &catalogue, Some(6), 0).unwrap();
    for instrument in [Instrument::Piano, Instrument::Guitar, Instrument::Residuals] {
        let (r, segments) = found.clean_and_mix[instrument as usize].unwrap();
        assert!((r - 1.0).abs() < 1e-12, "{r}");
        assert_eq!(segments, 36);
    }
    assert_eq!(found.clean_and_mix[0], None);
    // one piece and one place give all five the same numbers
    assert!((found.across[0][3].unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn what_is_missing_is_named() {
    let few = catalogue(12);
    let message = |error: EvalError| error.to_string();
    let of = |limit| {
        let mut subject = Knows::only(true);
        mes_pseudo(&mut subject, &few, Instrument::Bass, Preset::I25, limit, 0)
    };
    let text = message(of(None).unwrap_err());
    assert!(
        text.contains("MES-Pseudo i25 of bass needs 10 pieces")
            && text.contains("3 others")
            && text.contains("12"),
        "{text}"
    );
    of(Some(9)).unwrap();
    let mut subject = Knows::only(true);
    let text = message(leak(&mut subject, &few, Instrument::Bass, None, 0).unwrap_err());
    assert!(text.contains("the leak check of bass needs 10 pieces"), "{text}");
    let text = message(mes_normal(&mut subject, &few, Instrument::Bass, Some(1), 0).unwrap_err());
    assert!(text.contains("two pieces"), "{text}");
}

/// A store with a test split, or without.
fn store(folder: &Path, test: u32) -> PathBuf {
    let root = folder.join(format!("corpus{test}"));
    let options = SynthOptions {
        seed: 5,
        train: 5,
        validation: 5,
        test,
        seconds: 6.0,
    };
    synthesise(&root, &options, &|_, _| {}).unwrap();
    let store = folder.join(format!("store{test}"));
    let corpus = Corpus::open(&root).unwrap();
    prepare(
        &corpus,
        &store,
        &PrepareOptions::default(),
        &AtomicBool::new(false),
        &|_| {},
    )
    .unwrap();
    store
}

/// Evaluates on the processor with segments of a second.
fn evaluate(runs: &[&Path], store: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["evaluate", "--corpus", store.to_str().unwrap(), "--device", "cpu"];
    for run in runs {
        arguments.extend(["--model", run.to_str().unwrap()]);
    }
    if !more.contains(&"--seconds") {
        arguments.extend(["--seconds", "1"]);
    }
    arguments.extend(more);
    stemwise(&arguments)
}

fn read(folder: &Path) -> Evaluation {
    serde_json::from_slice(&fs::read(folder.join("evaluation.json")).unwrap()).unwrap()
}

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
        (found.seed, found.split.as_str(), found.preset.as_str()),
        (4, "test", "i25")
    );
    assert!(found.store.is_some() && found.identity.is_some() && !found.simulated);
    assert_eq!(found.runs.len(), 1);
    for what in What::ALL.into_iter().filter(|&what| what != What::Agreement) {
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
        "--seed",
        "5",
        "--what",
        "mes-pseudo",
        "--out",
        other.to_str().unwrap(),
    ];
    done(&evaluate(&[&run], &store, &arguments));
    let of = |found: &Evaluation| {
        let scores = found.scores.iter().filter(|score| score.what == What::MesPseudo);
        scores.map(|score| score.value).collect::<Vec<_>>()
    };
    assert_ne!(of(&read(&other)), of(&found));
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
        .filter(|score| score.measure.starts_with("SDR"))
        .collect();
    assert_eq!(sdr.len(), 2);
    for score in sdr {
        // an f32 transform there and back again, far below the mix
        assert!((score.value - score.chance.unwrap()).abs() < 1e-3, "{score:?}");
        assert_eq!(score.instrument, Instrument::Drums);
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
            score.measure.starts_with("One-Shared"),
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
        &["no folder of a run"],
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
    let items = |run: &str, mark: bool| {
        let folder = runs.join(format!("evaluated-{run}"));
        let more = [
            "--what",
            "agreement",
            "--judgements",
            csv,
            "--out",
            folder.to_str().unwrap(),
        ];
        done(&evaluate(&[&runs.join(run).join("drums")], store, &more));
        let found = read(&folder);
        assert!(found.simulated);
        assert!(
            found
                .scores
                .iter()
                .all(|score| score.measure.contains("held out") == mark)
        );
        found.scores.iter().map(|score| score.pieces).sum::<usize>()
    };
    let (all, held_out) = (items("clean", false), items("clean-paft", true));
    // 3 of 10, of either condition to the nearest
    assert!(
        held_out >= 1 && (all as f64 * 0.3 - held_out as f64).abs() <= 1.0,
        "{held_out} of {all}"
    );
}
