use stemwise::metrics::{Embeddings, MetricsError, TsneOptions, nearest_others, tsne};

use crate::fixture::{in_threads, random};

const ITEMS: usize = 60;

/// Two clouds of thirty items each, far from each other for their size.
fn clouds() -> Vec<f32> {
    let mut x = random(8, ITEMS * 16);
    for row in x.chunks_mut(16).skip(ITEMS / 2) {
        row[3] += 20.0;
    }
    x
}

fn options(seed: u64) -> TsneOptions {
    TsneOptions {
        perplexity: 8.0,
        epochs: 500,
        seed,
    }
}

#[test]
fn clouds_stay_apart() {
    let x = clouds();
    for seed in [1, 2] {
        let places = tsne(Embeddings::new(&x, 16).unwrap(), &options(seed)).unwrap();
        let flat: Vec<f32> = places.iter().flatten().map(|&x| x as f32).collect();
        assert_eq!(flat.len(), 2 * ITEMS);
        // In the picture, everyone's five neighbours are of one's own cloud.
        let near = nearest_others(Embeddings::new(&flat, 2).unwrap(), 5, None).unwrap();
        let cloud: Vec<bool> = (0..ITEMS).map(|item| item < ITEMS / 2).collect();
        for (item, near) in near.all().iter().enumerate() {
            assert!(
                near.iter().all(|n| cloud[n.index] == cloud[item]),
                "item {item}, seed {seed}"
            );
        }
    }
}

#[test]
fn a_seed_gives_the_same_bits_on_any_number_of_threads() {
    let x = clouds();
    let bits = |threads, seed| {
        let places = in_threads(threads, || tsne(Embeddings::new(&x, 16).unwrap(), &options(seed)));
        places
            .unwrap()
            .into_iter()
            .flatten()
            .map(f64::to_bits)
            .collect::<Vec<_>>()
    };
    let first = bits(1, 3);
    for threads in [1, 2, 4] {
        assert_eq!(bits(threads, 3), first);
    }
    assert_ne!(bits(1, 4), first);
}

#[test]
fn copies_of_one_point_get_places_too() {
    let x = [0.5f32; 40];
    let places = tsne(
        Embeddings::new(&x, 2).unwrap(),
        &TsneOptions {
            perplexity: 3.0,
            ..options(1)
        },
    )
    .unwrap();
    assert!(places.iter().flatten().all(|x| x.is_finite()));
}

#[test]
fn too_few_items_for_the_perplexity_are_refused() {
    let x = random(9, 200);
    let of = |items: usize, perplexity| {
        let options = TsneOptions {
            perplexity,
            ..options(1)
        };
        tsne(Embeddings::new(&x[..2 * items], 2).unwrap(), &options)
    };
    for (items, perplexity) in [
        (0, 5.0),
        (1, 1.0),
        (3, 1.0),
        (10, 3.1),
        (10, 0.9),
        (10, f64::NAN),
        (10, f64::INFINITY),
    ] {
        let error = of(items, perplexity).unwrap_err();
        assert!(
            matches!(
                error,
                MetricsError::Setting {
                    setting: "perplexity",
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(of(4, 1.0).unwrap().len(), 4);
    assert_eq!(of(10, 3.0).unwrap().len(), 10);
    assert_eq!(
        of(10, 30.0).unwrap_err().to_string(),
        "perplexity: 30 with 10 items; use a number from 1 to 3.0"
    );
}
