//! Partial mixes, subsets, accompaniments, and what cannot be drawn.

use super::*;

#[test]
fn partial_triplets_let_each_instrument_sound_as_long() {
    // Drums in everything, bass with rests, piano in half, guitar in a fifth, residuals mostly alone.
    let mut scores: Vec<_> = (0..20)
        .map(|i| Score::constant(10 * LEN, 100.0, [true, true, i % 2 == 0, i % 5 == 0, i == 10]))
        .collect();
    for (i, score) in scores.iter_mut().enumerate() {
        score.rests[1].push((LEN, LEN * (2 + i as u64 % 6)));
    }
    scores.extend(vec![
        Score::constant(
            3 * LEN,
            90.0,
            [false, false, false, false, true]
        );
        4
    ]);
    for (scores, silent) in [
        (scores, None),
        (random_scores(1), None),
        (without_piano(), Some(Instrument::Piano)),
    ] {
        let sampler = sampler(&scores, 2, FRESH);
        let (draws, mut present, mut sizes) = (60_000, [0u32; 5], [0u32; 6]);
        let leads: Vec<Instrument> = others_or_all(silent).collect();
        for step in 0..draws {
            // every instrument leads as often
            let lead = leads[step as usize % leads.len()];
            let Excerpt { piece, start, .. } = sampler.segment(lead, step, 0).unwrap();
            let kept = sampler.kept(lead, step, 0);
            assert!(kept[lead as usize]);
            let sounds = |&i: &Instrument| kept[i as usize] && scores[piece as usize].sounds(i, start);
            let heard: Vec<Instrument> = Instrument::ALL.into_iter().filter(sounds).collect();
            sizes[heard.len()] += 1;
            heard.iter().for_each(|&i| present[i as usize] += 1);
        }
        let counts = others_or_all(silent).map(|i| f64::from(present[i as usize]));
        let counts: Vec<_> = counts.collect();
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        // A share p of n draws has a standard deviation of √(p (1 − p) / n): here up to 120 draws.
        assert!(counts.iter().all(|n| (n - mean).abs() < 480.0), "{counts:?}");
        assert!(silent.is_none_or(|i| present[i as usize] == 0));
        assert!(
            sizes[0] == 0 && sizes[1] > 0 && sizes[2] > 0,
            "single stems and mixes: {sizes:?}"
        );
    }
}

/// The members of a partial triplet are those of the whole one, all of the same instruments; the additional triplet is of
/// one of them.
#[test]
fn partial_triplets_are_triplets_of_some_stems() {
    let scores = vec![Score::constant(4 * LEN, 100.0, [true; 5]); 20];
    let sampler = sampler(&scores, 1, FRESH);
    let (target, mut additional, mut sizes) = (Instrument::Bass, 0, [0u32; 6]);
    for step in 0..200 {
        let kept = sampler.kept(target, step, 0);
        sizes[kept.iter().filter(|&&kept| kept).count()] += 1;
        let of = |mix: Mix| Instrument::ALL.map(|i| mix.sources[i as usize].filter(|_| kept[i as usize]));
        let pairs = [
            (
                sampler.triplet(target, step, 0),
                sampler.partial_triplet(target, step, 0),
            ),
            (
                sampler.pseudo_triplet(target, step, 0),
                sampler.partial_pseudo_triplet(target, step, 0),
            ),
        ];
        for (whole, partial) in pairs {
            let (whole, partial) = (whole.unwrap(), partial.unwrap());
            assert_eq!(partial.condition, target);
            assert_eq!(partial.anchor.sources, of(whole.anchor));
            assert_eq!(partial.positive.sources, of(whole.positive));
            assert_eq!(partial.negative.sources, of(whole.negative));
            assert!(
                partial
                    .additional
                    .is_none_or(|other| kept[other as usize] && other != target)
            );
            additional += usize::from(partial.additional.is_some());
        }
    }
    // whenever something else is kept: it sounds everywhere
    let alone = sizes[1];
    assert_eq!(additional as u32, 200 - alone);
    assert!(alone > 0 && sizes[2..].iter().sum::<u32>() > 100, "{sizes:?}");
}

