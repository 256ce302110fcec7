//! The five instrument groups and the recipe that assigns a stem to one of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// An instrument group of a mixed song. [`Instrument::ALL`] fixes the order used everywhere: in the
/// sub-spaces of an embedding, in tables, in stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Instrument {
    /// Drum kits: [`DRUM_PROGRAM`].
    Drums,
    /// Basses: programs 32–39.
    Bass,
    /// Pianos: programs 0–7.
    Piano,
    /// Guitars: programs 24–31.
    Guitar,
    /// Whatever is none of the others.
    Residuals,
}

/// The MIDI "program" under which Slakh files its drum stems.
pub const DRUM_PROGRAM: u16 = 128;

impl Instrument {
    /// All groups, in the fixed order.
    pub const ALL: [Instrument; 5] = [
        Instrument::Drums,
        Instrument::Bass,
        Instrument::Piano,
        Instrument::Guitar,
        Instrument::Residuals,
    ];

    /// Slakh's `band` submix: piano 0–7, guitar 24–31, bass 32–39, drums 128, everything else residuals.
    pub fn of_program(program: u16) -> Self {
        match program {
            0..=7 => Instrument::Piano,
            24..=31 => Instrument::Guitar,
            32..=39 => Instrument::Bass,
            DRUM_PROGRAM => Instrument::Drums,
            _ => Instrument::Residuals,
        }
    }

    /// Lower-case name, as in file names, configs and the command line.
    pub fn name(self) -> &'static str {
        match self {
            Instrument::Drums => "drums",
            Instrument::Bass => "bass",
            Instrument::Piano => "piano",
            Instrument::Guitar => "guitar",
            Instrument::Residuals => "residuals",
        }
    }
}

impl fmt::Display for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Instrument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Instrument::ALL
            .into_iter()
            .find(|i| i.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("no instrument '{text}': use drums, bass, piano, guitar or residuals"))
    }
}

/// In letters of any case, as [`FromStr`].
impl<'de> Deserialize<'de> for Instrument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(Error::custom)
    }
}
