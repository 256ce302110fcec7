//! FLAC, block by block, each with its check sum.
//!
//! A block says nowhere how long it is. It ends where its check sum comes out *and* it can be decoded: so no tag behind
//! the last block, and no chance likeness of a header within one, can be taken for a part of it.

use std::{fs::File, ops::Range};

use symphonia::core::{
    audio::Channels,
    codecs::audio::{AudioCodecParameters, AudioDecoder, well_known::CODEC_ID_FLAC},
};

use super::{
    blocks::{Blocks, Fault, Spec, changes, decoder, fit, packet},
    bytes::Bytes,
    tags,
};

/// Bytes looked at before more are read.
const STEP: usize = 1 << 14;
/// A range so short is not searched any further.
const NEAR: u64 = 1 << 16;
/// The longest header of a block.
const HEADER: usize = 16;

pub(super) struct Flac {
    bytes: Bytes,
    /// Of the stream being read, but for the number of frames, which is the first one's.
    info: Info,
    /// Channels of the first stream.
    channels: usize,
    decoder: Box<dyn AudioDecoder>,
    /// Position of the first block, and its header.
    first: Option<(u64, Header)>,
    /// The number that the next block must have.
    next: Option<u64>,
    /// A second stream has begun.
    joined: bool,
}

/// The part of STREAMINFO that matters.
#[derive(Clone, Copy)]
struct Info {
    rate: u32,
    channels: usize,
    bits: u32,
    frames: Option<u64>,
    /// All blocks but the last have one size.
    steady: bool,
}

#[derive(Clone, Copy)]
struct Header {
    /// Length of the header in bytes.
    length: usize,
    /// Frames in the block.
    frames: u64,
    /// Blocks are counted, not frames.
    counted: bool,
    number: u64,
}

impl Flac {
    pub fn open(file: File, range: Range<u64>) -> Result<Self, Fault> {
        let mut bytes = Bytes::new(file, range)?;
        let (info, decoder) = stream(&mut bytes)?;
        Ok(Flac {
            bytes,
            info,
            channels: info.channels,
            decoder,
            first: None,
            next: None,
            joined: false,
        })
    }