/// Whole segments are heard with all that sounds; on a grid they begin at its points alone, and of few pieces only these
/// are drawn.
#[test]
fn segments_can_be_whole_on_a_grid_and_of_few_pieces() {
    let scores = random_scores(4);
    let all = catalogue(&scores, 1);
    let step = LEN / 2;
    let few = all.clone().on_grid(step).first(5);
    assert_eq!(few.pieces().len(), 5);
    for (piece, before) in few.pieces().iter().zip(all.pieces()) {
        for (starts, before) in piece.sounding.iter().zip(&before.sounding) {
            let wanted: Vec<u64> = (0..before.count())
                .filter_map(|i| before.nth(i))
                .filter(|s| s.is_multiple_of(step))
                .collect();
            let found: Vec<u64> = (0..starts.count()).filter_map(|i| starts.nth(i)).collect();
            assert_eq!(found, wanted);
        }
    }
    let sampler = Sampler::new(few, FRESH).unwrap();
    for step_ in 0..300 {
        let mix = sampler.whole(step_, 0).unwrap();
        let heard: Vec<Excerpt> = mix.sources.into_iter().flatten().collect();
        assert!(heard[0].piece < 5 && heard[0].start.is_multiple_of(step));
        for i in Instrument::ALL {
            let sounds = scores[heard[0].piece as usize].sounds(i, heard[0].start);
            assert_eq!(mix.sources[i as usize].is_some(), sounds);
        }
    }
}

fn without_piano() -> Vec<Score> {
    (0..6)
        .map(|i| Score::constant(9 * LEN, 80.0, [true, i > 1, false, i < 3, true]))
        .collect()
}

fn others_or_all(silent: Option<Instrument>) -> impl Iterator<Item = Instrument> {
    Instrument::ALL.into_iter().filter(move |&i| Some(i) != silent)
}

#[test]
fn every_subset_of_what_sounds() {
    let masks = |scores: &[Score]| {
        let sampler = sampler(scores, 1, FRESH);
        let of = |step| {
            let mix = sampler.stem_subset(step, 2).unwrap();
            let first = mix.sources.into_iter().flatten().next().expect("not empty");
            for e in mix.sources.into_iter().flatten() {
                assert_eq!((e.piece, e.start), (first.piece, first.start));
                assert!(scores[e.piece as usize].sounds(e.instrument, e.start));
            }
            let bits = (0..5).filter(|&i| mix.sources[i].is_some()).map(|i| 1u32 << i);
            (first, bits.sum::<u32>())
        };
        (0..31_000).map(of).collect::<Vec<_>>()
    };
    let full = vec![Score::constant(4 * LEN, 100.0, [true; 5]); 31];
    let drawn = masks(&full);
    assert_uniform(tally(1..32, drawn.iter().map(|d| d.1)), "31 subsets");
    assert_uniform(tally(0..31, drawn.iter().map(|d| d.0.piece)), "pieces");
    let two = vec![Score::constant(4 * LEN, 100.0, [true, false, false, true, false])];
    let drawn = masks(&two);
    assert_uniform(tally([1, 8, 9], drawn.iter().map(|d| d.1)), "3 subsets");
    let quarter = |d: &(Excerpt, u32)| 4 * d.0.start / (3 * LEN + 1);
    assert_uniform(tally(0..4, drawn.iter().map(quarter)), "starts");
    masks(&random_scores(2));
}

