//! The numbers by which models are judged: pure functions on slices, a file each, without models, corpora or devices.
//! Of the other rooms they know only `signal`. Start reading at [`nearest_others`], behind every MES, or at [`bss_eval`].
//!
//! What goes in is checked; what cannot be computed is a [`MetricsError`] that says what to do.

mod aggregate;
mod agreement;
mod bss;
mod correlation;
mod embeddings;
mod error;
mod identification;
mod intervals;
mod knn;
mod roc;
mod sdr;
mod tsne;

pub use aggregate::{MeanAndDeviation, mean, mean_of_means, median, median_of_medians};
pub use agreement::{Agreement, JudgedItem, Side, Votes, agreement, perceptual_agreement};
pub use bss::{BssEval, bss_eval};
pub use correlation::{distance_correlation, distances_from};
pub use embeddings::Embeddings;
pub use error::MetricsError;
pub use identification::{ConfusionMatrix, identify};
pub use intervals::{Interval, Proportion, clopper_pearson};
pub use knn::{Neighbour, Neighbours, Ties, nearest, nearest_others, vote};
pub use roc::roc_auc;
pub use sdr::signal_to_distortion;
pub use tsne::{TsneOptions, tsne};

/// A number with this many decimal places, and without a sign where all its digits are 0.
pub(crate) fn decimals(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::decimals;

    #[test]
    fn nothing_has_no_sign() {
        let given = [
            (-0.0, 1),
            (-0.04, 1),
            (-0.05001, 1),
            (-12.0, 0),
            (f64::NEG_INFINITY, 2),
        ];
        let said = given.map(|(value, places)| decimals(value, places));
        assert_eq!(said, ["0.0", "0.0", "-0.1", "-12", "-inf"]);
    }
}
