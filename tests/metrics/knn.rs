use approx::assert_abs_diff_eq;
use stemwise::metrics::{
    Embeddings, MetricsError, Neighbour, Neighbours, Proportion, Ties, nearest, nearest_others, vote,
};

use crate::fixture::{case, file, in_threads, integers, matrix, random, table};

/// Every distance, sorted by (distance, index).
fn oracle(
    x: &[f32],
    dimension: usize,
    k: usize,
    leave_out: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<(usize, f64)>> {
    let rows: Vec<&[f32]> = x.chunks(dimension).collect();
    let of = |query: usize| {
        let squared = |row: &[f32]| {
            let pairs = row.iter().zip(rows[query]);
            pairs
                .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
                .sum::<f64>()
        };
        let all = rows
            .iter()
            .enumerate()
            .filter(|&(candidate, _)| !leave_out(query, candidate));
        let mut all: Vec<(usize, f64)> = all.map(|(i, row)| (i, squared(row).sqrt())).collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    };
    (0..rows.len()).map(of).collect()
}

fn assert_same(found: &Neighbours, expected: &[Vec<(usize, f64)>], tolerance: f64) {
    assert_eq!(found.all().len(), expected.len());
    for (query, (found, expected)) in found.all().iter().zip(expected).enumerate() {
        let indices = |neighbours: &[Neighbour]| neighbours.iter().map(|n| n.index).collect::<Vec<_>>();
        let wanted: Vec<usize> = expected.iter().map(|&(index, _)| index).collect();
        assert_eq!(indices(found), wanted, "query {query}");
        for (found, expected) in found.iter().zip(expected) {
            assert_abs_diff_eq!(found.distance, expected.1, epsilon = tolerance);
        }
    }
}

#[test]
fn neighbours_and_votes_are_those_of_scikit_learn() {
    let case = case("knn");
    let (x, dimension) = matrix(&case["x"]);
    let (labels, groups) = (integers(&case["labels"]), integers(&case["groups"]));
    let k = case["k"].as_u64().unwrap() as usize;
    let embeddings = Embeddings::new(&x, dimension).unwrap();
    for (name, groups) in [("others", None), ("groups_others", Some(&groups[..]))] {
        let expected = &case[name];
        let found = nearest_others(embeddings, k, groups).unwrap();
        let pairs = table(&expected["index"])
            .into_iter()
            .zip(table(&expected["distance"]));
        let pairs = pairs.map(|(i, d)| i.into_iter().map(|i| i as usize).zip(d).collect::<Vec<_>>());
        // scikit-learn expands ‖x‖² − 2xy + ‖y‖², which costs it a few digits
        assert_same(&found, &pairs.collect::<Vec<_>>(), 1e-9);
        let by = |ties| found.predict(&labels, ties).unwrap();
        assert_eq!(by(Ties::Lowest), integers(&expected["predicted"]));
        let predicted = by(Ties::Nearest);
        let tied: Vec<bool> = expected["tied"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t == true)
            .collect();
        let (mut ties, mut differ) = (0, 0);
        for (query, theirs) in integers(&expected["predicted"]).into_iter().enumerate() {
            let ours = predicted[query];
            if !tied[query] {
                assert_eq!(ours, theirs, "query {query}");
                continue;
            }
            // Of labels with equally many votes, theirs is the smallest, and the other rule's the nearest one's.
            let near = &found.all()[query];
            let count = |label| near.iter().filter(|n| labels[n.index] == label).count();
            let most = near.iter().map(|n| count(labels[n.index])).max().unwrap();
            let tied = || {
                near.iter()
                    .map(|n| labels[n.index])
                    .filter(|&label| count(label) == most)
            };
            assert_eq!(tied().min(), Some(theirs), "query {query}");
            assert_eq!(tied().next(), Some(ours), "query {query}");
            ties += 1;
            differ += usize::from(ours != theirs);
        }
        assert!(
            ties > 10 && differ > 3,
            "{ties} ties, {differ} differ: too few to tell"
        );
        let right = predicted.iter().zip(&labels).filter(|(a, b)| a == b).count();
        let accuracy = found.accuracy(&labels, Ties::Nearest).unwrap();
        assert_eq!(
            accuracy,
            Proportion::new(right as u64, labels.len() as u64).unwrap()
        );
    }
}

/// Where pieces have few segments the rule for ties decides much: `make_votes.py`.
#[test]
fn tied_votes_are_those_of_scikit_learn() {
    let case = file("votes.json");
    let (x, dimension) = matrix(&case["x"]);
    let labels = integers(&case["labels"]);
    let found = nearest_others(Embeddings::new(&x, dimension).unwrap(), 5, None).unwrap();
    assert_eq!(
        found.predict(&labels, Ties::Lowest).unwrap(),
        integers(&case["predicted"])
    );
    let right = |ties| found.accuracy(&labels, ties).unwrap();
    let theirs = Proportion::new(case["right"].as_u64().unwrap(), labels.len() as u64).unwrap();
    assert_eq!(right(Ties::Lowest), theirs);
    assert!(case["tied"].as_u64().unwrap() > 30);
    // the nearest label flatters
    assert!(right(Ties::Nearest).share() > theirs.share() + 0.05);
}

#[test]
fn of_equal_distances_the_lower_index_is_first() {
    let case = case("knn");
    let (grid, dimension) = matrix(&case["grid"]["x"]);
    let embeddings = Embeddings::new(&grid, dimension).unwrap();
    let found = nearest_others(embeddings, 5, None).unwrap();
    // Small integers: squares and sums are exact, so equal distances are equal bits.
    assert_same(&found, &oracle(&grid, dimension, 5, |q, c| q == c), 0.0);
    // scikit-learn's rows have the same distances, one of which is the query's own or a copy's zero.
    for (found, expected) in found.all().iter().zip(table(&case["grid"]["distance"])) {
        for (found, expected) in found.iter().zip(expected) {
            assert_abs_diff_eq!(found.distance, expected, epsilon = 1e-7);
        }
    }
    // Five copies of one point and one far away
    let x = [[1.0f32; 5].as_slice(), &[9.0]].concat();
    let found = nearest_others(Embeddings::new(&x, 1).unwrap(), 2, None).unwrap();
    let index: Vec<Vec<usize>> = found
        .all()
        .iter()
        .map(|n| n.iter().map(|n| n.index).collect())
        .collect();
    assert_eq!(index, [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1], [0, 1]]);
}