/// The rest of a pseudo piece for a judged stem: without the target, of the asked class where there is one, never of
/// the pieces that are left out, and two segments of one piece.
#[test]
fn accompaniments_are_of_the_class_and_leave_the_target_out() {
    let scores = random_scores(6);
    let sampler = sampler(&scores, 3, FRESH);
    let (catalogue, target) = (sampler.catalogue(), Instrument::Bass);
    let mut classes = HashSet::new();
    for index in 0..300 {
        let class = (index % 3) as usize;
        let except = [index as u32 % scores.len() as u32];
        let Ok([first, other]) = sampler.accompaniment(target, Some(class), &except, [5, index], false)
        else {
            continue;
        };
        let piece = source(&first, Instrument::Drums).piece;
        for mix in [first, other] {
            assert!(mix.sources[target as usize].is_none());
            assert!(mix.sources.iter().flatten().all(|excerpt| excerpt.piece == piece));
            let sounds = |e: &&Excerpt| catalogue.sounds(e.piece, e.instrument, e.start);
            assert!(
                mix.sources.iter().flatten().any(|excerpt| sounds(&excerpt)),
                "something sounds"
            );
        }
        assert_ne!(first, other);
        assert!(!except.contains(&piece));
        classes.insert((class, catalogue.class_of(piece)));
    }
    // of another class only where the asked one has no other piece
    let own = classes
        .iter()
        .filter(|(asked, given)| Some(*asked) == *given)
        .count();
    assert!(own >= 2, "{classes:?}");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let all = |frames, tempo| Score::constant(frames, tempo, [true; 5]);
    let message = |error: CorpusError| {
        assert!(matches!(error, CorpusError::Invalid { .. }));
        error.to_string()
    };
    let drums = Instrument::Drums;
    // Four pieces will do, three will not; nor will four of two classes, of unknown tempo or of drums alone.
    let four = vec![all(3 * LEN, 100.0); 4];
    assert!(sampler(&four, 1, FRESH).pseudo_triplet(drums, 0, 0).is_ok());
    let three = message(
        sampler(&four[..3], 1, FRESH)
            .pseudo_triplet(drums, 0, 0)
            .unwrap_err(),
    );
    for part in [
        "drums",
        "train split has 3 and 3",
        "3 pieces",
        "fewer tempo classes",
    ] {
        assert!(three.contains(part), "{part}: {three}");
    }
    let classes = [100.0, 100.0, 120.0, 120.0].map(|tempo| all(3 * LEN, tempo));
    let parted = message(
        sampler(&classes, 2, FRESH)
            .pseudo_triplet(drums, 0, 0)
            .unwrap_err(),
    );
    assert!(
        parted.contains("has 2 and 2 (4 pieces, 0 of them of unknown tempo, 2 classes)"),
        "{parted}"
    );
    assert!(sampler(&classes, 1, FRESH).pseudo_triplet(drums, 0, 0).is_ok());
    let mut untimed = four.clone();
    untimed[1].tempo = None;
    let untimed = message(
        sampler(&untimed, 1, FRESH)
            .pseudo_triplet(drums, 0, 0)
            .unwrap_err(),
    );
    assert!(untimed.contains("1 of them of unknown tempo"), "{untimed}");
    let mut solo = four.clone();
    solo[1] = Score::constant(3 * LEN, 100.0, [true, false, false, false, false]);
    let solo = message(sampler(&solo, 1, FRESH).pseudo_triplet(drums, 0, 0).unwrap_err());
    assert!(solo.contains("has 4 and 3"), "{solo}");
    // A piece of exactly one segment is no anchor.
    let exact = vec![all(LEN, 100.0); 4];
    let exact = sampler(&exact, 1, FRESH);
    assert!(exact.segment(drums, 0, 0).is_ok() && exact.pseudo_triplet(drums, 0, 0).is_err());
    let exact = message(exact.triplet(drums, 0, 0).unwrap_err());
    assert!(
        exact.contains("of the 4 pieces of the train split there are 4 and 0"),
        "{exact}"
    );

    assert!(
        sampler(&four[..1], 1, FRESH).triplet(drums, 0, 0).is_err(),
        "no negative"
    );
    assert!(sampler(&four[..2], 1, FRESH).triplet(drums, 0, 0).is_ok());
    let silent = sampler(&without_piano(), 1, FRESH);
    for refused in [
        silent.segment(Instrument::Piano, 0, 0).map(|_| ()),
        silent.validation_segments(Instrument::Piano, 5).map(|_| ()),
    ] {
        let message = message(refused.unwrap_err());
        assert!(
            message.contains("piano sounds in no segment of 4000 samples of the 6 pieces"),
            "{message}"
        );
    }
    let mute = sampler(&[Score::constant(9 * LEN, 80.0, [false; 5])], 1, FRESH);
    assert!(mute.whole(0, 0).is_err() && mute.stem_subset(0, 0).is_err());

    let of = |options| Sampler::new(catalogue(&four, 1), options).map(|_| ());
    assert!(of(SamplerOptions { batch: 0, ..FRESH }).is_err());
    let sampling = Sampling::FixedPerEpoch { size: 0 };
    assert!(of(SamplerOptions { sampling, ..FRESH }).is_err());
    let classes = TempoClasses::new(&[100.0], 1).unwrap();
    let catalogue = |pieces, len| Catalogue::new(Split::Test, pieces, len, &classes).map(|_| ());
    assert!(catalogue(vec![], 5).is_err());
    assert!(catalogue(vec![four[0].piece(1)], 0).is_err());
    let other_len = catalogue(vec![four[0].piece(1)], LEN as usize + 1).unwrap_err();
    assert!(message(other_len).contains("piece 1 exceeds"));
    let mut timeless = four[0].piece(1);
    timeless.tempo = Some(f64::NAN);
    assert!(catalogue(vec![timeless], LEN as usize).is_err());
}

