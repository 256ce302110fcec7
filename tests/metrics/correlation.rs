use approx::assert_abs_diff_eq;
use stemwise::metrics::{Embeddings, MetricsError, distance_correlation, distances_from};

use crate::fixture::{assert_close, case, in_threads, matrix, numbers, random};

#[test]
fn correlations_are_those_of_scipy() {
    let case = case("correlation");
    let [x, y, unlike] = ["x", "y", "unlike"].map(|name| matrix(&case[name]));
    let of = |(values, dimension)| Embeddings::new(values, dimension).unwrap();
    let (x, y, unlike) = (of((&x.0, x.1)), of((&y.0, y.1)), of((&unlike.0, unlike.1)));
    // Both work in f64 on 1225 pairs: what differs is the order of sums.
    let x_y = case["x_y"].as_f64().unwrap();
    assert!((0.3..0.9).contains(&x_y));
    assert_abs_diff_eq!(distance_correlation(x, y).unwrap(), x_y, epsilon = 1e-12);
    assert_abs_diff_eq!(distance_correlation(y, x).unwrap(), x_y, epsilon = 1e-12);
    let x_unlike = case["x_unlike"].as_f64().unwrap();
    assert_abs_diff_eq!(
        distance_correlation(x, unlike).unwrap(),
        x_unlike,
        epsilon = 1e-12
    );
    assert_close(&distances_from(x, 7), &numbers(&case["row_of_x"]), 1e-12);
}

#[test]
fn scale_and_shift_do_not_matter_and_threads_neither() {
    let x = random(3, 201 * 10);
    let moved: Vec<f32> = x.iter().map(|x| 100.0 - 4.0 * x).collect();
    let other = random(4, 201 * 7);
    let x = Embeddings::new(&x, 10).unwrap();
    // f32 rounds what was moved by up to 4e-6; the correlation loses about the square of that.
    let same = distance_correlation(x, Embeddings::new(&moved, 10).unwrap()).unwrap();
    assert_abs_diff_eq!(same, 1.0, epsilon = 1e-9);
    assert_abs_diff_eq!(distance_correlation(x, x).unwrap(), 1.0, epsilon = 1e-14);
    let other = Embeddings::new(&other, 7).unwrap();
    let of = |threads| in_threads(threads, || distance_correlation(x, other).unwrap().to_bits());
    assert_eq!(of(1), of(2));
    assert_eq!(of(1), of(5));
}

#[test]
fn three_points_can_be_reckoned_by_hand() {
    // Distances 1, 3, 2 against 2, 1, 3; less their means, −1, 1, 0 against 0, −1, 1: −1 of √(2 · 2)
    let x = [0.0f32, 1.0, 3.0];
    let y = [0.0f32, 2.0, -1.0];
    let of = |x| Embeddings::new(x, 1).unwrap();
    assert_abs_diff_eq!(
        distance_correlation(of(&x), of(&y)).unwrap(),
        -0.5,
        epsilon = 1e-12
    );
}

#[test]
fn what_has_no_correlation_is_refused() {
    let x = random(3, 30);
    // The corners of an equilateral triangle, and copies of one point
    let corners = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let copies = [0.3f32; 9];
    let of = |values| Embeddings::new(values, 3).unwrap();
    let constant = |which| Err(MetricsError::Constant { which });
    assert_eq!(distance_correlation(of(&corners), of(&x[..9])), constant("first"));
    assert_eq!(distance_correlation(of(&x[..9]), of(&copies)), constant("second"));
    let error = distance_correlation(of(&x), of(&x[3..])).unwrap_err();
    assert!(matches!(
        error,
        MetricsError::Length {
            expected: 10,
            found: 9,
            ..
        }
    ));
    for few in [0, 3, 6] {
        let error = distance_correlation(of(&x[..few]), of(&x[..few])).unwrap_err();
        assert!(matches!(error, MetricsError::Setting { setting: "items", .. }));
    }
}

/// `cargo test --release --test metrics -- --ignored --nocapture five_thousand`
#[test]
#[ignore = "seconds in release, for timing"]
fn five_thousand_items() {
    let (x, y) = (random(1, 5000 * 128), random(2, 5000 * 128));
    let of = |values| Embeddings::new(values, 128).unwrap();
    let start = std::time::Instant::now();
    let found = distance_correlation(of(&x), of(&y)).unwrap();
    println!("5,000 items: {:?}", start.elapsed());
    // Independent: each point's distance from the middle is its only common part, and its sign is even odds.
    assert!(found.abs() < 0.1, "{found}");
}
