//! AAC as ADTS writes it, frame by frame, and what tells HE-AAC from AAC that any decoder can read.

use std::{fs::File, ops::Range};

use symphonia::core::{
    audio::Channels,
    codecs::audio::{AudioCodecParameters, AudioDecoder, well_known::CODEC_ID_AAC},
};

use super::{
    blocks::{Blocks, Fault, Lost, Spec, changes, decoder, fit, packet},
    bytes::Bytes,
    tags,
};

/// Frames of a block of AAC.
const BLOCK: u64 = 1024;
/// Bytes looked at before more are read: several frames of the greatest size.
const STEP: usize = 1 << 15;
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

pub(super) struct Adts {
    bytes: Bytes,
    header: Header,
    decoder: Box<dyn AudioDecoder>,
    /// Channels that the decoder gives at present.
    decoded: usize,
    bands: Bands,
    lost: Lost,
}

#[derive(Clone, Copy, PartialEq)]
struct Header {
    profile: u8,
    rate: u32,
    /// 0 for a layout that the blocks describe.
    channels: usize,
    /// Bytes of the frame, and of its head.
    size: usize,
    head: usize,
    /// Blocks in the frame.
    blocks: u8,
}

impl Adts {
    /// Opens the file if frames follow one another in it, from its beginning on.
    pub fn open(file: File, range: Range<u64>) -> Result<Option<Self>, Fault> {
        let mut bytes = Bytes::new(file, range.clone())?;
        let Some(header) = find(&mut bytes, range.start + 1)? else {
            return Ok(None);
        };
        Ok(Some(Adts {
            decoder: header.decoder()?,
            decoded: header.channels,
            header,
            bands: Bands::default(),
            lost: Lost::new(range.end - range.start),
            bytes,
        }))
    }

    /// The header of the next frame, which is the position; `None` at the end.
    fn next(&mut self) -> Result<Option<Header>, Fault> {
        loop {
            let head = self.bytes.ahead(32)?;
            if head.len() < 7 {
                return Ok(None);
            }
            let found = match (Header::parse(head), tags::in_front(head)) {
                (Some(header), _) if header.rate == self.header.rate => Some(header),
                (_, Some(tag)) => {
                    self.bytes.skip(tag)?;
                    continue;
                }
                _ => {
                    let from = self.bytes.position();
                    let found = find(&mut self.bytes, u64::MAX)?;
                    self.lost.add(self.bytes.position() - from);
                    found
                }
            };
            return match found {
                Some(header) if header.rate != self.header.rate => {
                    Err(changes("sample rate", "Hz", self.header.rate, header.rate))
                }
                found => Ok(found),
            };
        }
    }
}

impl Blocks for Adts {
    fn spec(&self) -> Spec {
        Spec {
            rate: self.header.rate,
            channels: self.header.channels,
            frames: None,
            exact: false,
        }
    }

    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        let Some(header) = self.next()? else {
            return self.lost.end();
        };
        if header.channels != self.decoded {
            (self.decoder, self.decoded) = (header.decoder()?, header.channels);
        }
        let data = self.bytes.ahead(header.size)?;
        if data.len() < header.size {
            return self.lost.end();
        }
        samples.clear();
        let block = &data[header.head..];
        self.bands.check(block)?;
        if let Ok(decoded) = self.decoder.decode_ref(&packet(block, BLOCK)) {
            decoded.copy_to_vec_interleaved(samples);
        } else {
            samples.resize(BLOCK as usize * header.channels, 0.0);
            self.lost.add(header.size as u64);
        }
        fit(samples, header.channels, self.header.channels);
        self.bytes.skip(header.size as u64)?;
        Ok(true)
    }

    fn seek(&mut self, _frame: u64) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

