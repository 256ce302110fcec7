//! Which sample is where: anew for every batch or every epoch, or a fixed set in a new order in every epoch.

use crate::corpus::CorpusError;

/// Rounds of the Feistel network.
const ROUNDS: u64 = 6;

/// Which samples the places of a batch hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// The same `size` samples in every epoch, in a new order (Direct of Imamura et al. 2025). The batches run on from
    /// one epoch into the next.
    FixedPerEpoch {
        /// Samples in an epoch.
        size: u64,
    },
    /// `size` samples in every epoch, which no other epoch has (5000 in Hashizume et al. 2025).
    NewPerEpoch {
        /// Samples in an epoch.
        size: u64,
    },
    /// Drawn anew for every batch: "DA" of Imamura et al. 2025.
    Fresh,
}

impl Sampling {
    /// The number of the sample at place `index` of the batch of `step`.
    pub(super) fn number(self, seed: u64, step: u64, index: u64, batch: u64) -> u64 {
        let position = step.wrapping_mul(batch).wrapping_add(index);
        let shuffled = |size: u64| {
            let epoch = position / size;
            (
                epoch,
                permute(position % size, size, mix(mix(seed).wrapping_add(epoch))),
            )
        };
        match self {
            Sampling::FixedPerEpoch { size } => shuffled(size).1,
            Sampling::NewPerEpoch { size } => {
                let (epoch, place) = shuffled(size);
                epoch.wrapping_mul(size).wrapping_add(place)
            }
            Sampling::Fresh => position,
        }
    }

    pub(super) fn check(self) -> Result<(), CorpusError> {
        match self {
            Sampling::FixedPerEpoch { size: 0 } | Sampling::NewPerEpoch { size: 0 } => {
                Err(CorpusError::invalid("an epoch of no samples"))
            }
            _ => Ok(()),
        }
    }
}

/// Where `index` goes in a permutation of `0..size` that `key` chooses.
///
/// A Feistel network permutes the smallest power of four that holds `size`, and its cycles are followed until they
/// lead back below `size`: fewer than four steps on average for sets of more than 16. It has 64 places at least, as
/// narrower ones prefer some orders. `index` must be below `size`.
fn permute(index: u64, size: u64, key: u64) -> u64 {
    debug_assert!(index < size);
    let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
    let half = bits.div_ceil(2).max(3);
    let mask = (1 << half) - 1;
    let mut at = index;
    loop {
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..ROUNDS {
            let mixed = mix(right ^ mix(key.wrapping_add(round)));
            (left, right) = (right, left ^ (mixed & mask));
        }
        at = left << half | right;
        if at < size {
            return at;
        }
    }
}

/// A bijection of 64 bits in which every bit of `x` sways every other: the finaliser of SplitMix64 (Steele et
/// al., "Fast splittable pseudorandom number generators", 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_size_is_permuted() {
        for size in (1..70).chain([255, 256, 257, 1000, 4096, 5000, 20_000]) {
            for key in [0, 1, u64::MAX] {
                let mut seen = vec![false; size as usize];
                for index in 0..size {
                    let at = permute(index, size, key) as usize;
                    assert!(
                        !std::mem::replace(&mut seen[at], true),
                        "{size} {key}: {at} twice"
                    );
                }
            }
        }
        let huge = u64::MAX;
        assert!(permute(huge - 1, huge, 5) < huge);
    }

    /// Every epoch is all of its own samples, once each, and none of another's.
    #[test]
    fn a_new_set_for_every_epoch() {
        let (size, batch) = (21, 4);
        let number =
            |place: u64| Sampling::NewPerEpoch { size }.number(5, place / batch, place % batch, batch);
        for epoch in 0..3 {
            let mut numbers: Vec<u64> = (epoch * size..(epoch + 1) * size).map(number).collect();
            assert_ne!(numbers[0], epoch * size, "in their order");
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(epoch * size..(epoch + 1) * size));
        }
    }

    /// All permutations of a small set are as likely, and any place of a large one.
    #[test]
    fn no_order_is_preferred() {
        for size in 1..6 {
            let mut orders = BTreeMap::new();
            for key in 0..24_000 {
                let order: Vec<u64> = (0..size).map(|index| permute(index, size, mix(key))).collect();
                *orders.entry(order).or_insert(0u32) += 1;
            }
            let all = (1..=size).product::<u64>();
            assert_eq!(orders.len() as u64, all);
            // The standard deviation is at most the root of the expected count.
            let expected = 24_000.0 / all as f64;
            let off = |&n: &u32| (f64::from(n) - expected).abs() / expected.sqrt();
            assert!(orders.values().all(|n| off(n) < 4.5), "{size}: {orders:?}");
        }

        let (size, bins) = (5000, 10);
        let mut counts = vec![0u32; bins * bins];
        for key in 0..20 {
            for index in 0..size {
                let at = permute(index, size, key);
                let bin = |x: u64| (x * bins as u64 / size) as usize;
                counts[bin(index) * bins + bin(at)] += 1;
            }
        }
        // 20 × 5000 / 100 = 1000 each
        assert!(counts.iter().all(|&n| (870..1130).contains(&n)), "{counts:?}");
    }
}
