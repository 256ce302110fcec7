//! Counter-based random numbers: a pure function of its counter, the same on every device.

/// A uniform number in `[0, 1)` for `(seed, step, stream, index)`, with 24 bits.
///
/// Philox 4×32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011);
/// `shaders/shared/random.wgsl` is its twin.
pub fn uniform([seed_low, seed_high]: [u32; 2], step: u32, stream: u32, index: u32) -> f32 {
    let word = philox([index, stream, step, 0], [seed_low, seed_high])[0];
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        assert_eq!(
            philox(
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0]
            ),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn uniform_is_uniform() {
        let n = 100_000;
        let mean = (0..n).map(|i| f64::from(uniform([1, 2], 3, 4, i))).sum::<f64>() / f64::from(n);
        // the mean of n uniforms has a standard deviation of 0.289 / √n = 0.0009
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
    }
}