#[test]
fn equals_brute_force_across_blocks_and_threads() {
    // No multiple of the blocks of 32 queries, 128 candidates and 8 dimensions; groups of 7
    let (items, dimension, k) = (333, 21, 9);
    let x = random(5, items * dimension);
    let groups: Vec<u32> = (0..items as u32)
        .map(|item| item * 31 % items as u32 / 7)
        .collect();
    let embeddings = Embeddings::new(&x, dimension).unwrap();
    let find = |threads, groups| in_threads(threads, || nearest_others(embeddings, k, groups).unwrap());
    let one = find(1, Some(&groups));
    // The oracle adds in another order.
    assert_same(
        &one,
        &oracle(&x, dimension, k, |q, c| groups[q] == groups[c]),
        1e-12,
    );
    assert_same(&find(1, None), &oracle(&x, dimension, k, |q, c| q == c), 1e-12);
    for threads in [2, 5] {
        assert_eq!(find(threads, Some(&groups)), one);
    }
    let near = |query: usize| one.all()[query].iter();
    assert!((0..items).all(|query| near(query).all(|n| groups[n.index] != groups[query])));
}

#[test]
fn a_subspace_is_all_that_is_looked_at() {
    let (items, dimension) = (50, 12);
    let x = random(6, items * dimension);
    let part: Vec<f32> = x.chunks(dimension).flat_map(|row| row[4..9].to_vec()).collect();
    let whole = Embeddings::new(&x, dimension).unwrap();
    let columns = whole.columns(2..10).unwrap().columns(2..7).unwrap();
    let alone = Embeddings::new(&part, 5).unwrap();
    assert_eq!((columns.len(), columns.dimension()), (items, 5));
    let found = nearest_others(columns, 3, None).unwrap();
    assert_eq!(found, nearest_others(alone, 3, None).unwrap());
    assert_ne!(found, nearest_others(whole, 3, None).unwrap());
    for columns in [3..3, 8..13, 12..13] {
        assert!(whole.columns(columns).is_err());
    }
}

