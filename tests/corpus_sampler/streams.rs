//! Which step draws what.

use super::*;

#[test]
fn any_step_can_be_drawn_alone() {
    let scores = random_scores(5);
    let guitar = Instrument::Guitar;
    let size = 5000;
    for sampling in [
        Sampling::Fresh,
        Sampling::FixedPerEpoch { size },
        Sampling::NewPerEpoch { size },
    ] {
        let options = SamplerOptions { sampling, ..FRESH };
        let all = |sampler: &Sampler, step: u64| {
            (0..2)
                .map(|index| {
                    (
                        sampler.segment(guitar, step, index).unwrap(),
                        sampler.triplet(guitar, step, index).unwrap(),
                        sampler.pseudo_triplet(guitar, step, index).unwrap(),
                        sampler.partial_pseudo_triplet(guitar, step, index).unwrap(),
                        sampler.stem_subset(step, index).unwrap(),
                    )
                })
                .collect::<Vec<_>>()
        };
        let running = sampler(&scores, 3, options);
        (0..10_000).for_each(|step| drop(all(&running, step)));
        let last = all(&running, 10_000);
        let resumed = sampler(&scores, 3, options);
        assert_eq!(all(&resumed, 10_000), last);
        let other = sampler(&scores, 3, SamplerOptions { seed: 8, ..options });
        assert_ne!(all(&other, 10_000), last);
        assert_ne!(all(&running, 9_999), last);
    }
}

/// What is drawn for one purpose or target tells nothing of what is drawn for another.
#[test]
fn draws_share_no_random_numbers() {
    let scores = vec![Score::constant(4 * LEN, 100.0, [true; 5]); 40];
    let sampler = sampler(&scores, 1, FRESH);
    let target = Instrument::Drums;
    let piece = |mix: Mix| mix.sources.into_iter().flatten().next().unwrap().piece;
    let of_step = |step: u64| {
        [
            sampler.segment(target, step, 0).unwrap().piece,
            sampler.segment(Instrument::Bass, step, 0).unwrap().piece,
            piece(sampler.triplet(target, step, 0).unwrap().anchor),
            source(&sampler.pseudo_triplet(target, step, 0).unwrap().anchor, target).piece,
            piece(sampler.stem_subset(step, 0).unwrap()),
            sampler.segment(target, step, 1).unwrap().piece,
            piece(
                sampler
                    .accompaniment(target, None, &[], [step, 0], false)
                    .unwrap()[0],
            ),
            piece(sampler.accompaniment(target, None, &[], [step, 0], true).unwrap()[0]),
        ]
    };
    let steps: Vec<_> = (0..1000).map(of_step).collect();
    for (i, j) in (0..8).flat_map(|i| (0..i).map(move |j| (i, j))) {
        let same = steps.iter().filter(|step| step[i] == step[j]).count();
        assert!(
            (5..60).contains(&same),
            "{i} and {j} agree in {same} of 1000 where 25 are chance"
        );
    }
}

#[test]
fn an_epoch_visits_each_sample_once() {
    let scores = vec![Score::constant(50 * LEN, 100.0, [true; 5]); 50];
    for (size, batch) in [(1, 4), (2, 3), (7, 7), (100, 64), (5000, 64), (5000, 1)] {
        let options = SamplerOptions {
            seed: 3,
            batch,
            sampling: Sampling::FixedPerEpoch { size },
        };
        let sampler = sampler(&scores, 1, options);
        let at = |position: u64| (position / batch, position % batch);
        let mut orders = Vec::new();
        let mut sets = Vec::new();
        for epoch in 0..3 {
            let places: Vec<_> = (epoch * size..(epoch + 1) * size).map(at).collect();
            orders.push(
                places
                    .iter()
                    .map(|&(step, index)| sampler.number(step, index))
                    .collect::<Vec<_>>(),
            );
            let sorted: BTreeSet<_> = orders[epoch as usize].iter().copied().collect();
            assert!(sorted.into_iter().eq(0..size), "{size} by {batch}");
            let draw = |&(step, index): &(u64, u64)| sampler.triplet(Instrument::Bass, step, index).unwrap();
            let set: HashSet<_> = places.iter().map(draw).collect();
            assert_eq!(set.len() as u64, size, "all samples differ");
            sets.push(set);
        }
        assert!(sets[0] == sets[1] && sets[1] == sets[2], "the set stays");
        if size >= 7 {
            assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
        }
    }
    let fresh = sampler(&scores, 1, FRESH);
    let numbers: HashSet<_> = (0..500)
        .flat_map(|s| (0..16).map(move |i| (s, i)))
        .map(|(s, i)| fresh.number(s, i))
        .collect();
    assert_eq!(numbers.len(), 500 * 16);
}

#[test]
fn validation_is_always_the_same() {
    let scores = random_scores(4);
    let [one, two] = [1, 2].map(|seed| sampler(&scores, 3, SamplerOptions { seed, ..FRESH }));
    let target = Instrument::Drums;
    let segments = one.validation_segments(target, 100).unwrap();
    assert_eq!(segments, two.validation_segments(target, 100).unwrap());
    let places: Vec<_> = (0..)
        .zip(&scores)
        .flat_map(|(piece, score)| score.of(target).into_iter().map(move |start| (piece, start)))
        .collect();
    let middles = (0..100).map(|i| places[(2 * i + 1) * places.len() / 200]);
    assert!(segments.iter().map(|e| (e.piece, e.start)).eq(middles));
    assert!(one.validation_segments(target, 0).unwrap().is_empty());
    let few = vec![Score::constant(LEN + 2, 100.0, [true; 5]); 2];
    let few = sampler(&few, 1, FRESH).validation_segments(target, 100).unwrap();
    assert_eq!(few.len(), 6, "three starts in each of two pieces");
}