#[test]
fn tempo_classes_are_of_equal_count() {
    let sizes = |classes: &TempoClasses, tempos: &[f64]| {
        let mut sizes = vec![0; classes.count()];
        tempos.iter().for_each(|&tempo| sizes[classes.of(tempo)] += 1);
        sizes
    };
    assert_eq!(
        [1710, 2100, 864, 863, 100, 10, 0].map(TempoClasses::default_count),
        [36, 36, 36, 35, 4, 1, 1]
    );
    // 1710 different tempos in no order
    let tempos: Vec<f64> = (0..1710).map(|i| 60.0 + f64::from(i * 7 % 1710) / 10.0).collect();
    let classes = TempoClasses::new(&tempos, 36).unwrap();
    assert_eq!(classes.count(), 36);
    assert!(sizes(&classes, &tempos).iter().all(|&n| n == 47 || n == 48));
    assert!(
        (0..3000).map(|i| classes.of(f64::from(i) / 10.0)).is_sorted(),
        "classes ascend"
    );
    assert_eq!((classes.of(1.0), classes.of(1e6)), (0, 35));

    // A tenth of them at 120: one large class, the others smaller and even.
    let tempos: Vec<f64> = tempos
        .iter()
        .map(|&t| if (115.0..132.0).contains(&t) { 120.0 } else { t })
        .collect();
    let classes = TempoClasses::new(&tempos, 36).unwrap();
    let mut uneven = sizes(&classes, &tempos);
    uneven.sort_unstable();
    assert_eq!(uneven.len(), 36);
    assert!(
        uneven[0] >= 40 && uneven[34] <= 48 && uneven[35] >= 170,
        "{uneven:?}"
    );

    // Few tempos make few classes, none empty, and no straggler makes one of its own.
    for (tempos, expected) in [
        (&[90.0; 9][..], &[9][..]),
        (&[90.0, 90.0, 90.0, 120.0, 120.0, 120.0], &[3, 3]),
        (
            &[80.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0, 121.0],
            &[9],
        ),
        (&[], &[0]),
    ] {
        let classes = TempoClasses::new(tempos, 3).unwrap();
        assert_eq!(sizes(&classes, tempos), expected);
    }
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(TempoClasses::new(&[100.0, wrong], 3).is_err());
    }
    assert!(TempoClasses::new(&[100.0], 0).is_err());
}
