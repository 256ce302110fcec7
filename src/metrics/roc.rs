//! How well a number tells two classes apart.

/// The area under the ROC curve: how likely a positive scores higher than a negative, ties counting half. 0.5 is what a
/// number gives that knows nothing, 1 is best. `None` without a positive, or without a negative.
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins) = (0.0, 0.0);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let positives = equal.iter().filter(|(_, positive)| *positive).count() as f64;
        let negatives = equal.len() as f64 - positives;
        wins += positives * (below + 0.5 * negatives);
        below += negatives;
    }
    let pairs = below * (order.len() as f64 - below);
    (pairs > 0.0).then(|| wins / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted() {
        let auc = |scores: &[f32], positive: &[u8]| {
            roc_auc(scores, &positive.iter().map(|&p| p == 1).collect::<Vec<_>>())
        };
        assert_eq!(auc(&[0.1, 0.2, 0.8, 0.9], &[0, 0, 1, 1]), Some(1.0));
        assert_eq!(auc(&[0.9, 0.2], &[0, 1]), Some(0.0));
        // of six pairs three are right and one is a tie
        assert_eq!(auc(&[0.3, 0.5, 0.4, 0.5, 0.2], &[1, 1, 0, 0, 0]), Some(3.5 / 6.0));
        assert_eq!(auc(&[0.5; 4], &[0, 1, 1, 0]), Some(0.5));
        assert_eq!(auc(&[0.5, 0.6], &[1, 1]), None);
        assert_eq!(auc(&[], &[]), None);
    }
}
