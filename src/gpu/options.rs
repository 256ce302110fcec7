//! What a GPU keeps between runs, and what it measures.

use std::{env, fmt, path::PathBuf, str::FromStr, sync::Arc};

use super::VariantStore;
use crate::{
    error::{Error, Result},
    folders::cache_folder,
};

/// The environment variable that says where variants come from, where `--tune` does not: see [`Tuning`].
pub const TUNE_VARIABLE: &str = "STEMWISE_TUNE";

/// The environment variable that, as `off`, has pipelines compiled anew by every process.
pub const PIPELINES_VARIABLE: &str = "STEMWISE_PIPELINES";

/// Where the variants of operations come from.
///
/// The default measures nothing: it would cost a short run more time than it saves, two variants that are close win by
/// chance, and what is taken decides the last bits of the results. Whoever wants to measure says so, once: the choices
/// stay. No mode changes anything on the processor, which has no variants; nor, but for those that measure, on a
/// software driver that was never measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tuning {
    /// The engine's own choice.
    Off,
    /// What was stored for the adapter and its driver; elsewhere the engine's own choice.
    #[default]
    Stored,
    /// The same, but what is not stored is measured when a program first needs it, within a budget of time, and stored.
    On,
    /// The same without a budget, and every variant to the end.
    Exhaustive,
}

impl Tuning {
    /// All of them.
    pub const ALL: [Tuning; 4] = [Tuning::Off, Tuning::Stored, Tuning::On, Tuning::Exhaustive];

    /// Its name for `--tune`.
    pub fn name(self) -> &'static str {
        match self {
            Tuning::Off => "off",
            Tuning::Stored => "stored",
            Tuning::On => "on",
            Tuning::Exhaustive => "exhaustive",
        }
    }

    /// Whether what is not stored is measured.
    pub fn measures(self) -> bool {
        matches!(self, Tuning::On | Tuning::Exhaustive)
    }

    /// What the environment says; the default where it says nothing.
    ///
    /// # Errors
    /// [`Error::Variable`] for what is no mode.
    pub fn of_environment() -> Result<Self> {
        let Some(value) = env::var_os(TUNE_VARIABLE) else {
            return Ok(Tuning::default());
        };
        let value = value.to_string_lossy();
        match value.trim() {
            "" => Ok(Tuning::default()),
            name => name.parse().map_err(|advice| Error::Variable {
                variable: TUNE_VARIABLE,
                value: name.to_string(),
                advice,
            }),
        }
    }
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tuning {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Tuning::ALL
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| "use off, stored, on or exhaustive".to_string())
    }
}

/// How a GPU is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Folder of compiled pipelines; without one they last as long as the device.
    pub pipelines: Option<PathBuf>,
    /// Where the variants that were measured are kept; without a store they last as long as a session.
    pub variants: Option<Arc<dyn VariantStore>>,
    /// Which variants sessions take.
    pub tuning: Tuning,
}

impl Options {
    /// With the user's folder of pipelines, unless the environment switches it off, and no store of variants.
    pub fn of_user(tuning: Tuning) -> Self {
        let off = env::var(PIPELINES_VARIABLE).is_ok_and(|value| value.trim().eq_ignore_ascii_case("off"));
        Options {
            pipelines: cache_folder("pipelines").filter(|_| !off),
            variants: None,
            tuning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_go_by_their_names() {
        for tuning in Tuning::ALL {
            assert_eq!(tuning.to_string().parse(), Ok(tuning));
        }
        assert_eq!("OFF".parse(), Ok(Tuning::Off));
        assert!("yes".parse::<Tuning>().unwrap_err().contains("exhaustive"));
    }
}
