//! MPEG audio, above all MP3, frame by frame.
//!
//! Such a file is a row of frames and has no end but that of the file. What a header at its beginning says of its
//! length tells where an encoder's padding lies, and whether something is missing, but it never ends the music.

use std::{fs::File, ops::Range};

use symphonia::core::{
    audio::Channels,
    codecs::audio::{
        AudioCodecParameters, AudioDecoder,
        well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3},
    },
};

use super::{
    blocks::{Blocks, Fault, Lost, Spec, changes, decoder, fit, packet},
    bytes::Bytes,
    tags,
};

/// Samples that a decoder is late, which encoders count on.
const DECODER_DELAY: u64 = 528 + 1;
/// So many frames fewer than promised are nothing that anybody misses.
const FEW: u64 = 4;
/// Bytes looked at before more are read: several frames of the greatest size.
const STEP: usize = 1 << 15;

pub(super) struct Mpeg {
    bytes: Bytes,
    header: Header,
    /// Bytes of the music, from its first frame on.
    length: u64,
    promise: Promise,
    decoder: Box<dyn AudioDecoder>,
    /// Channels that the decoder gives at present.
    decoded: usize,
    /// Frames of the stream so far.
    frames: u64,
    /// Samples that the encoder put in front, still to be dropped.
    skipped: u64,
    /// Samples that may be padding: they are handed out once something follows.
    held: Vec<f32>,
    lost: Lost,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Header {
    /// 1 for MPEG 1, 2 for MPEG 2 and 3 for what is called 2.5.
    version: u8,
    layer: u8,
    rate: u32,
    channels: usize,
    /// Bytes of the frame.
    size: usize,
    /// Samples of a channel.
    samples: u64,
}

/// What a header of Xing, LAME or Fraunhofer says.
#[derive(Clone, Copy, Default)]
struct Promise {
    /// Frames, without that of the header.
    frames: Option<u64>,
    /// Bytes, with that frame.
    bytes: Option<u64>,
    /// Samples that the encoder put in front and behind.
    delay: u64,
    padding: u64,
}

impl Mpeg {
    /// Opens the file if frames follow one another in it, from some place in the first `depth` bytes on.
    pub fn open(file: File, range: Range<u64>, depth: u64) -> Result<Option<Self>, Fault> {
        let mut bytes = Bytes::new(file, range)?;
        let until = bytes.position().saturating_add(depth);
        let Some(header) = find(&mut bytes, until)? else {
            return Ok(None);
        };
        let length = bytes.end() - bytes.position();
        let promise = Promise::parse(bytes.ahead(header.size)?, &header);
        if promise.is_some() {
            bytes.skip(header.size as u64)?;
        }
        let promise = promise.unwrap_or_default();
        Ok(Some(Mpeg {
            bytes,
            header,
            length,
            promise,
            decoder: header.decoder()?,
            decoded: header.channels,
            frames: 0,
            skipped: promise.delay,
            held: Vec::new(),
            lost: Lost::new(length),
            ended: false,
        }))
    }

    /// The header of the next frame, which is the position; `None` at the end.
    fn next(&mut self) -> Result<Option<Header>, Fault> {
        loop {
            let head = self.bytes.ahead(32)?;
            if head.len() < 4 {
                return Ok(None);
            }
            if let Some(header) = Header::parse(head).filter(|header| header.like(&self.header)) {
                return Ok(Some(header));
            }
            if let Some(tag) = tags::in_front(head) {
                self.bytes.skip(tag)?;
                continue;
            }
            let from = self.bytes.position();
            let found = find(&mut self.bytes, u64::MAX)?;
            self.lost.add(self.bytes.position() - from);
            let Some(header) = found else { return Ok(None) };
            if header.rate != self.header.rate {
                return Err(changes("sample rate", "Hz", self.header.rate, header.rate));
            }
            if header.layer != self.header.layer {
                return Err(changes("MPEG layer", "", self.header.layer, header.layer));
            }
            return Ok(Some(header));
        }
    }

