//! Triplets of ordinary and of pseudo pieces.

use super::*;

#[test]
fn a_segment_sounds_wherever_it_is() {
    for (scores, sampler) in corpora() {
        for target in Instrument::ALL {
            let usable: Vec<u32> = (0..scores.len() as u32)
                .filter(|&p| !scores[p as usize].of(target).is_empty())
                .collect();
            assert_eq!(sampler.catalogue().usable(target), usable);
            let drawn: Vec<_> = (0..6000)
                .map(|step| sampler.segment(target, step, 3).unwrap())
                .collect();
            for e in &drawn {
                assert_eq!(e.instrument, target);
                assert!(scores[e.piece as usize].sounds(target, e.start));
            }
            assert_uniform(tally(usable.clone(), drawn.iter().map(|e| e.piece)), "pieces");
            // Tenths of all places of the longest of these pieces.
            let long = usable
                .into_iter()
                .max_by_key(|&p| scores[p as usize].of(target).len())
                .unwrap();
            let starts = scores[long as usize].of(target);
            let steps = 0..40_000;
            let here = steps
                .map(|step| sampler.segment(target, step, 0).unwrap())
                .filter(|e| e.piece == long);
            let tenth = |e: Excerpt| 10 * starts.binary_search(&e.start).unwrap() / starts.len();
            assert_uniform(tally(0..10, here.map(tenth)), "starts");
        }
    }
}

#[test]
fn triplets_of_ordinary_pieces() {
    for (scores, sampler) in corpora() {
        for target in Instrument::ALL {
            let starts: Vec<_> = scores.iter().map(|score| score.of(target)).collect();
            let mut anchors = Vec::new();
            for step in 0..3000 {
                let Triplet {
                    condition,
                    additional,
                    anchor,
                    positive,
                    negative,
                } = sampler.triplet(target, step, 1).unwrap();
                assert_eq!((condition, additional), (target, None));
                let places = [anchor, positive, negative].map(|mix| {
                    let e = source(&mix, target);
                    assert_eq!(mix, Mix::of_piece(e.piece, e.start));
                    assert!(scores[e.piece as usize].sounds(target, e.start));
                    e
                });
                assert_eq!(places[0].piece, places[1].piece);
                assert_ne!(places[0].piece, places[2].piece);
                assert_apart(
                    &starts[places[0].piece as usize],
                    places[0].start,
                    places[1].start,
                );
                anchors.push(places[0].piece);
            }
            let twice = (0..scores.len() as u32).filter(|&p| starts[p as usize].len() >= 2);
            assert_uniform(tally(twice, anchors), "pieces of anchors");
        }
    }
}

/// The pieces A, B, C, D of a triplet, after a check of all that holds for each.
fn check_pseudo(scores: &[Score], sampler: &Sampler, target: Instrument, triplet: &Triplet) -> [u32; 4] {
    assert_eq!(triplet.condition, target);
    let mixes = [&triplet.anchor, &triplet.positive, &triplet.negative];
    let [anchor, positive, negative] = mixes.map(|mix| source(mix, target));
    let [first, b, other] = mixes.map(|mix| rest(mix, target));
    // the target is C, C, D and the rest A, B, A
    assert_eq!(anchor.piece, positive.piece);
    assert_eq!(first.0, other.0);
    let pieces = [first.0, b.0, anchor.piece, negative.piece];
    assert_eq!(
        pieces.iter().collect::<HashSet<_>>().len(),
        4,
        "four different pieces"
    );
    let classes = pieces.map(|p| sampler.catalogue().class_of(p).expect("of known tempo"));
    assert!(
        classes.iter().all(|&class| class == classes[0]),
        "one tempo class"
    );

    for e in [anchor, positive, negative] {
        assert!(scores[e.piece as usize].sounds(target, e.start));
    }
    for (piece, start) in [first, b, other] {
        assert!(
            others(target).any(|i| scores[piece as usize].sounds(i, start)),
            "a rest that sounds"
        );
    }
    let sounds_in_all = |&i: &Instrument| {
        let sounds = |(piece, start): (u32, u64)| scores[piece as usize].sounds(i, start);
        [first, b, other].into_iter().all(sounds)
    };
    let shared: Vec<_> = others(target).filter(sounds_in_all).collect();
    match triplet.additional {
        Some(additional) => assert!(shared.contains(&additional)),
        None => assert!(shared.is_empty(), "{shared:?} would do"),
    }
    // In its roles (a, n, p), the additional triplet has its stem from one piece, one piece, and another.
    if let Some(additional) = triplet.additional {
        let [a, p, n] = mixes.map(|mix| source(mix, additional));
        assert!(a.piece == n.piece && a.start != n.start && a.piece != p.piece);
    }
    pieces
}

#[test]
fn triplets_of_pseudo_pieces() {
    for (scores, sampler) in corpora() {
        for target in Instrument::ALL {
            let own: Vec<_> = scores.iter().map(|score| score.of(target)).collect();
            let beside: Vec<_> = scores.iter().map(|score| score.beside(target)).collect();
            for step in 0..2000 {
                let triplet = sampler.pseudo_triplet(target, step, step % 16).unwrap();
                let [a, _, c, _] = check_pseudo(&scores, &sampler, target, &triplet);
                let starts = |mix: &Mix| (source(mix, target).start, rest(mix, target).1);
                let (anchor, positive, negative) = (
                    starts(&triplet.anchor),
                    starts(&triplet.positive),
                    starts(&triplet.negative),
                );
                assert_apart(&own[c as usize], anchor.0, positive.0);
                assert_apart(&beside[a as usize], anchor.1, negative.1);
            }
        }
    }
}

#[test]
fn every_piece_plays_every_part_as_often() {
    let scores: Vec<_> = (0..10)
        .map(|i| {
            Score::constant(
                5 * LEN,
                100.0 + f64::from(i / 5),
                [true, true, true, i != 0, true],
            )
        })
        .collect();
    let sampler = sampler(&scores, 2, FRESH);
    let (target, draws) = (Instrument::Guitar, 20_000);
    let drawn: Vec<_> = (0..draws)
        .map(|step| sampler.pseudo_triplet(target, step, 0).unwrap())
        .collect();
    let parts: Vec<_> = drawn
        .iter()
        .map(|t| check_pseudo(&scores, &sampler, target, t))
        .collect();
    // The nine pieces with guitar give the target, all of them as often; the one without gives the rest all the
    // more often.
    assert_uniform(tally(1..10, parts.iter().map(|p| p[2])), "C");
    let second_class = parts.iter().filter(|p| p[2] >= 5);
    for part in [0, 1, 3] {
        let pieces = second_class.clone().map(|p| p[part]);
        assert_uniform(
            tally(5..10, pieces),
            "A, B and D of a class in which all play all",
        );
    }
    let first_class = parts.iter().filter(|p| p[2] < 5);
    for part in [0, 1] {
        // Three of four are A or B of each, the silent one never being C or D: 1/3 each; the others have 2/3 × 1/4.
        let silent = first_class.clone().filter(|p| p[part] == 0).count() as f64;
        let share = silent / first_class.clone().count() as f64;
        assert!((share - 1.0 / 3.0).abs() < 0.02, "{share}");
    }
    let additional = drawn.iter().map(|t| t.additional);
    let (all, few): (Vec<_>, Vec<_>) = additional.zip(&parts).partition(|(_, p)| p[2] >= 5);
    for of in [all, few] {
        let may = others(target).map(Some);
        assert_uniform(
            tally(may, of.into_iter().map(|(additional, _)| additional)),
            "additional",
        );
    }
}