    /// The next block's header, with what lies before it passed over: tags, padding, the head of another stream. `None`
    /// at the end.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        loop {
            let head = self.bytes.ahead(HEADER)?;
            if let Some(header) = Header::parse(head, &self.info) {
                return Ok(Some(header));
            }
            if head.is_empty() {
                return Ok(None);
            } else if head.starts_with(b"fLaC") {
                self.join()?;
            } else if let Some(tag) = tags::in_front(head) {
                self.bytes.skip(tag)?;
            } else if head[0] == 0 {
                let zeros = head.iter().take_while(|&&b| b == 0).count();
                self.bytes.skip(zeros as u64)?;
            } else if self.find(self.bytes.end())?.is_some() {
                return Err(Fault::Damaged(
                    "there is something between two blocks that is none".into(),
                ));
            }
        }
    }

    /// Begins the stream that follows.
    fn join(&mut self) -> Result<(), Fault> {
        let (info, decoder) = stream(&mut self.bytes)?;
        if info.rate != self.info.rate {
            return Err(changes("sample rate", "Hz", self.info.rate, info.rate));
        }
        let frames = self.info.frames;
        (self.info, self.decoder) = (Info { frames, ..info }, decoder);
        (self.first, self.next, self.joined) = (None, None, true);
        Ok(())
    }

    /// The number that the header must have, by the one before.
    fn check(&mut self, header: &Header) -> Result<(), Fault> {
        match self.next {
            Some(next) if next != header.number => {
                let unit = if header.counted { "block" } else { "frame" };
                let number = header.number;
                Err(Fault::Damaged(format!(
                    "{unit} {number} of the stream follows where {next} should"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Decodes the block that begins here and passes over it. False if it has no end.
    fn block(&mut self, header: &Header, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        // Twice what the samples take uncompressed: no encoder goes that far.
        let raw = header.frames as usize * self.info.channels * (self.info.bits as usize + 1) / 8;
        let limit = 2 * raw + 4096;
        let (mut sum, mut seen) = (0, 0);
        loop {
            let data = self.bytes.ahead((seen + STEP).min(limit))?;
            for (i, &byte) in data.iter().enumerate().skip(seen) {
                sum = crc16(sum, byte);
                if sum > 0 || i < header.length + 2 {
                    continue;
                }
                let Ok(decoded) = self.decoder.decode_ref(&packet(&data[..i - 1], header.frames)) else {
                    continue;
                };
                decoded.copy_to_vec_interleaved(samples);
                self.bytes.skip(i as u64 + 1)?;
                return Ok(true);
            }
            if data.len() == seen {
                return Ok(false);
            }
            seen = data.len();
        }
    }

    /// What a block without an end is.
    fn endless(&mut self) -> Result<bool, Fault> {
        self.bytes.skip(1)?;
        if self.find(self.bytes.end())?.is_some() {
            return Err(Fault::Damaged("a block's check sum is wrong".into()));
        }
        match self.info.frames {
            Some(_) => Ok(false), // the end finds what is missing
            None => Err(Fault::Damaged("the file ends inside a block".into())),
        }
    }

    /// The next header of a block that begins before `end`, which becomes the position.
    fn find(&mut self, end: u64) -> Result<Option<Header>, Fault> {
        while self.bytes.position() < end {
            let data = self.bytes.ahead(STEP)?;
            let within = data.len().min((end - self.bytes.position()) as usize);
            let data = self.bytes.ahead(within + HEADER)?;
            let counted = self.first.map(|(_, first)| first.counted);
            let found = (0..within).find_map(|i| {
                let header = Header::parse(&data[i..], &self.info)?;
                let fits = counted.is_none_or(|counted| counted == header.counted);
                fits.then_some((i, header))
            });
            if let Some((i, header)) = found {
                self.bytes.skip(i as u64)?;
                return Ok(Some(header));
            }
            self.bytes.skip(within.max(1) as u64)?;
        }
        Ok(None)
    }

    /// The first frame of a block of the first stream; `None` if the file does not tell.
    fn start(&self, header: &Header) -> Option<u64> {
        let (_, first) = self.first?;
        let number = header.number.checked_sub(first.number)?;
        match header.counted {
            true => self.info.steady.then(|| number.saturating_mul(first.frames)),
            false => Some(number),
        }
    }

    /// Finds a block that begins at or before `frame`, near to it, by halving the file.
    fn search(&mut self, frame: u64) -> Result<Option<(u64, Header)>, Fault> {
        let Some((mut low, mut header)) = self.first else {
            return Ok(None);
        };
        let mut high = self.bytes.end();
        while high.saturating_sub(low) > NEAR {
            let middle = low + (high - low) / 2;
            self.bytes.seek(middle)?;
            let found = self.find(high)?;
            let start = found.and_then(|found| Some((found, self.start(&found)?)));
            match start {
                Some((found, start)) if start <= frame => (low, header) = (self.bytes.position(), found),
                _ => high = middle,
            }
        }
        Ok(Some((low, header)))
    }
}

impl Blocks for Flac {
    fn spec(&self) -> Spec {
        Spec {
            rate: self.info.rate,
            channels: self.channels,
            frames: self.info.frames,
            exact: true,
        }
    }

    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        let Some(header) = self.header()? else {
            return Ok(false);
        };
        self.check(&header)?;
        let position = self.bytes.position();
        self.first.get_or_insert((position, header));
        if !self.block(&header, samples)? {
            return self.endless();
        }
        fit(samples, self.info.channels, self.channels);
        self.next = Some(header.number + if header.counted { 1 } else { header.frames });
        Ok(true)
    }

    fn seek(&mut self, frame: u64) -> Result<Option<u64>, Fault> {
        if self.joined {
            return Ok(None);
        }
        if self.first.is_none() {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            self.first = Some((self.bytes.position(), header));
        }
        let Some((position, header)) = self.search(frame)? else {
            return Ok(None);
        };
        let Some(start) = self.start(&header).filter(|&start| start <= frame) else {
            return Ok(None);
        };
        // A header can be imitated by chance; a block that decodes cannot.
        self.bytes.seek(position)?;
        if !self.block(&header, &mut Vec::new())? {
            return Ok(None);
        }
        self.bytes.seek(position)?;
        self.next = Some(header.number);
        Ok(Some(start))
    }
}

/// Reads a stream's head up to its first block.
fn stream(bytes: &mut Bytes) -> Result<(Info, Box<dyn AudioDecoder>), Fault> {
    bytes.skip(4)?;
    let mut found = None;
    loop {
        let &[kind, a, b, c] = bytes.ahead(4)? else {
            return Err(Fault::header());
        };
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        bytes.skip(4)?;
        if bytes.end() - bytes.position() < length {
            return Err(Fault::header());
        }
        if kind & 0x7F == 0 && found.is_none() {
            let body = bytes.ahead(34)?;
            let body: [u8; 34] = match body.try_into() {
                Ok(body) if length >= 34 => body,
                _ => return Err(Fault::header()),
            };
            found = Some((Info::parse(&body), body));
        }
        bytes.skip(length)?;
        if kind & 0x80 > 0 {
            break;
        }
    }
    let (info, mut body) = found.ok_or_else(|| Fault::Damaged("it has no STREAMINFO".into()))?;
    // The decoder gets no limits and no sums that a careless encoder may have got wrong.
    body[..10].copy_from_slice(&[0, 16, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0]);
    body[18..].fill(0);
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(CODEC_ID_FLAC)
        .with_sample_rate(info.rate)
        .with_channels(Channels::Discrete(info.channels as u16))
        .with_extra_data(body.into());
    let name = format!("{}-bit FLAC at {} Hz", info.bits, info.rate);
    Ok((info, decoder(&parameters, &name)?))
}

impl Info {
    fn parse(body: &[u8; 34]) -> Self {
        let packed = u64::from_be_bytes([
            body[10], body[11], body[12], body[13], body[14], body[15], body[16], body[17],
        ]);
        let frames = packed & ((1 << 36) - 1);
        Info {
            rate: (packed >> 44) as u32,
            channels: (packed >> 41 & 7) as usize + 1,
            bits: (packed >> 36 & 31) as u32 + 1,
            frames: (frames > 0).then_some(frames),
            steady: body[..2] == body[2..4],
        }
    }
}

impl Header {
    /// The header that these bytes begin with, if it is one and fits the stream.
    fn parse(data: &[u8], info: &Info) -> Option<Self> {
        let &[0xFF, mark @ (0xF8 | 0xF9), sizes, kinds, ..] = data else {
            return None;
        };
        let channels = match kinds >> 4 {
            n @ 0..=7 => usize::from(n) + 1,
            8..=10 => 2,
            _ => return None,
        };
        let bits = match kinds >> 1 & 7 {
            0 => info.bits,
            n => *[8, 12, 0, 16, 20, 24, 32].get(usize::from(n) - 1)?,
        };
        if kinds & 1 > 0 || channels != info.channels || bits != info.bits {
            return None;
        }
        let (number, mut length) = coded_number(data.get(4..)?)?;
        length += 4;
        let mut field = |bytes: usize| -> Option<u32> {
            let field = data.get(length..length + bytes)?;
            length += bytes;
            Some(field.iter().fold(0, |sum, &b| sum << 8 | u32::from(b)))
        };
        let frames = match sizes >> 4 {
            1 => 192,
            n @ 2..=5 => 144 << n,
            6 => field(1)? + 1,
            7 => field(2)? + 1,
            n @ 8..=15 => 1 << n,
            _ => return None,
        };
        let rate = match sizes & 15 {
            0 => info.rate,
            12 => field(1)? * 1000,
            13 => field(2)?,
            14 => field(2)? * 10,
            n => *RATES.get(usize::from(n) - 1)?,
        };
        let sum = data[..length].iter().fold(0, |sum, &byte| crc8(sum, byte));
        let fits = rate == info.rate && frames < 1 << 16 && data.get(length) == Some(&sum);
        fits.then_some(Header {
            length: length + 1,
            frames: u64::from(frames),
            counted: mark == 0xF8,
            number,
        })
    }
}

const RATES: [u32; 11] = [
    88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
];

/// A number in the manner of UTF-8, up to 36 bits, and the count of its bytes.
fn coded_number(data: &[u8]) -> Option<(u64, usize)> {
    let head = *data.first()?;
    let length = match head.leading_ones() as usize {
        0 => return Some((u64::from(head), 1)),
        length @ 2..=7 => length,
        _ => return None,
    };
    let mut number = u64::from(head) & (0x7F >> length);
    for &byte in data.get(1..length)? {
        if byte & 0xC0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3F);
    }
    Some((number, length))
}

/// x⁸ + x² + x + 1
fn crc8(sum: u8, byte: u8) -> u8 {
    (0..8).fold(sum ^ byte, |sum, _| {
        sum << 1 ^ if sum & 0x80 > 0 { 0x07 } else { 0 }
    })
}

/// x¹⁶ + x¹⁵ + x² + 1
fn crc16(sum: u16, byte: u8) -> u16 {
    sum << 8 ^ CRC16[usize::from((sum >> 8) as u8 ^ byte)]
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            sum = sum << 1 ^ if sum & 0x8000 > 0 { 0x8005 } else { 0 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};