    /// Decodes the frame that begins here into `samples`, silence if that cannot be done.
    fn frame(&mut self, header: &Header, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        if header.channels != self.decoded {
            (self.decoder, self.decoded) = (header.decoder()?, header.channels);
        }
        let data = self.bytes.ahead(header.size)?;
        if data.len() < header.size {
            return Ok(false);
        }
        samples.clear();
        if let Ok(decoded) = self.decoder.decode_ref(&packet(data, header.samples)) {
            decoded.copy_to_vec_interleaved(samples);
        }
        if samples.is_empty() {
            samples.resize(header.samples as usize * header.channels, 0.0);
            // The first frames may refer to others that were cut off before them.
            self.lost
                .add(if self.frames < FEW { 0 } else { header.size as u64 });
        }
        fit(samples, header.channels, self.header.channels);
        self.bytes.skip(header.size as u64)?;
        self.frames += 1;
        Ok(true)
    }

    /// What is left at the end, if nothing is missing.
    fn end(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        self.ended = true;
        self.lost.end()?;
        if let Some(promised) = self.promise.frames {
            // The count alone may be wrong; with the bytes it is true.
            let missing = promised.saturating_sub(self.frames);
            let cut = match self.promise.bytes {
                Some(bytes) => self.length < bytes && missing > FEW,
                None => missing * self.header.samples > u64::from(self.header.rate),
            };
            if cut {
                return Err(Fault::Truncated {
                    found: self.frames * self.header.samples,
                    promised: promised * self.header.samples,
                });
            }
        }
        samples.clear();
        if self.promise.frames != Some(self.frames) {
            samples.append(&mut self.held);
        }
        Ok(!samples.is_empty())
    }
}

impl Blocks for Mpeg {
    fn spec(&self) -> Spec {
        let around = self.promise.delay + self.promise.padding;
        let frames = self.promise.frames;
        Spec {
            rate: self.header.rate,
            channels: self.header.channels,
            frames: frames.and_then(|frames| (frames * self.header.samples).checked_sub(around)),
            exact: false,
        }
    }

    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        let Some(header) = self.next()? else {
            return self.end(samples);
        };
        if !self.frame(&header, samples)? {
            return self.end(samples);
        }
        let channels = self.header.channels;
        let dropped = self.skipped.min((samples.len() / channels) as u64);
        self.skipped -= dropped;
        samples.drain(..dropped as usize * channels);
        if self.promise.padding > 0 {
            self.held.append(samples);
            let sure = self
                .held
                .len()
                .saturating_sub(self.promise.padding as usize * channels);
            samples.extend(self.held.drain(..sure));
        }
        Ok(true)
    }

    fn seek(&mut self, _frame: u64) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

/// Passes over what is no frame, up to `until`. A frame is one if others like it follow, or the end.
fn find(bytes: &mut Bytes, until: u64) -> Result<Option<Header>, Fault> {
    let until = until.min(bytes.end());
    while bytes.position() < until {
        let data = bytes.ahead(STEP)?;
        let last = data.len() < STEP;
        let most = if last { data.len() } else { STEP / 2 };
        let found = (0..most).find_map(|i| Some((i, followed(&data[i..], last)?)));
        if let Some((i, header)) = found {
            bytes.skip(i as u64)?;
            return Ok(Some(header));
        }
        bytes.skip(most as u64)?;
    }
    Ok(None)
}

/// The header that these bytes begin with, if two others like it follow or the file ends with a whole frame.
fn followed(data: &[u8], last: bool) -> Option<Header> {
    let header = Header::parse(data)?;
    let mut at = header.size;
    for followers in 0..2 {
        // The last frame may be cut off.
        let Some(next) = data.get(at..) else {
            return (last && followers > 0).then_some(header);
        };
        if last && next.len() < 4 || tags::in_front(next).is_some() {
            break;
        }
        let next = Header::parse(next).filter(|next| next.like(&header))?;
        at += next.size;
    }
    Some(header)
}

impl Header {
    fn parse(data: &[u8]) -> Option<Self> {
        let &[0xFF, kind, sizes, mode, ..] = data else {
            return None;
        };
        let version = match kind >> 3 & 3 {
            _ if kind < 0xE0 => return None,
            0 => 3,
            2 => 2,
            3 => 1,
            _ => return None,
        };
        let layer = match kind >> 1 & 3 {
            0 => return None,
            n => 4 - n,
        };
        let rate = [44_100, 48_000, 32_000].get(usize::from(sizes >> 2 & 3))? >> (version - 1);
        let bits = bits(version, layer, usize::from(sizes >> 4))?;
        let channels = if mode >> 6 == 3 { 1 } else { 2 };
        let samples = match (layer, version) {
            (1, _) => 384,
            (3, 2 | 3) => 576,
            _ => 1152,
        };
        let padding = u64::from(sizes >> 1 & 1);
        let size = match layer {
            1 => (12 * bits / u64::from(rate) + padding) * 4,
            _ => samples / 8 * bits / u64::from(rate) + padding,
        };
        (size >= 24).then_some(Header {
            version,
            layer,
            rate,
            channels,
            size: size as usize,
            samples,
        })
    }