#[test]
fn queries_need_not_be_candidates() {
    let library = [0.0f32, 1.0, 2.0, 10.0];
    let queries = [1.9f32, 7.0];
    let of = |x| Embeddings::new(x, 1).unwrap();
    let found = nearest(of(&queries), of(&library), 2, |_, candidate| candidate == 2).unwrap();
    assert_eq!(
        found.predict(&["a", "b", "c", "d"], Ties::Nearest).unwrap(),
        ["b", "d"]
    );
    assert_eq!(found.all()[0][1].index, 0);
    let fewer = nearest(of(&queries), of(&library), 100, |_, _| false).unwrap();
    assert_eq!(fewer.all()[1].len(), 4);
}

#[test]
fn votes_are_counted_and_ties_go_by_the_rule() {
    let near: Vec<Neighbour> = (0..5)
        .map(|index| Neighbour {
            index,
            distance: 1.0 + index as f64,
        })
        .collect();
    let rules = [Ties::Lowest, Ties::Nearest];
    let both = |labels: &[u8]| rules.map(|ties| vote(&near, labels, ties));
    assert_eq!(both(&[3, 1, 1, 2, 1]), [Some(1); 2]);
    assert_eq!(both(&[9, 1, 1, 9, 4]), [Some(1), Some(9)]);
    assert_eq!(both(&[4, 9, 1, 1, 9]), [Some(1), Some(9)]);
    assert_eq!(both(&[4, 1, 9, 9, 1]), [Some(1); 2]);
    // a tie of one vote each: the lowest of all, and the nearest
    assert_eq!(both(&[5, 4, 3, 2, 6]), [Some(2), Some(5)]);
    assert_eq!(both(&[7]), [Some(7); 2]);
    assert_eq!(vote::<u8>(&[], &[], Ties::Lowest), None);
    for ties in rules {
        assert_eq!(ties.to_string().parse(), Ok(ties));
    }
    assert!("first".parse::<Ties>().unwrap_err().contains("lowest or nearest"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let x = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0];
    let of = |dimension| Embeddings::new(&x, dimension).unwrap();
    assert!(matches!(
        Embeddings::new(&x, 0),
        Err(MetricsError::Setting {
            setting: "dimension",
            ..
        })
    ));
    assert!(matches!(
        Embeddings::new(&x, 4),
        Err(MetricsError::Length {
            expected: 4,
            found: 2,
            ..
        })
    ));
    for value in [f32::NAN, f32::INFINITY] {
        let error = Embeddings::new(&[0.0, 1.0, value, 3.0], 2).unwrap_err();
        assert!(matches!(error, MetricsError::NotFinite { index: 1, .. }));
    }
    assert!(matches!(
        nearest_others(of(2), 0, None),
        Err(MetricsError::Setting { setting: "k", .. })
    ));
    assert!(nearest(of(2), of(3), 1, |_, _| false).is_err());
    assert!(nearest_others(of(2), 1, Some(&[1, 2])).is_err());
    let error = nearest_others(of(2), 1, Some(&[1, 2, 1])).and_then(|n| n.predict(&[0, 1], Ties::Lowest));
    assert!(matches!(
        error,
        Err(MetricsError::Length {
            expected: 3,
            found: 2,
            ..
        })
    ));
    let error = nearest_others(of(2), 1, Some(&[1, 1, 1])).unwrap_err();
    assert_eq!(error, MetricsError::NoCandidates { query: 0 });
    let none = Embeddings::new(&[], 3).unwrap();
    assert!(none.is_empty());
    let nothing = nearest_others(none, 5, None).unwrap();
    assert_eq!(
        nothing.accuracy::<u8>(&[], Ties::Lowest),
        Err(MetricsError::Empty { what: "trials" })
    );
}

/// `cargo test --release --test metrics -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "seconds in release, for timing"]
fn ten_thousand_by_ten_thousand() {
    let x = random(7, 10_000 * 128);
    let start = std::time::Instant::now();
    let found = nearest_others(Embeddings::new(&x, 128).unwrap(), 5, None).unwrap();
    println!("10,000 queries: {:?}", start.elapsed());
    assert!(found.all().iter().all(|near| near.len() == 5));
}
