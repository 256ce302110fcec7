//! The network of Hashizume et al. 2025 (their Figure 7): the convolutions of a classic U-Net's way down on a
//! mel-spectrogram, one vector with a sub-space for each instrument.

use super::head::Head;
use crate::{
    error::Result,
    nn::{BatchNorm2d, Build, Conv2dLayer, LogMel, LogMelConfig, Record, Square},
    ops::{LeakyRelu, MaxPool2d},
    tape::Var,
};

/// 3×3, as in the U-Net that the figure draws; the image keeps its size.
const CONVOLUTION: Square = Square {
    kernel: 3,
    stride: 1,
    padding: 1,
};
const POOL: MaxPool2d = MaxPool2d {
    kernel: [2, 2],
    stride: [2, 2],
    padding: [0, 0],
};

/// The network's size. The paper publishes the number of layers, not their widths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HashizumeConfig {
    /// Channels of the five pairs of convolutions; by default half of the classic U-Net's 64 to 1024.
    pub channels: [usize; 5],
    /// Numbers of the embedding, a multiple of 5; the paper's 640.
    pub dimensions: usize,
    /// What stands in front.
    pub log_mel: LogMelConfig,
}

impl Default for HashizumeConfig {
    fn default() -> Self {
        HashizumeConfig {
            channels: [32, 64, 128, 256, 512],
            dimensions: 640,
            log_mel: LogMelConfig::default(),
        }
    }
}

/// Ten times convolution, batch norm and ReLU, the maximum of 2×2 after every second; mean over time; linear.
#[derive(Debug, Clone)]
pub struct HashizumeNetwork {
    log_mel: LogMel,
    layers: Vec<(Conv2dLayer, BatchNorm2d)>,
    head: Head,
}

impl HashizumeNetwork {
    /// Adds the network's parameters under `layers.0.conv.weight` and so on, and `linear.weight`.
    ///
    /// # Errors
    /// If the names are taken, or the mel filters cannot be made.
    pub fn new(config: &HashizumeConfig, build: &mut Build<'_>) -> Result<Self> {
        let mut layers = Vec::with_capacity(2 * config.channels.len());
        let mut input = 1;
        for (i, output) in config.channels.into_iter().flat_map(|c| [c, c]).enumerate() {
            let mut build = build.at(format_args!("layers.{i}"));
            layers.push((
                Conv2dLayer::new(&mut build.at("conv"), [input, output], CONVOLUTION)?,
                BatchNorm2d::new(&mut build.at("norm"), output)?,
            ));
            input = output;
        }
        let height = config
            .channels
            .iter()
            .fold(config.log_mel.filters.mels, |mels, _| mels / 2);
        Ok(HashizumeNetwork {
            log_mel: LogMel::new(&config.log_mel)?,
            layers,
            head: Head::new([input, height], config.dimensions, build)?,
        })
    }

    /// Records the network on the magnitude spectrogram of a mix: `[N, 1, F, T] → [N, dimensions]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `magnitude` is of another shape than the mel filters are for, or too
    /// small to be halved five times.
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Var> {
        at.tape.set_scope("log-mel");
        let mut x = self.log_mel.record(at.tape, magnitude)?;
        for (i, (conv, norm)) in self.layers.iter().enumerate() {
            at.tape.set_scope(&format!("layers.{i}"));
            x = conv.record(at, x)?;
            x = norm.record(at, x)?;
            x = at.push(LeakyRelu { slope: 0.0 }, &[x])?;
            if i % 2 == 1 {
                x = at.push(POOL, &[x])?;
            }
        }
        self.head.record(at, x)
    }
}