/// Passes over what is no frame, up to `until`. A frame is one if another like it follows, or the end.
fn find(bytes: &mut Bytes, until: u64) -> Result<Option<Header>, Fault> {
    let until = until.min(bytes.end());
    while bytes.position() < until {
        let data = bytes.ahead(STEP)?;
        let last = data.len() < STEP;
        let most = if last { data.len() } else { STEP / 2 };
        let most = most.min((until - bytes.position()) as usize);
        let data = bytes.ahead(STEP)?;
        let found = (0..most).find_map(|i| {
            let header = Header::parse(&data[i..])?;
            let next = data.get(i + header.size..)?;
            let follows = Header::parse(next).is_some_and(|next| next.rate == header.rate);
            let ends = last && next.len() < 7 || tags::in_front(next).is_some();
            (follows || ends).then_some((i, header))
        });
        if let Some((i, header)) = found {
            bytes.skip(i as u64)?;
            return Ok(Some(header));
        }
        bytes.skip(most as u64)?;
    }
    Ok(None)
}

impl Header {
    fn parse(data: &[u8]) -> Option<Self> {
        let &[0xFF, mark @ (0xF0 | 0xF1 | 0xF8 | 0xF9), a, b, c, d, e, ..] = data else {
            return None;
        };
        let header = Header {
            profile: a >> 6,
            rate: *RATES.get(usize::from(a >> 2 & 15))?,
            channels: match a << 2 & 4 | b >> 6 {
                7 => 8,
                n => usize::from(n),
            },
            size: usize::from(b & 3) << 11 | usize::from(c) << 3 | usize::from(d >> 5),
            head: if mark & 1 > 0 { 7 } else { 9 },
            blocks: (e & 3) + 1,
        };
        (header.size > header.head).then_some(header)
    }

    fn decoder(&self) -> Result<Box<dyn AudioDecoder>, Fault> {
        let name = match (self.profile, self.channels, self.blocks) {
            (0, ..) => "AAC Main",
            (2, ..) => "AAC of scalable sample rate",
            (3, ..) => "AAC with long-term prediction",
            (_, 0, _) => "AAC with a channel layout of its own",
            (_, 3.., _) => "AAC with more than two channels",
            (.., 2..) => "AAC with several blocks in a frame",
            _ => "",
        };
        if !name.is_empty() {
            return Err(Fault::Unsupported(name.into()));
        }
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(CODEC_ID_AAC)
            .with_sample_rate(self.rate)
            .with_channels(Channels::Discrete(self.channels as u16));
        decoder(&parameters, "AAC")
    }
}

/// Looks for the upper bands of HE-AAC in the first blocks. A decoder that does not know them passes over them, and what
/// it gives has half the rate and none of the treble.
#[derive(Default)]
pub(super) struct Bands {
    blocks: u32,
    found: u32,
}

impl Bands {
    const BLOCKS: u32 = 16;

    /// # Errors
    /// [`Fault::Unsupported`] if nearly all of the first blocks have upper bands.
    pub fn check(&mut self, block: &[u8]) -> Result<(), Fault> {
        if self.blocks == Self::BLOCKS {
            return Ok(());
        }
        self.blocks += 1;
        self.found += u32::from(upper_bands(block));
        match self.blocks == Self::BLOCKS && 4 * self.found >= 3 * self.blocks {
            true => Err(Fault::Unsupported("HE-AAC".into())),
            false => Ok(()),
        }
    }
}

/// Whether a block seems to end with upper bands: where in it they begin, only a decoder knows, but they say how long they
/// are, and what they must be followed by is the end. By chance one block in thirty seems so.
fn upper_bands(block: &[u8]) -> bool {
    let length = 8 * block.len();
    let bits = |at: usize, count: usize| -> usize {
        (at..at + count).fold(0, |value, at| {
            let byte = block.get(at / 8).copied().unwrap_or(0);
            value << 1 | usize::from(byte >> (7 - at % 8) & 1)
        })
    };
    // a fill element, which is at most 270 bytes long, and begins by the kind of what fills it
    (length.saturating_sub(8 * 272)..length).any(|at| {
        if bits(at, 3) != 6 {
            return false;
        }
        let (count, start) = match bits(at + 3, 4) {
            15 => (14 + bits(at + 7, 8), at + 15),
            count => (count, at + 7),
        };
        let end = start + 8 * count;
        count > 0
            && matches!(bits(start, 4), 13 | 14)
            && end + 3 <= length
            && length - end - 3 < 8
            && bits(end, 3) == 7
    })
}
