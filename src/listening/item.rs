//! What was judged, and how often which way.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Criterion, Part, Sample};

/// One of the two samples of an [`Item`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The first of [`Item::samples`].
    A,
    /// The second.
    B,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// In what respect samples were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The sound.
    Timbre,
    /// The rhythm.
    Rhythm,
    /// The melody.
    Melody,
    /// On the whole.
    #[default]
    #[serde(rename = "overall")]
    Total,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Aspect; 4] = [Aspect::Timbre, Aspect::Rhythm, Aspect::Melody, Aspect::Total];

    /// The column of a CSV file.
    pub fn column(self) -> &'static str {
        match self {
            Aspect::Timbre => "answer_timbre",
            Aspect::Rhythm => "answer_rhythm",
            Aspect::Melody => "answer_melody",
            Aspect::Total => "answer_total",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Aspect::Timbre => "timbre",
            Aspect::Rhythm => "rhythm",
            Aspect::Melody => "melody",
            Aspect::Total => "overall",
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Aspect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Aspect::ALL.into_iter().find(|aspect| aspect.name() == text);
        found.ok_or_else(|| format!("nobody was asked about '{text}': use overall, timbre, rhythm or melody"))
    }
}

/// Whether a sample is of the reference's own piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    /// Three different pieces.
    #[serde(rename = "All-Diff")]
    AllDiff,
    /// One of the samples is of the reference's own piece.
    #[serde(rename = "One-Shared")]
    OneShared,
}

impl Condition {
    /// Both, in the order of the papers' tables.
    pub const ALL: [Condition; 2] = [Condition::AllDiff, Condition::OneShared];
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Condition::AllDiff => "All-Diff",
            Condition::OneShared => "One-Shared",
        })
    }
}

/// How an item was judged in one respect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// By [`Side`]: how often it was the one more alike, surely (`A+`) or rather (`A-`).
    pub sides: [u32; 2],
    /// How often the answer was `NA`.
    pub none: u32,
}

impl Answers {
    /// Answers for a side.
    pub fn given(self) -> u32 {
        self.sides.iter().sum()
    }
}

/// A reference and two samples, with all answers about them. Which of the two a subject heard as A makes no
/// difference, nor does the experiment that it was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// X.
    pub reference: Sample,
    /// The two that were compared with it, by name: by [`Side`].
    pub samples: [Sample; 2],
    /// The sample that is of the reference's own piece.
    pub own: Option<Side>,
    /// By [`Aspect`].
    pub answers: [Answers; 4],
}

impl Item {
    /// What was played.
    pub fn part(&self) -> Part {
        self.reference.part
    }

    /// Which kind of item it is.
    pub fn condition(&self) -> Condition {
        match self.own {
            Some(_) => Condition::OneShared,
            None => Condition::AllDiff,
        }
    }

    /// The answers in one respect.
    pub fn answers(&self, aspect: Aspect) -> Answers {
        self.answers[aspect as usize]
    }

    /// The side that enough answers chose.
    pub fn closer(&self, criterion: Criterion) -> Option<Side> {
        criterion.share.closer(self.answers(criterion.aspect))
    }
}

/// Which of two samples is of the reference's own piece; or why that cannot be told, for a reader.
pub(super) fn own_side(reference: &Sample, samples: [&Sample; 2]) -> Result<Option<Side>, String> {
    let own = |sample: &Sample| match (reference.track(), sample.track()) {
        (Some(x), Some(track)) => Ok(x == track),
        _ => match sample.role() {
            Some('Y') => Ok(true),
            Some('A' | 'B' | 'C') => Ok(false),
            _ => Err(format!(
                "the name of {sample} does not tell whether it is of the same piece as {reference}: \
                 give files their role, piece and segment as names, as in X_1913-28.wav"
            )),
        },
    };
    match (own(samples[0])?, own(samples[1])?) {
        (false, false) => Ok(None),
        (true, false) => Ok(Some(Side::A)),
        (false, true) => Ok(Some(Side::B)),
        (true, true) => Err(format!(
            "{} and {} are both of the same piece as {reference}, which is neither All-Diff nor One-Shared: \
             leave the line out",
            samples[0], samples[1]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_decide_before_letters() {
        let own = |x: &str, a: &str, b: &str| {
            let [x, a, b] = [x, a, b].map(|file| format!("set0/0/bass/{file}").parse::<Sample>().unwrap());
            own_side(&x, [&a, &b])
        };
        assert_eq!(own("X_1-2.wav", "A_2-2.wav", "B_3-2.wav"), Ok(None));
        assert_eq!(own("X_1-2.wav", "C_2-2.wav", "Y_1-3.wav"), Ok(Some(Side::B)));
        assert_eq!(own("X_1-2.wav", "Y_2-2.wav", "C_3-3.wav"), Ok(None));
        assert_eq!(own("X_1-2.wav", "A_1-7.wav", "B_3-3.wav"), Ok(Some(Side::A)));
        assert_eq!(own("X.wav", "Y_other.wav", "C_.wav"), Ok(Some(Side::A)));
        assert!(
            own("X.wav", "one.wav", "two.wav")
                .unwrap_err()
                .contains("one.wav")
        );
        assert!(
            own("X_1-2.wav", "Y_1-3.wav", "C_1-4.wav")
                .unwrap_err()
                .contains("both")
        );
    }
}
