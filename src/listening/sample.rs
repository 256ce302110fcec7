//! The names of samples: `set{set}/{sample}/{instrument}/{file}`.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::corpus::Instrument;

/// What was played of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// One instrument.
    Instrument(Instrument),
    /// All of it. Such items are counted, but no sub-space stands for them.
    Mix,
}

impl Part {
    /// The instrument, unless it is the whole.
    pub fn instrument(self) -> Option<Instrument> {
        match self {
            Part::Instrument(instrument) => Some(instrument),
            Part::Mix => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.instrument().map_or("mix", Instrument::name))
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.eq_ignore_ascii_case("mix") {
            true => Ok(Part::Mix),
            false => Ok(Part::Instrument(
                text.parse().map_err(|e| format!("{e}, or mix"))?,
            )),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A sample by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sample {
    /// Number of the set: what one subject heard.
    pub set: u32,
    /// Number in the set.
    pub number: u32,
    /// What is played.
    pub part: Part,
    /// The file's name, as `X_1913-28.wav`: role, piece and segment.
    pub file: String,
}

impl Sample {
    /// The letter that the file's name begins with: X for the reference, Y for another segment of its piece, A, B
    /// and C for other pieces.
    pub fn role(&self) -> Option<char> {
        let (role, _) = self.file.split_once('_')?;
        let mut letters = role.chars();
        letters.next().filter(|_| letters.next().is_none())
    }

    /// The piece's number, if the file's name tells it.
    pub fn track(&self) -> Option<u32> {
        let (_, rest) = self.file.split_once('_')?;
        parse_track(rest.split_once('-')?.0)
    }
}

/// `1876` or `Track01876`.
pub(super) fn parse_track(text: &str) -> Option<u32> {
    let text = text.trim();
    digits(text.strip_prefix("Track").unwrap_or(text))
}

/// `set2` or `2`.
pub(super) fn parse_set(text: &str) -> Option<u32> {
    let text = text.trim();
    digits(text.strip_prefix("set").unwrap_or(text))
}

fn digits(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set{}/{}/{}/{}", self.set, self.number, self.part, self.file)
    }
}

impl FromStr for Sample {
    type Err = String;

    /// Folders in front of `set…` are no part of the name.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "'{text}' is no sample: its name must have the form set2/0/piano/X_1913-28.wav, \
                 or begin with samples/dummy"
            )
        };
        let mut names = text.rsplit(['/', '\\']);
        let mut next = || names.next().filter(|name| !name.is_empty()).ok_or_else(form);
        let (file, part, number, set) = (next()?, next()?, next()?, next()?);
        if !set.starts_with("set") {
            return Err(form());
        }
        Ok(Sample {
            set: parse_set(set).ok_or_else(form)?,
            number: digits(number).ok_or_else(form)?,
            part: part.parse().map_err(|e| format!("'{text}': {e}"))?,
            file: file.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let sample: Sample = "set2/0/piano/X_1913-28.wav".parse().unwrap();
        assert_eq!((sample.set, sample.number), (2, 0));
        assert_eq!(sample.part, Part::Instrument(Instrument::Piano));
        assert_eq!((sample.role(), sample.track()), (Some('X'), Some(1913)));
        assert_eq!(sample.to_string(), "set2/0/piano/X_1913-28.wav");
        let below: Sample = "audio/set12/3/MIX/Y_Track00007-1.wav".parse().unwrap();
        assert_eq!((below.set, below.part), (12, Part::Mix));
        assert_eq!(below.track(), Some(7));
        let bare: Sample = "set2/0/bass/reference.wav".parse().unwrap();
        assert_eq!((bare.role(), bare.track()), (None, None));
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "",
            "/",
            "X.wav",
            "0/piano/X.wav",
            "2/0/piano/X.wav",
            "set/0/piano/X.wav",
            "setx/0/piano/X.wav",
            "set2/-1/piano/X.wav",
            "set2/0/piano/",
            "set+2/0/piano/X.wav",
        ] {
            assert!(text.parse::<Sample>().unwrap_err().contains("set2/0"), "{text}");
        }
        let kazoo = "set2/0/kazoo/X_1-2.wav".parse::<Sample>().unwrap_err();
        assert!(kazoo.contains("kazoo") && kazoo.contains("mix"), "{kazoo}");
    }
}
