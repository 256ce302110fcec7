//! Which items count: in what respect they were judged, and how many listeners must agree.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Answers, Aspect, Side};

/// How many of an item's answers must name one side. An `NA` is an answer, for neither side: an item whose majority
/// cannot tell is never clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub enum Share {
    /// Strictly more than 75 % (Imamura et al. 2025).
    #[default]
    MoreThan75,
    /// At least 80 % (Hashizume et al. 2025).
    AtLeast80,
}

impl Share {
    /// Both.
    pub const ALL: [Share; 2] = [Share::MoreThan75, Share::AtLeast80];

    /// The side with as many of all answers.
    pub fn closer(self, answers: Answers) -> Option<Side> {
        let all = u64::from(answers.sides[0]) + u64::from(answers.sides[1]) + u64::from(answers.none);
        let clear = |side: &Side| {
            let chose = u64::from(answers.sides[*side as usize]);
            match self {
                Share::MoreThan75 => 4 * chose > 3 * all,
                Share::AtLeast80 => chose > 0 && 5 * chose >= 4 * all,
            }
        };
        [Side::A, Side::B].into_iter().find(clear)
    }

    /// As a heading: `>75 %`.
    pub fn sign(self) -> &'static str {
        match self {
            Share::MoreThan75 => ">75 %",
            Share::AtLeast80 => "≥80 %",
        }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        match share {
            Share::MoreThan75 => 0.75,
            Share::AtLeast80 => 0.8,
        }
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        let found = Share::ALL.into_iter().find(|&known| f64::from(known) == share);
        found.ok_or_else(|| {
            format!("no paper keeps items by a share of {share}: use 0.75 (strictly more) or 0.8 (at least)")
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(f)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share: f64 = text
            .parse()
            .map_err(|_| format!("'{text}' is no share: use 0.75 or 0.8"))?;
        share.try_into()
    }
}

/// Which items count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// The answers that are looked at.
    pub aspect: Aspect,
    /// How many of them must agree.
    pub share: Share,
}

impl Criterion {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let aspects = Aspect::ALL.into_iter();
        aspects.flat_map(|aspect| Share::ALL.map(|share| Criterion { aspect, share }))
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = match self.share {
            Share::MoreThan75 => "more than 75 %",
            Share::AtLeast80 => "at least 80 %",
        };
        write!(f, "{}, {share}", self.aspect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closer(share: Share, a: u32, b: u32, none: u32) -> Option<Side> {
        share.closer(Answers { sides: [a, b], none })
    }

    #[test]
    fn strictly_more_than_three_quarters() {
        let closer = |a, b, none| closer(Share::MoreThan75, a, b, none);
        assert_eq!(closer(3, 1, 0), None, "exactly 75 %");
        assert_eq!(closer(75, 25, 0), None);
        assert_eq!(closer(76, 24, 0), Some(Side::A));
        assert_eq!(closer(4, 1, 0), Some(Side::A));
        assert_eq!(closer(1, 4, 0), Some(Side::B));
        assert_eq!(closer(1, 0, 0), Some(Side::A));
        assert_eq!(closer(4, 0, 1), Some(Side::A), "80 %, the NA counted");
        assert_eq!(closer(3, 0, 1), None, "75 %, the NA counted");
        assert_eq!(closer(0, 0, 0), None);
        assert_eq!(closer(0, 0, 9), None);
        assert_eq!(closer(u32::MAX, u32::MAX, u32::MAX), None);
    }

    #[test]
    fn at_least_four_fifths() {
        let closer = |a, b, none| closer(Share::AtLeast80, a, b, none);
        assert_eq!(closer(4, 1, 0), Some(Side::A), "exactly 80 %");
        assert_eq!(closer(0, 8, 2), Some(Side::B), "80 %, the NA counted");
        assert_eq!(closer(79, 21, 0), None);
        assert_eq!(closer(77, 23, 0), None, "more than 75 %");
        assert_eq!(closer(1, 1, 8), None, "the majority cannot tell");
        assert_eq!(closer(0, 0, 10), None);
        assert_eq!(closer(0, 0, 0), None);
        assert_eq!(closer(u32::MAX, 0, 0), Some(Side::A));
    }

    #[test]
    fn shares_and_aspects_read_back() {
        for share in Share::ALL {
            assert_eq!(share.to_string().parse(), Ok(share));
        }
        for aspect in Aspect::ALL {
            assert_eq!(aspect.to_string().parse(), Ok(aspect));
        }
        assert!("0.9".parse::<Share>().unwrap_err().contains("0.75"));
        assert!("all".parse::<Share>().is_err());
        assert!("sound".parse::<Aspect>().unwrap_err().contains("timbre"));
        let criterion = Criterion {
            aspect: Aspect::Timbre,
            share: Share::AtLeast80,
        };
        assert_eq!(criterion.to_string(), "timbre, at least 80 %");
    }
}
