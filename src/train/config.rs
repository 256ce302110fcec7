//! What a training run is made of, as its `config.toml` says it.

use std::{fs, path::Path, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::{
    audio::{SAMPLE_RATE, Stft},
    corpus::Instrument,
    models::SeparatorConfig,
};

/// A whole `config.toml`: where the data are, and what is trained on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// A corpus in the Slakh2100 layout, with the splits `train` and `validation`.
    pub corpus: PathBuf,
    /// The model and its training.
    pub separator: SeparatorRecipe,
}

/// How one instrument's separator is trained. Everything that determines its bits is here, apart from the
/// corpus and the kind of device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparatorRecipe {
    /// The instrument that is to be separated.
    pub instrument: Instrument,
    /// Multiplies all channel counts; 1 is the paper's network of 9.8 million parameters.
    #[serde(default = "defaults::width")]
    pub width: f64,
    /// Probability with which a channel of the first decoder blocks is dropped.
    #[serde(default = "defaults::dropout")]
    pub dropout: f32,
    /// Segments a step. The papers use 64.
    #[serde(default = "defaults::batch")]
    pub batch: usize,
    /// Length of a segment, in seconds.
    #[serde(default = "defaults::segment_seconds")]
    pub segment_seconds: f64,
    /// Adam's step size. The papers train for hundreds of epochs at 1e-5 to 1e-4; the default of 1e-3 suits
    /// runs of some thousand steps.
    #[serde(default = "defaults::learning_rate")]
    pub learning_rate: f32,
    /// Updates in all.
    #[serde(default = "defaults::steps")]
    pub steps: u32,
    /// Steps from one validation, and checkpoint, to the next.
    #[serde(default = "defaults::validate_every")]
    pub validate_every: u32,
    /// Segments in a validation, rounded up to whole batches.
    #[serde(default = "defaults::validation_segments")]
    pub validation_segments: usize,
    /// Seed of everything random: the initial weights, the segments drawn, dropout.
    #[serde(default)]
    pub seed: u64,
    /// Working rate in Hz.
    #[serde(default = "defaults::sample_rate")]
    pub sample_rate: u32,
    /// Window length of the transform, in samples, a power of two from 256 to 8192; `stft_size / 2 + 1` bins.
    #[serde(default = "defaults::stft_size")]
    pub stft_size: usize,
    /// Samples from one window to the next.
    #[serde(default = "defaults::stft_hop")]
    pub stft_hop: usize,
}

mod defaults {
    pub fn width() -> f64 {
        1.0
    }
    pub fn dropout() -> f32 {
        0.5
    }
    pub fn batch() -> usize {
        16
    }
    pub fn segment_seconds() -> f64 {
        3.0
    }
    pub fn learning_rate() -> f32 {
        1e-3
    }
    pub fn steps() -> u32 {
        10_000
    }
    pub fn validate_every() -> u32 {
        250
    }
    pub fn validation_segments() -> usize {
        64
    }
    pub fn sample_rate() -> u32 {
        super::SAMPLE_RATE
    }
    pub fn stft_size() -> usize {
        2048
    }
    pub fn stft_hop() -> usize {
        512
    }
}

impl SeparatorRecipe {
    /// The default recipe for an instrument.
    pub fn new(instrument: Instrument) -> Self {
        SeparatorRecipe {
            instrument,
            width: defaults::width(),
            dropout: defaults::dropout(),
            batch: defaults::batch(),
            segment_seconds: defaults::segment_seconds(),
            learning_rate: defaults::learning_rate(),
            steps: defaults::steps(),
            validate_every: defaults::validate_every(),
            validation_segments: defaults::validation_segments(),
            seed: 0,
            sample_rate: defaults::sample_rate(),
            stft_size: defaults::stft_size(),
            stft_hop: defaults::stft_hop(),
        }
    }