    /// Frames that can follow one another.
    fn like(&self, other: &Self) -> bool {
        (self.version, self.layer, self.rate) == (other.version, other.layer, other.rate)
    }

    fn decoder(&self) -> Result<Box<dyn AudioDecoder>, Fault> {
        let id = [CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3][usize::from(self.layer) - 1];
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(id)
            .with_sample_rate(self.rate)
            .with_channels(Channels::Discrete(self.channels as u16));
        decoder(&parameters, &format!("MPEG audio of layer {}", self.layer))
    }

    /// Bytes of the side information, of layer 3.
    fn side(&self) -> usize {
        match (self.version, self.channels) {
            (1, 1) => 17,
            (1, _) => 32,
            (_, 1) => 9,
            _ => 17,
        }
    }
}

/// Bits a second by their index in a frame's header.
fn bits(version: u8, layer: u8, index: usize) -> Option<u64> {
    const TABLES: [[u64; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let table = match (version, layer) {
        (1, layer) => usize::from(layer) - 1,
        (_, 1) => 3,
        _ => 4,
    };
    TABLES[table].get(index.checked_sub(1)?).map(|bits| bits * 1000)
}

impl Promise {
    /// Reads the header in a stream's first frame, which then holds no music.
    fn parse(frame: &[u8], header: &Header) -> Option<Self> {
        if header.layer != 3 {
            return None;
        }
        let at = |offset: usize, length: usize| -> Option<u64> {
            let field = frame.get(offset..offset + length)?;
            Some(field.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
        };
        if frame.get(36..40)? == b"VBRI" {
            return Some(Promise {
                frames: at(50, 4),
                bytes: at(46, 4),
                ..Promise::default()
            });
        }
        let start = 4 + header.side();
        if !matches!(frame.get(start..start + 4)?, b"Xing" | b"Info") {
            return None;
        }
        let flags = at(start + 4, 4)?;
        let mut next = start + 8;
        let mut field = |bit: u64, length: usize| {
            let here = next;
            let is_there = flags & bit > 0;
            next += if is_there { length } else { 0 };
            is_there.then_some(here)
        };
        let frames = field(1, 4).and_then(|here| at(here, 4)).filter(|&n| n > 0);
        let bytes = field(2, 4).and_then(|here| at(here, 4)).filter(|&n| n > 0);
        field(4, 100);
        field(8, 4);
        let encoder = frame.get(next..next + 4).unwrap_or_default();
        let gaps = match encoder {
            b"LAME" | b"Lavf" | b"Lavc" => at(next + 21, 3).filter(|&gaps| gaps > 0),
            _ => None,
        };
        Some(Promise {
            frames,
            bytes,
            delay: gaps.map_or(0, |gaps| (gaps >> 12) + DECODER_DELAY),
            padding: gaps.map_or(0, |gaps| (gaps & 0xFFF).saturating_sub(DECODER_DELAY)),
        })
    }
}
