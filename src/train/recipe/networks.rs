//! The networks that a recipe's settings make.

use super::{FrontEnd, Recipe};
use crate::{
    models::{
        ContrastConfig, DirectConfig, ExtractorConfig, HashizumeConfig, JointConfig, SUBSPACES,
        SeparatorConfig,
    },
    nn::LogMelConfig,
    signal::MelFilters,
};

impl FrontEnd {
    pub(crate) fn log_mel(&self) -> LogMelConfig {
        LogMelConfig {
            filters: MelFilters {
                rate: self.sample_rate,
                size: self.stft_size,
                mels: self.mels,
                high: f64::from(self.sample_rate) / 2.0,
                ..MelFilters::default()
            },
            ..LogMelConfig::default()
        }
    }
}

impl Recipe {
    /// What the separator is built from.
    pub fn separator(&self) -> SeparatorConfig {
        let paper = SeparatorConfig::default();
        SeparatorConfig {
            channels: self.scaled(paper.channels),
            dropout: self.network.dropout,
        }
    }

    /// What the separator of all instruments is built from.
    pub fn joint_separator(&self) -> JointConfig {
        let bands = self.network.bands;
        JointConfig {
            separator: self.separator(),
            bins: self.front_end.bins(),
            bands: (bands > 0).then_some(bands),
        }
    }

    /// What the feature extractor is built from.
    pub fn extractor(&self) -> ExtractorConfig {
        ExtractorConfig {
            channels: self.scaled(ExtractorConfig::default().channels),
            dimensions: self.network.dimensions,
            log_mel: self.front_end.log_mel(),
        }
    }

    /// What Direct is built from: its last layer has as many channels as the embedding has numbers.
    pub fn direct(&self) -> DirectConfig {
        let mut channels = self.scaled(DirectConfig::default().channels);
        channels[5] = SUBSPACES * self.network.dimensions;
        DirectConfig {
            channels,
            bins: self.front_end.bins(),
            last: self.network.last,
            reconstruct: self.network.decoders,
            dropout: self.network.dropout,
        }
    }

    /// What the network of Hashizume et al. is built from.
    pub fn hashizume(&self) -> HashizumeConfig {
        HashizumeConfig {
            channels: self.scaled(HashizumeConfig::default().channels),
            dimensions: SUBSPACES * self.network.dimensions,
            log_mel: self.front_end.log_mel(),
        }
    }

    /// What our own network for contrast is built from.
    pub fn contrast(&self) -> ContrastConfig {
        let DirectConfig { channels, .. } = self.direct();
        ContrastConfig {
            channels,
            centred: self.network.centred,
            log_mel: self.front_end.log_mel(),
        }
    }

    fn scaled<const N: usize>(&self, channels: [usize; N]) -> [usize; N] {
        channels.map(|c| ((c as f64 * self.network.width).round() as usize).max(1))
    }
}