    /// Checks that every setting can be used.
    ///
    /// # Errors
    /// [`TrainError::Setting`], naming the first that cannot.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = |setting, value: f64, most: f64| match value > 0.0 && value <= most {
            true => Ok(()),
            false => Err(TrainError::setting(
                setting,
                format!("{value} is not above 0 and at most {most}"),
            )),
        };
        positive("width", self.width, 16.0)?;
        positive("segment_seconds", self.segment_seconds, 600.0)?;
        positive("learning_rate", self.learning_rate.into(), 1.0)?;
        positive("batch", self.batch as f64, 65_536.0)?;
        positive("steps", self.steps.into(), 1e9)?;
        positive("validate_every", self.validate_every.into(), 1e9)?;
        positive("validation_segments", self.validation_segments as f64, 1e6)?;
        positive("sample_rate", self.sample_rate.into(), 768_000.0)?;
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(TrainError::setting(
                "dropout",
                format!("{} is not in 0..1", self.dropout),
            ));
        }
        let stft = self.stft()?;
        if !stft.size().is_power_of_two() || !(256..=8192).contains(&stft.size()) {
            let message = format!("{} is not a power of two from 256 to 8192", stft.size());
            return Err(TrainError::setting("stft_size", message));
        }
        if self.segment_samples() < stft.size() {
            let message = format!(
                "{} s is shorter than one window of the transform",
                self.segment_seconds
            );
            return Err(TrainError::setting("segment_seconds", message));
        }
        Ok(())
    }

    /// The front end.
    ///
    /// # Errors
    /// [`TrainError::Setting`] if window and hop do not fit together.
    pub fn stft(&self) -> Result<Stft, TrainError> {
        let stft = Stft::new(self.stft_size, self.stft_hop);
        stft.map_err(|error| TrainError::setting("stft_size, stft_hop", error.to_string()))
    }

    /// Length of a segment in samples.
    pub fn segment_samples(&self) -> usize {
        (self.segment_seconds * f64::from(self.sample_rate)).round() as usize
    }

    /// What the network is built from.
    pub fn model(&self) -> SeparatorConfig {
        SeparatorConfig {
            dropout: self.dropout,
            ..SeparatorConfig::of_width(self.width)
        }
    }
}

impl RunConfig {
    /// Reads and checks a `config.toml`.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::Config`] for what is no such file, or has a key that does not exist;
    /// [`TrainError::Setting`] for a value out of range.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(TrainError::io("read", path))?;
        let config: Self = toml::from_str(&text).map_err(|error| TrainError::Config {
            path: path.into(),
            message: error.to_string(),
        })?;
        config.separator.check()?;
        Ok(config)
    }

    /// The text of a `config.toml` with every setting spelled out.
    pub(super) fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string(self).map_err(|error| TrainError::setting("config", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_defaults_and_refusals() {
        let config = RunConfig {
            corpus: "a/b".into(),
            separator: SeparatorRecipe::new(Instrument::Bass),
        };
        let text = config.to_toml().unwrap();
        assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), config);

        let short = "corpus = \"a/b\"\n[separator]\ninstrument = \"bass\"\n";
        assert_eq!(toml::from_str::<RunConfig>(short).unwrap(), config);
        let error = toml::from_str::<RunConfig>(&format!("{short}lerning_rate = 1.0\n")).unwrap_err();
        assert!(error.to_string().contains("lerning_rate"), "{error}");
    }

    #[test]
    fn impossible_settings_are_named() {
        let recipe = SeparatorRecipe::new(Instrument::Drums);
        assert!(recipe.check().is_ok());
        let broken = [
            (
                "width",
                SeparatorRecipe {
                    width: f64::NAN,
                    ..recipe.clone()
                },
            ),
            (
                "batch",
                SeparatorRecipe {
                    batch: 0,
                    ..recipe.clone()
                },
            ),
            (
                "dropout",
                SeparatorRecipe {
                    dropout: 1.0,
                    ..recipe.clone()
                },
            ),
            (
                "learning_rate",
                SeparatorRecipe {
                    learning_rate: -1.0,
                    ..recipe.clone()
                },
            ),
            (
                "stft_size",
                SeparatorRecipe {
                    stft_size: 7,
                    ..recipe.clone()
                },
            ),
            (
                "segment_seconds",
                SeparatorRecipe {
                    segment_seconds: 0.01,
                    ..recipe
                },
            ),
        ];
        for (name, recipe) in broken {
            let message = recipe.check().unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
    }
}
