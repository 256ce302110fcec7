//! Judgements that nobody made.

use super::*;

fn options() -> SimulateOptions {
    SimulateOptions {
        items: 6,
        subjects: 7,
        ..SimulateOptions::default()
    }
}

fn simulated(options: &SimulateOptions) -> (TempDir, Judgements, Clips) {
    let folder = tempfile::tempdir().unwrap();
    let simulation = simulate(
        &Corpus::open(corpus()).unwrap(),
        folder.path(),
        options,
        &|_, _| {},
    )
    .unwrap();
    let judgements = Judgements::read(&folder.path().join(CSV_FILE)).unwrap();
    let clips = Clips::read(&[folder.path().join(JSON_FILE)]).unwrap();
    assert_eq!(judgements.rows(), simulation.rows);
    let cells = 10 - simulation.missing.len() as u64;
    assert_eq!(simulation.items, cells * u64::from(options.items));
    (folder, judgements, clips)
}

fn traits(track: u32, instrument: Instrument) -> Traits {
    let corpus = Corpus::open(corpus()).unwrap();
    let track = corpus.split(Split::Test).iter().find(|t| t.id == track).unwrap();
    let stems = track.instrument_stems(instrument).unwrap();
    Traits {
        piece: track.id,
        programs: stems.iter().map(|stem| stem.metadata.program_num).collect(),
        tempo: Some(stemwise::corpus::midi::read_tempo(&track.midi_path()).unwrap()),
    }
}

#[test]
fn simulated_files_read_as_real_ones_do() {
    let (_folder, judgements, clips) = simulated(&options());
    assert!(
        judgements.simulated()
            && clips.simulated()
            && Summary::of(&judgements, Criterion::default()).simulated
    );
    assert_eq!((judgements.subjects(), judgements.dummies()), (7, 14));
    assert_eq!(judgements.rows(), 7 * (judgements.items().len() as u64 + 2));
    let corpus = Corpus::open(corpus()).unwrap();
    let mut seen = BTreeSet::new();
    for item in judgements.items() {
        let instrument = item.part().instrument().unwrap();
        seen.insert((instrument, item.condition()));
        assert_eq!(
            item.answers(Aspect::Total).given(),
            7,
            "every subject judges every item once"
        );
        let all =
            [&item.reference, &item.samples[0], &item.samples[1]].map(|sample| clips.of(sample).unwrap());
        for clip in all {
            assert_eq!((clip.end - clip.start, clip.rate), (220_500, 44_100));
            let track = corpus
                .split(Split::Test)
                .iter()
                .find(|track| track.id == clip.track)
                .unwrap();
            let sound = load_instrument(track, instrument, clip.start, 220_500, 44_100).unwrap();
            assert!(!is_silent(&sound), "{item:?}");
        }
        if let Some(own) = item.own {
            let distance = all[0].start.abs_diff(all[1 + own as usize].start);
            assert!(distance > 0, "X is not its own sample");
        }
    }
    for condition in Condition::ALL {
        assert!(
            seen.contains(&(Instrument::Drums, condition)) && seen.contains(&(Instrument::Bass, condition))
        );
    }
    let none: u32 = judgements
        .items()
        .iter()
        .map(|item| item.answers(Aspect::Timbre).none)
        .sum();
    assert!(none > 0, "sometimes there is no answer");
    // what training takes
    let judged = Items::clear(&judgements, Criterion::default()).judged();
    assert_eq!(clips.triplets(&judged).unwrap().len(), judged.len());
}

#[test]
fn without_noise_the_oracle_is_followed() {
    let (_folder, judgements, _) = simulated(&SimulateOptions {
        noise: 0.0,
        ..options()
    });
    let mut told = 0;
    for item in judgements.items() {
        let instrument = item.part().instrument().unwrap();
        let x = traits(item.reference.track().unwrap(), instrument);
        let likeness = item
            .samples
            .each_ref()
            .map(|sample| Likeness::of(&x, &traits(sample.track().unwrap(), instrument)));
        for aspect in [Aspect::Timbre, Aspect::Rhythm, Aspect::Total] {
            let [a, b] = likeness.map(|likeness| likeness.in_aspect(aspect));
            let answers = item.answers(aspect);
            if a != b {
                assert_eq!(
                    answers.sides[usize::from(a > b)],
                    0,
                    "{aspect:?} of {item:?}: {a} {b}"
                );
                told += answers.given();
            }
        }
        if item.own.is_some() {
            assert_eq!(item.closer(Criterion::default()), item.own);
        }
    }
    assert!(told > 500, "{told}");
    let summary = Summary::of(&judgements, Criterion::default());
    assert_eq!(summary.instruments[1].baseline, Some(100.0));
}

#[test]
fn more_noise_less_agreement() {
    let majority = |noise| {
        let (_folder, judgements, _) = simulated(&SimulateOptions {
            noise,
            items: 30,
            subjects: 9,
            ..options()
        });
        let answers = judgements.items().iter().map(|item| item.answers(Aspect::Total));
        let (most, all) = answers.fold((0, 0), |(most, all), answers| {
            (most + answers.sides.iter().max().unwrap(), all + answers.given())
        });
        f64::from(most) / f64::from(all)
    };
    let [little, some, much] = [0.05, 0.5, 50.0].map(majority);
    // nine coin tosses have a majority of 63.7 % on average; the standard error over 300 items is 0.5 %
    // with little noise only those that the oracle finds equally alike are tossed for
    assert!(
        little > 0.9 && some < little - 0.02 && some > much + 0.1,
        "{little} {some} {much}"
    );
    assert!((0.61..0.66).contains(&much), "{much}");
}

#[test]
fn a_simulation_is_a_function_of_its_seed() {
    let bytes = |seed| {
        let (folder, ..) = simulated(&SimulateOptions { seed, ..options() });
        [CSV_FILE, JSON_FILE].map(|file| fs::read(folder.path().join(file)).unwrap())
    };
    let one = bytes(1);
    assert!(one == bytes(1));
    let other = bytes(2);
    assert!(one[0] != other[0] && one[1] != other[1]);
}
