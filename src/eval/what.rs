//! The protocols by name, and which runs they are for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::EvalError;
use crate::train::Saved;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// [`mes_normal`](super::mes_normal).
    MesNormal,
    /// [`mes_pseudo`](super::mes_pseudo).
    MesPseudo,
    /// [`leak`](super::leak).
    Leak,
    /// SDR, ISR, SIR and SAR of what is separated.
    Sdr,
    /// [`identification`](super::identification).
    Identification,
    /// [`correlation`](super::correlation).
    Correlation,
    /// Agreement with listeners.
    Agreement,
    /// [`presence`](super::presence()).
    Presence,
}

impl What {
    /// All of them, in the order of the papers' tables.
    pub const ALL: [What; 8] = [
        What::MesNormal,
        What::MesPseudo,
        What::Sdr,
        What::Agreement,
        What::Leak,
        What::Identification,
        What::Correlation,
        What::Presence,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// As a heading.
    pub fn title(self) -> &'static str {
        self.texts().1
    }

    /// What it is, and what a good number looks like.
    pub fn explanation(self) -> &'static str {
        self.texts().2
    }

    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            What::MesNormal => (
                "mes-normal",
                "MES-Normal",
                "Segments of whole pieces: how often the five nearest neighbours in the instrument's sub-space name \
                 the right piece. 100 % is best.",
            ),
            What::MesPseudo => (
                "mes-pseudo",
                "MES-Pseudo",
                "Segments in which only the instrument is of the piece that is to be named, and the rest is played \
                 by others: 100 % is best, and a model that hears the rest scores at chance, or below.",
            ),
            What::Leak => (
                "leak",
                "Leak check",
                "Does the sub-space tell the piece that gives the instrument (high is good), and the piece that \
                 gives the rest (low is good: a model that hears the instrument alone scores 0 %)?",
            ),
            What::Sdr => (
                "sdr",
                "Separation",
                "Separated stems against the true ones, in dB: more is better, and each 10 dB are a tenth of the \
                 error. What separates nothing: the mix itself, the mix with the best constant gain of each piece, \
                 and silence, which has 0 dB.",
            ),
            What::Identification => (
                "identification",
                "Identification of instruments",
                "An instrument is heard alone: how often the sub-space with the largest norm is its own. 100 % is \
                 best, 20 % chance.",
            ),
            What::Correlation => (
                "correlation",
                "Correlation of distance matrices",
                "Do the distances between segments stay the same when the clean stem is replaced by the mix? 1 is \
                 best; vectors that know nothing give 0.",
            ),
            What::Presence => (
                "presence",
                "Presence of instruments",
                "Segments of whole pieces: how often one in which the instrument sounds is given a higher probability \
                 than one in which it does not. 100 % is best, 50 % chance.",
            ),
            What::Agreement => (
                "agreement",
                "Agreement with listeners",
                "How many answers of listeners chose the sample that the model finds more alike. The ceiling is \
                 always siding with the majority; the trivial rule always takes the sample of the reference's piece.",
            ),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        What::ALL
            .into_iter()
            .find(|what| what.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = What::ALL.into_iter().map(What::name).collect();
                format!(
                    "nothing called '{text}' can be evaluated: use {}",
                    names.join(", ")
                )
            })
    }
}

/// The protocols that were asked for, or all that fit.
pub(super) fn protocols(
    asked: &[What],
    (judged, stems): (bool, bool),
    runs: &[Saved],
) -> Result<Vec<What>, EvalError> {
    let recipes = || runs.iter().map(|run| &run.recipe);
    let describe = recipes().all(|recipe| recipe.model.embeds());
    let separate = recipes().all(|recipe| !recipe.separates().is_empty());
    let of_all = recipes().all(|recipe| !recipe.model.of_one_instrument());
    let tells_presence = recipes().all(|recipe| recipe.model.tells_presence());
    let hear_mixes = recipes().all(|recipe| !recipe.model.hears_stems());
    if stems && hear_mixes {
        return Err(EvalError::Option {
            option: "--stems",
            message: "stems of another program are for runs of clean, and these hear mixes".into(),
        });
    }
    let fits = |what: What| match what {
        What::MesNormal => describe,
        What::MesPseudo => describe && (hear_mixes || stems),
        What::Leak => describe && hear_mixes,
        What::Sdr => separate || stems,
        // vectors of length one have no largest norm
        What::Identification => describe && of_all && !tells_presence,
        What::Correlation => describe && of_all,
        What::Presence => tells_presence,
        What::Agreement => describe && judged,
    };
    if asked.is_empty() {
        return Ok(What::ALL.into_iter().filter(|&what| fits(what)).collect());
    }
    let names: Vec<&str> = recipes().map(|recipe| recipe.name.as_str()).collect();
    for &what in asked {
        if !fits(what) {
            let needs = match what {
                What::MesNormal => "takes runs that describe",
                What::MesPseudo => "takes runs that describe mixes, or runs of clean and --stems",
                What::Leak => "takes runs that describe mixes",
                What::Sdr => {
                    "takes runs that separate: separators, cascades, separator-joint, direct with decoders; or runs of \
                     clean and --stems"
                }
                What::Identification => "takes a run of all instruments whose vectors have a length",
                What::Correlation => "takes a run of all instruments",
                What::Presence => "takes a run that says which instruments sound: contrast",
                What::Agreement if describe => {
                    return Err(EvalError::Option {
                        option: "--judgements",
                        message: "agreement takes a table of judgements".into(),
                    });
                }
                What::Agreement => "takes runs that describe",
            };
            let message = format!("{needs}, and these are of: {}", names.join(", "));
            return Err(EvalError::Unfit {
                what: what.name(),
                message,
            });
        }
    }
    Ok(What::ALL
        .into_iter()
        .filter(|what| asked.contains(what))
        .collect())
}
