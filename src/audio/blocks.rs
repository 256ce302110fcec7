//! What every format has in common: blocks that are decoded one after another, and what can go wrong on the way.

use std::{fmt::Display, io, path::Path};

use symphonia::{
    core::{
        codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_OPUS},
        errors::Error,
        packet::PacketRef,
        units::{Duration, Timestamp},
    },
    default::get_codecs,
};

use super::{AudioError, opus::Opus};

/// A file as its format's reader gives it.
pub(super) trait Blocks: Send {
    fn spec(&self) -> Spec;

    /// Replaces `samples` by those of the next block, interleaved, or some of them; false at the end. A block may be
    /// empty.
    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault>;

    /// Makes a block that begins at or before `frame` the next one, and returns its first frame; `None` if that would
    /// take decoding from the beginning.
    fn seek(&mut self, frame: u64) -> Result<Option<u64>, Fault>;
}

#[derive(Clone, Copy)]
pub(super) struct Spec {
    /// In Hz.
    pub rate: u32,
    pub channels: usize,
    /// Number of frames that the header promises.
    pub frames: Option<u64>,
    /// The promise is kept to the frame, or the file is truncated.
    pub exact: bool,
}

/// [`AudioError`] without the file's path.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Empty,
    NotAudio(String),
    Unsupported(String),
    Truncated { found: u64, promised: u64 },
    Damaged(String),
}

impl Fault {
    /// The fault of a file of which `frame` frames were decoded.
    pub fn of(self, path: &Path, frame: u64) -> AudioError {
        let path = path.into();
        match self {
            Fault::Io(source) => AudioError::Read { path, source },
            Fault::Empty => AudioError::Empty { path },
            Fault::NotAudio(reason) => AudioError::NotAudio { path, reason },
            Fault::Unsupported(what) => AudioError::Unsupported { path, what },
            Fault::Truncated { found, promised } => AudioError::Truncated {
                path,
                found,
                promised,
            },
            Fault::Damaged(reason) => AudioError::Damaged { path, frame, reason },
        }
    }

    pub fn header() -> Self {
        Fault::Damaged("the file ends inside its header".into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

/// Frames that a block may have; codecs have some thousands at most.
const MOST_FRAMES: u64 = 1 << 18;

/// A decoder for the codec of `parameters`, whose name is `codec`.
pub(super) fn decoder(
    parameters: &AudioCodecParameters,
    codec: &str,
) -> Result<Box<dyn AudioDecoder>, Fault> {
    let senseless = || Fault::Damaged(format!("its settings for {codec} make no sense"));
    // the decoder allocates what is promised
    if parameters
        .max_frames_per_packet
        .is_some_and(|frames| frames > MOST_FRAMES)
    {
        return Err(senseless());
    }
    if parameters.codec == CODEC_ID_OPUS {
        let opus = Opus::new(parameters).ok_or_else(|| Fault::Unsupported(codec.into()))?;
        return Ok(Box::new(opus));
    }
    let options = AudioDecoderOptions::default();
    get_codecs()
        .make_audio_decoder(parameters, &options)
        .map_err(|error| match error {
            Error::Unsupported(_) => Fault::Unsupported(codec.into()),
            _ => senseless(),
        })
}

/// A block of so many frames.
pub(super) fn packet(data: &[u8], frames: u64) -> PacketRef<'_> {
    PacketRef::new(0, Timestamp::new(0), Duration::new(frames), data)
}

/// The file changes its rate or its codec, which nothing here follows.
pub(super) fn changes(what: &str, unit: &str, from: impl Display, to: impl Display) -> Fault {
    let change = format!("music whose {what} changes from {from} to {to} {unit}");
    Fault::Unsupported(change.trim_end().into())
}

/// Changes the number of channels: all sound on each.
pub(super) fn fit(samples: &mut Vec<f32>, from: usize, to: usize) {
    if from == to {
        return;
    }
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / from as f32;
    *samples = samples
        .chunks_exact(from)
        .flat_map(|frame| std::iter::repeat_n(mean(frame), to))
        .collect();
}

/// Bytes of a row of frames that were no audio.
pub(super) struct Lost {
    bytes: u64,
    of: u64,
}

impl Lost {
    /// Of so much of a file a part of one may be lost, and in any case so many bytes.
    const OF: u64 = 10;
    const FEW: u64 = 4096;

    pub fn new(of: u64) -> Self {
        Lost { bytes: 0, of }
    }

    pub fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// False, the end, unless too much is lost.
    pub fn end(&self) -> Result<bool, Fault> {
        match self.bytes > (self.of / Self::OF).max(Self::FEW) {
            true => Err(Fault::Damaged(format!(
                "{} of its {} bytes are no audio that can be decoded",
                self.bytes, self.of
            ))),
            false => Ok(false),
        }
    }
}
