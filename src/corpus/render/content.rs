//! Which music a file holds, whatever it is called and however it is stored.

use crate::corpus::Split;

/// Grid that onsets are rounded to, in parts of a quarter note: 24 has room for triplets of sixteenths.
const GRID: u64 = 24;

/// Collects notes, in any order. Their onsets in beats, keys and whether they are drums count; tempo, instruments,
/// velocities, lengths, texts, tracks and channels do not.
pub(super) struct Content {
    ticks_per_beat: u64,
    notes: Vec<(u64, bool, u8)>,
}

impl Content {
    pub fn new(ticks_per_beat: u16) -> Self {
        Content {
            ticks_per_beat: ticks_per_beat.into(),
            notes: Vec::new(),
        }
    }

    pub fn note(&mut self, tick: u64, key: u8, drum: bool) {
        let onset = (2 * tick * GRID + self.ticks_per_beat) / (2 * self.ticks_per_beat);
        self.notes.push((onset, drum, key));
    }

    /// A hash of the music, counted from its first note.
    pub fn hash(mut self) -> u128 {
        self.notes.sort_unstable();
        let first = self.notes.first().map_or(0, |note| note.0);
        let mut digest = Digest::new();
        for (onset, drum, key) in self.notes {
            digest.add(&(onset - first).to_le_bytes());
            digest.add(&[drum.into(), key]);
        }
        digest.finish()
    }
}

/// FNV-1a with 128 bits: the same on every machine and in every version.
pub(super) struct Digest(u128);

impl Digest {
    pub fn new() -> Self {
        Digest(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul((1 << 88) + 0x13b);
        }
    }

    pub fn finish(self) -> u128 {
        self.0
    }
}

/// The split of a piece, a function of its music alone: equal pieces are in one split, also of different corpora.
/// `shares` are the weights of training, validation and test; one at least is not 0.
pub(super) fn split(content: u128, shares: [u32; 3]) -> Split {
    let total: u64 = shares.iter().map(|s| u64::from(*s)).sum();
    // the upper half mixes best; its product with the total is uniform in 0..total above the point
    let at =
        ((u128::from(scramble((content >> 64) as u64 ^ content as u64)) * u128::from(total)) >> 64) as u64;
    let (train, validation) = (u64::from(shares[0]), u64::from(shares[1]));
    if at < train {
        Split::Train
    } else if at < train + validation {
        Split::Validation
    } else {
        Split::Test
    }
}

/// The finaliser of SplitMix64: every bit of the input moves every bit of the output.
fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digest() {
        // published with the algorithm: FNV-1a 128 of "foobar"
        let mut digest = Digest::new();
        digest.add(b"foobar");
        assert_eq!(digest.finish(), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn the_same_music_whatever_the_ticks_and_the_order() {
        let hash = |ticks: u16, notes: &[(u64, u8)]| {
            let mut content = Content::new(ticks);
            notes
                .iter()
                .for_each(|&(tick, key)| content.note(tick, key, false));
            content.hash()
        };
        let one = hash(96, &[(0, 60), (96, 62), (128, 64)]);
        assert_eq!(one, hash(480, &[(640, 64), (0, 60), (480, 62)]), "other ticks");
        assert_eq!(
            one,
            hash(96, &[(192, 60), (288, 62), (320, 64)]),
            "an empty bar before"
        );
        assert_ne!(one, hash(96, &[(0, 60), (96, 62), (128, 65)]));
    }

    #[test]
    fn splits_have_their_shares() {
        let mut counts = [0; 3];
        for i in 0..20_000u32 {
            let mut digest = Digest::new();
            digest.add(&i.to_le_bytes());
            match split(digest.finish(), [70, 15, 15]) {
                Split::Train => counts[0] += 1,
                Split::Validation => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
        // five standard deviations of a binomial distribution: 324 and 252
        assert!((13_676..14_324).contains(&counts[0]), "{counts:?}");
        assert!((2_748..3_252).contains(&counts[1]), "{counts:?}");
        assert_eq!(split(7, [0, 1, 0]), Split::Validation);
    }
}
