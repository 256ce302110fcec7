//! What a score measures within its protocol, and how that is written.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Preset, Unit, What};
use crate::listening::{Condition, Criterion};

/// What a score measures. Its text is the `measure` of `evaluation.json`, and the row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Measure {
    /// MES-Normal on segments of this many seconds.
    Length(f64),
    /// MES-Pseudo by the protocol of one of the papers, on segments of this many seconds; files of earlier versions do
    /// not say it, and mean the evaluation's.
    Pseudo(Preset, Option<f64>),
    /// The leak check: which piece the neighbours are asked for.
    Leak(Asked),
    /// How often the instrument of a clean stem is identified.
    CleanStems,
    /// How the distances between clean stems correlate with those between mixes.
    CleanStemAndMix,
    /// How well it is told where the instrument sounds.
    Presence,
    /// A ratio of separated stems, and how it is averaged.
    Separated(Ratio, Average),
    /// Agreement with listeners, on these items.
    Agreement(Condition, Criterion, Heldout),
}

/// Which piece of a pseudo segment is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The one that gives the instrument.
    Instrument,
    /// The one that gives the rest.
    Rest,
}

/// A measure of BSS Eval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ratio {
    /// Signal to distortion.
    Sdr,
    /// Source image to spatial distortion.
    Isr,
    /// Source to interference.
    Sir,
    /// Source to artefacts.
    Sar,
}

impl Ratio {
    /// All four, in the order of the campaigns' tables.
    pub const ALL: [Ratio; 4] = [Ratio::Sdr, Ratio::Isr, Ratio::Sir, Ratio::Sar];
}

/// How the frames of all pieces become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The median over pieces of the median over frames, as in the evaluation campaigns.
    Medians,
    /// The mean over pieces of the mean over frames, as in the papers' tables.
    Means,
}

impl Average {
    /// Both.
    pub const ALL: [Average; 2] = [Average::Medians, Average::Means];
}

/// Which judged items are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heldout {
    /// All of them: the run learned from no judgements.
    All,
    /// All of them, of a run that learned from other judgements: it may have seen some.
    Others,
    /// Those that were held out when the run was trained on them.
    Part,
}

impl Measure {
    /// The protocol that it belongs to.
    pub fn what(self) -> What {
        match self {
            Measure::Length(_) => What::MesNormal,
            Measure::Pseudo(..) => What::MesPseudo,
            Measure::Leak(_) => What::Leak,
            Measure::CleanStems => What::Identification,
            Measure::CleanStemAndMix => What::Correlation,
            Measure::Presence => What::Presence,
            Measure::Separated(..) => What::Sdr,
            Measure::Agreement(..) => What::Agreement,
        }
    }

    /// What it counts in.
    pub fn unit(self) -> Unit {
        match self {
            Measure::Separated(..) => Unit::Decibels,
            Measure::CleanStemAndMix => Unit::Correlation,
            _ => Unit::Share,
        }
    }

    /// All without lengths.
    fn finite() -> impl Iterator<Item = Self> {
        let presets = Preset::ALL.map(|preset| Measure::Pseudo(preset, None));
        let others = [
            Measure::Leak(Asked::Instrument),
            Measure::Leak(Asked::Rest),
            Measure::CleanStems,
            Measure::CleanStemAndMix,
            Measure::Presence,
        ];
        let ratios = Ratio::ALL.into_iter();
        let ratios = ratios.flat_map(|ratio| Average::ALL.map(|average| Measure::Separated(ratio, average)));
        let heldout = [Heldout::All, Heldout::Others, Heldout::Part].into_iter();
        let judged = heldout.flat_map(|part| {
            Criterion::all().flat_map(move |criterion| {
                Condition::ALL.map(|condition| Measure::Agreement(condition, criterion, part))
            })
        });
        presets.into_iter().chain(others).chain(ratios).chain(judged)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Length(seconds) => write!(f, "{seconds} s"),
            Measure::Pseudo(preset, None) => preset.fmt(f),
            Measure::Pseudo(preset, Some(seconds)) => write!(f, "{preset}, {seconds} s"),
            Measure::Leak(Asked::Instrument) => f.write_str("piece of the instrument"),
            Measure::Leak(Asked::Rest) => f.write_str("piece of the rest"),
            Measure::CleanStems => f.write_str("clean stems"),
            Measure::CleanStemAndMix => f.write_str("clean stem and mix"),
            Measure::Presence => f.write_str("area under the ROC curve"),
            Measure::Separated(ratio, average) => {
                let ratio = ["SDR", "ISR", "SIR", "SAR"][*ratio as usize];
                let average = ["median of medians", "mean of means"][*average as usize];
                write!(f, "{ratio}, {average}")
            }
            Measure::Agreement(condition, criterion, heldout) => {
                condition.fmt(f)?;
                if *criterion != Criterion::default() {
                    write!(f, ", {criterion}")?;
                }
                f.write_str(["", ", after other judgements", ", held out"][*heldout as usize])
            }
        }
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let timed = || {
            let text = text.strip_suffix(" s")?;
            match text.split_once(", ") {
                Some((preset, seconds)) => {
                    Some(Measure::Pseudo(preset.parse().ok()?, Some(seconds.parse().ok()?)))
                }
                None => text.parse().ok().map(Measure::Length),
            }
        };
        timed()
            .or_else(|| Measure::finite().find(|measure| measure.to_string() == text))
            .ok_or_else(|| format!("nothing is measured as '{text}'"))
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> String {
        measure.to_string()
    }
}

impl TryFrom<String> for Measure {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_reads_back_and_no_two_are_written_alike() {
        let lengths = [3.0, 0.1 + 0.2, 0.3 * 4.096];
        let timed = lengths.into_iter().flat_map(|seconds| {
            let pseudo = Preset::ALL.map(|preset| Measure::Pseudo(preset, Some(seconds)));
            pseudo.into_iter().chain([Measure::Length(seconds)])
        });
        let all: Vec<Measure> = Measure::finite().chain(timed).collect();
        for (i, measure) in all.iter().enumerate() {
            assert_eq!(measure.to_string().parse(), Ok(*measure));
            assert!(!all[..i].contains(measure), "{measure} twice");
        }
        for text in ["SDR", "i26, 5 s", "i25, s"] {
            assert!(text.parse::<Measure>().is_err(), "{text}");
        }
    }
}
