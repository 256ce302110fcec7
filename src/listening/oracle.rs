//! Whom simulated subjects follow: what counts as alike where nobody has listened.

use std::collections::BTreeSet;

use super::Aspect;

/// Octaves of tempo beyond which two tempos have nothing in common: 120 and 143 beats a minute.
const TEMPO_REACH: f64 = 0.25;

/// The oracle in words, for the record of a simulation.
pub(super) const STATEMENT: &str = "The likeness of two segments of an instrument is the sum of three numbers: \
    same piece, 1 if both are of one piece, else 0; programs, the share of the General MIDI programs of either that \
    both pieces use for the instrument (intersection over union); tempo, max(0, 1 - |log2(t1 / t2)| / 0.25) of the \
    pieces' beats a minute, 0 if one is unknown. Timbre counts same piece and programs, rhythm same piece and tempo, \
    melody same piece only. A subject calls A closer than B with probability 1 / (1 + exp(-(likeness of A - likeness \
    of B) / noise)); without noise always the one more alike, and either by chance if they are equally alike.";

/// What the oracle knows of a piece, for one instrument.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traits {
    /// The piece's number.
    pub piece: u32,
    /// General MIDI programs that play the instrument in it.
    pub programs: BTreeSet<u16>,
    /// Beats a minute.
    pub tempo: Option<f64>,
}

/// How alike two segments are, each number from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likeness {
    /// 1 for segments of one piece.
    pub piece: f64,
    /// The share of programs that both have.
    pub programs: f64,
    /// How near the tempos are.
    pub tempo: f64,
}

impl Likeness {
    /// Of two segments of one instrument, by their pieces.
    pub fn of(a: &Traits, b: &Traits) -> Self {
        let both = a.programs.intersection(&b.programs).count() as f64;
        let either = a.programs.union(&b.programs).count() as f64;
        let distance = a.tempo.zip(b.tempo).map(|(a, b)| (a / b).log2().abs());
        Likeness {
            piece: if a.piece == b.piece { 1.0 } else { 0.0 },
            programs: if either > 0.0 { both / either } else { 0.0 },
            tempo: distance.map_or(0.0, |distance| (1.0 - distance / TEMPO_REACH).max(0.0)),
        }
    }

    /// In one respect.
    pub fn in_aspect(self, aspect: Aspect) -> f64 {
        match aspect {
            Aspect::Timbre => self.piece + self.programs,
            Aspect::Rhythm => self.piece + self.tempo,
            Aspect::Melody => self.piece,
            Aspect::Total => self.piece + self.programs + self.tempo,
        }
    }
}

/// The probability that A is called closer, whose likeness exceeds that of B by `difference`.
pub(super) fn probability(difference: f64, noise: f64) -> f64 {
    match (noise > 0.0, difference == 0.0) {
        (_, true) => 0.5,
        (true, false) => 1.0 / (1.0 + (-difference / noise).exp()),
        (false, false) => f64::from(difference > 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(piece: u32, programs: &[u16], tempo: Option<f64>) -> Traits {
        Traits {
            piece,
            programs: programs.iter().copied().collect(),
            tempo,
        }
    }

    #[test]
    fn alike() {
        let x = traits(1, &[33], Some(120.0));
        let total = |other: &Traits| Likeness::of(&x, other).in_aspect(Aspect::Total);
        assert_eq!(total(&x), 3.0);
        assert_eq!(total(&traits(2, &[33], Some(120.0))), 2.0);
        assert_eq!(total(&traits(2, &[33, 34], Some(240.0))), 0.5);
        assert_eq!(total(&traits(2, &[34], None)), 0.0);
        // an eighth of an octave away, up or down: half as near
        for tempo in [120.0 * 2f64.powf(0.125), 120.0 / 2f64.powf(0.125)] {
            let near = Likeness::of(&x, &traits(2, &[35], Some(tempo)));
            assert!((near.in_aspect(Aspect::Rhythm) - 0.5).abs() < 1e-12, "{near:?}");
            assert_eq!(near.in_aspect(Aspect::Timbre), 0.0);
        }
    }

    #[test]
    fn answers() {
        assert_eq!([-0.1, 0.0, 0.1].map(|x| probability(x, 0.0)), [0.0, 0.5, 1.0]);
        assert_eq!(probability(0.0, 0.5), 0.5);
        let [less, more] = [0.5, 2.0].map(|noise| probability(1.0, noise));
        assert!(
            less > 0.88 && less < 0.89 && more > 0.62 && more < 0.63,
            "{less} {more}"
        );
        assert!((probability(1.0, 0.5) + probability(-1.0, 0.5) - 1.0).abs() < 1e-12);
        assert_eq!(probability(-1e9, 1e-9), 0.0);
    }
}
