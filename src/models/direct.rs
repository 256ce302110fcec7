//! Direct and Direct-Reconst: one network that describes all instruments of a mix, each in a sub-space of its own
//! (Figure 3 of Imamura et al. 2025).

use super::{
    decoder::{Decoder, Separated},
    encoder::{Encoded, Encoder, Last},
    head::{Head, halved},
};
use crate::{
    error::{Error, Result},
    nn::{Build, Record},
    ops::ChannelMask,
    tape::{Role, Tape, Var},
};

/// Instruments, and so sub-spaces.
pub const SUBSPACES: usize = 5;

/// The network's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DirectConfig {
    /// Output channels of the encoder's layers; the paper's are 16, 32, 64, 128, 256, 640. The last is a multiple of 5,
    /// and the number of dimensions of the embedding as well.
    pub channels: [usize; 6],
    /// Frequencies of the spectrogram; the paper's 1025.
    pub bins: usize,
    /// What follows the last convolution. The paper leaves it bare; its published code does not.
    pub last: Last,
    /// Whether five decoders reconstruct the instruments: Direct-Reconst.
    pub reconstruct: bool,
    /// Whole-channel dropout in the decoders; the paper's is 0.5.
    pub dropout: f32,
}

impl Default for DirectConfig {
    /// The paper's Direct: 12,150,368 parameters; its decoders have 31,371,445 more.
    fn default() -> Self {
        DirectConfig {
            channels: [16, 32, 64, 128, 256, 640],
            bins: 1025,
            last: Last::Bare,
            reconstruct: false,
            dropout: 0.5,
        }
    }
}

/// Encoder, mean over time, linear; and a decoder for each instrument.
#[derive(Debug, Clone)]
pub struct Direct {
    encoder: Encoder,
    head: Head,
    decoders: Vec<Decoder>,
    dimensions: usize,
}

/// What [`Direct`] makes of a mix.
#[derive(Debug, Clone)]
pub struct Described {
    /// All sub-spaces, one after another. `[N, dimensions]`
    pub embedding: Var,
    encoded: Encoded,
}

impl Direct {
    /// Adds the network's parameters under `encoder.0.conv.weight` and so on, `linear.weight`, and for instrument i
    /// `decoders.<i>.decoder.0.deconv.weight` and so on. The decoders have a role of their own.
    ///
    /// # Errors
    /// [`Error::Shape`] if the last channels cannot be divided among the instruments; if the names are taken.
    pub fn new(config: &DirectConfig, build: &mut Build<'_>, decoders: Role) -> Result<Self> {
        let &DirectConfig {
            channels,
            bins,
            last,
            reconstruct,
            dropout,
        } = config;
        let dimensions = channels[5];
        if !dimensions.is_multiple_of(SUBSPACES) {
            let message = format!(
                "{dimensions} channels in the last layer cannot be divided among {SUBSPACES} instruments"
            );
            return Err(Error::shape("direct", message));
        }
        let encoder = Encoder::new(1, &channels, last, build)?;
        let flat = [dimensions, halved(bins, channels.len())];
        let head = Head::new(flat, dimensions, build)?;
        let count = if reconstruct { SUBSPACES } else { 0 };
        let mut build = build.with(decoders);
        let decoder = |i: usize| {
            let build = &mut build.at(format_args!("decoders.{i}"));
            Decoder::new(&channels, 1, dropout, i as u32, build)
        };
        let decoders = (0..count).map(decoder).collect::<Result<_>>()?;
        Ok(Direct {
            encoder,
            head,
            decoders,
            dimensions,
        })
    }

    /// Records encoder and head on the magnitude spectrogram of a mix, `[N, 1, bins, T]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `magnitude` is of another shape.
    pub fn record(&self, at: &mut Record<'_>, magnitude: Var) -> Result<Described> {
        let encoded = self.encoder.record(at, magnitude)?;
        let embedding = self.head.record(at, encoded.bottleneck()?)?;
        Ok(Described { embedding, encoded })
    }

    /// Conditioning1D: the embedding with all sub-spaces but one instrument's zeroed. `[N, dimensions]`
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such sub-space.
    pub fn condition(&self, tape: &mut Tape, described: &Described, instrument: usize) -> Result<Var> {
        tape.push(self.mask(instrument), &[described.embedding])
    }

    /// Conditioning3D: records the instrument's decoder on its own channels of the last convolution, all others
    /// zeroed, and on the encoder's unmasked skips.
    ///
    /// # Errors
    /// [`Error::Shape`] if the network has no such decoder.
    pub fn reconstruct(
        &self,
        at: &mut Record<'_>,
        described: &Described,
        magnitude: Var,
        instrument: usize,
    ) -> Result<Separated> {
        let Some(decoder) = self.decoders.get(instrument) else {
            let message = format!(
                "has {} decoders, none of number {instrument}",
                self.decoders.len()
            );
            return Err(Error::shape("direct", message));
        };
        let encoded = &described.encoded;
        let bottleneck = at.push(self.mask(instrument), &[encoded.bottleneck()?])?;
        let scope = format!("{instrument} ");
        let logits = decoder.record(at, bottleneck, encoded, &scope)?;
        Separated::record(at, logits, magnitude, &scope)
    }

    fn mask(&self, instrument: usize) -> ChannelMask {
        let count = self.dimensions / SUBSPACES;
        ChannelMask {
            start: instrument * count,
            count,
        }
    }
}
