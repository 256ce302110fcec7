//! WAV in all its sizes: RIFF and RIFX, RF64 and BW64, and Wave64.
//!
//! Pipes, crashed recorders and careless editors leave sizes behind that are not true. Only the size of the audio is
//! taken for a promise, and only where it can be one.

use std::{fs::File, io, ops::Range};

use symphonia::core::{
    audio::Channels,
    codecs::audio::{
        AudioCodecId, AudioCodecParameters, AudioDecoder,
        well_known::{
            CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32BE,
            CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64BE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW,
            CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE,
            CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8,
        },
    },
};

use super::{
    blocks::{Blocks, Fault, Spec, decoder, packet},
    bytes::Bytes,
    mpeg::Mpeg,
};

/// Frames decoded at a time, unless one block has more.
const FRAMES: u64 = 4096;
/// Chunks looked at, before and behind the audio: no program writes so many.
const CHUNKS: usize = 1000;
/// Names of chunks as they are found in WAV files.
const NAMES: [&[u8; 4]; 24] = [
    b"fmt ", b"data", b"fact", b"LIST", b"ds64", b"JUNK", b"junk", b"PAD ", b"FLLR", b"bext", b"iXML",
    b"id3 ", b"ID3 ", b"cue ", b"smpl", b"inst", b"PEAK", b"cart", b"axml", b"chna", b"_PMX", b"acid",
    b"strc", b"RIFF",
];

pub(super) struct Wav {
    bytes: Bytes,
    decoder: Box<dyn AudioDecoder>,
    rate: u32,
    channels: usize,
    /// Bytes and frames of a block: of PCM, one frame.
    block: (u64, u64),
    frames: Option<u64>,
    /// Where the audio lies, in order; ranges of whole blocks.
    parts: Vec<Range<u64>>,
    part: usize,
}

/// What the chunks of a file say.
#[derive(Default)]
struct Layout {
    format: Option<Vec<u8>>,
    parts: Vec<Range<u64>>,
    /// Sizes of the audio, where they are true.
    promised: Option<u64>,
    /// The audio's size by an RF64 header.
    large: Option<u64>,
}

/// Kinds of files by how their chunks are written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Little,
    Big,
    Wave64,
}

/// A decoder, and bytes and frames of one of its blocks.
type OneBlock = (Box<dyn AudioDecoder>, (u64, u64));

impl Form {
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]
            | [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..]
            | [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Form::Little),
            [b'R', b'I', b'F', b'X', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Form::Big),
            [b'r', b'i', b'f', b'f', 0x2E, 0x91, 0xCF, 0x11, ..] => Some(Form::Wave64),
            _ => None,
        }
    }

    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let pair = [bytes[at], bytes[at + 1]];
        match self {
            Form::Big => u16::from_be_bytes(pair),
            _ => u16::from_le_bytes(pair),
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Form::Big => u32::from_be_bytes(four),
            _ => u32::from_le_bytes(four),
        }
    }
}

/// Opens a WAV file, of which the form is known.
pub(super) fn open(file: File, range: Range<u64>, form: Form) -> Result<Box<dyn Blocks>, Fault> {
    let mut bytes = Bytes::new(file.try_clone()?, range.clone())?;
    let layout = Layout::read(&mut bytes, form)?;
    let format = layout
        .format
        .as_deref()
        .filter(|format| format.len() >= 16)
        .ok_or_else(Fault::header)?;
    let format = Format::parse(form, format)?;
    if let (Codec::Mpeg, [part, ..]) = (format.codec, layout.parts.as_slice()) {
        let found = Mpeg::open(file, part.clone(), u64::MAX)?;
        let found = found.ok_or_else(|| Fault::Damaged("no MP3 begins in it".into()))?;
        return Ok(Box::new(found));
    }
    Ok(Box::new(Wav::new(bytes, layout, &format)?))
}

impl Wav {
    fn new(bytes: Bytes, layout: Layout, format: &Format) -> Result<Self, Fault> {
        let (decoder, block) = format.decoder()?;
        let frames = layout.promised.map(|size| size / block.0 * block.1);
        let parts = layout.parts.into_iter();
        let parts = parts.map(|part| part.start..part.end - (part.end - part.start) % block.0);
        Ok(Wav {
            bytes,
            decoder,
            rate: format.rate,
            channels: format.channels,
            block,
            frames,
            parts: parts.collect(),
            part: usize::MAX,
        })
    }

    /// The part being read, with the position inside it.
    fn part(&mut self) -> io::Result<Option<&Range<u64>>> {
        if self.part == usize::MAX {
            self.enter(0, 0)?;
        }
        while let Some(part) = self.parts.get(self.part) {
            if self.bytes.position() < part.end {
                break;
            }
            self.enter(self.part + 1, 0)?;
        }
        Ok(self.parts.get(self.part))
    }

    fn enter(&mut self, part: usize, offset: u64) -> io::Result<()> {
        self.part = part;
        match self.parts.get(part) {
            Some(part) => self.bytes.seek(part.start + offset),
            None => Ok(()),
        }
    }
}

impl Blocks for Wav {
    fn spec(&self) -> Spec {
        Spec {
            rate: self.rate,
            channels: self.channels,
            frames: self.frames,
            exact: true,
        }
    }

    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, Fault> {
        let (size, frames) = self.block;
        let Some(end) = self.part()?.map(|part| part.end) else {
            return Ok(false);
        };
        let blocks = (FRAMES / frames).max(1).min((end - self.bytes.position()) / size);
        let data = self.bytes.ahead((blocks * size) as usize)?;
        let whole = data.len() - data.len() % size as usize;
        let duration = whole as u64 / size * frames;
        let decoded = self.decoder.decode_ref(&packet(&data[..whole], duration));
        let decoded = decoded.map_err(|_| Fault::Damaged("a block of it cannot be decoded".into()))?;
        decoded.copy_to_vec_interleaved(samples);
        self.bytes.skip(whole as u64)?;
        Ok(whole > 0)
    }

    fn seek(&mut self, frame: u64) -> Result<Option<u64>, Fault> {
        let (size, frames) = self.block;
        let mut start = 0;
        for i in 0..self.parts.len() {
            let held = (self.parts[i].end - self.parts[i].start) / size * frames;
            if frame < start + held || i + 1 == self.parts.len() {
                let block = (frame - start).min(held) / frames;
                self.enter(i, block * size)?;
                return Ok(Some(start + block * frames));
            }
            start += held;
        }
        Ok(None)
    }
}

impl Layout {
    fn read(bytes: &mut Bytes, form: Form) -> Result<Self, Fault> {
        let mut layout = Layout::default();
        bytes.skip(if form == Form::Wave64 { 40 } else { 12 })?;
        for _ in 0..CHUNKS {
            let Some((name, size)) = chunk(bytes, form)? else {
                break;
            };
            let start = bytes.position();
            let rest = bytes.end() - start;
            match &name {
                b"fmt " => {
                    let format = bytes.ahead(40.min(usize::try_from(size).unwrap_or(40)))?;
                    layout.format.get_or_insert(format.to_vec());
                }
                b"ds64" if size >= 16 => {
                    let body = bytes.ahead(16)?;
                    let large = <[u8; 8]>::try_from(&body[8.min(body.len())..]);
                    layout.large = large
                        .ok()
                        .map(u64::from_le_bytes)
                        .filter(|&size| size > 0 && size < u64::MAX >> 1);
                }
                b"data" => {
                    let next = bytes.ahead(4)?;
                    let known = match NAMES.iter().any(|name| name.as_slice() == next) {
                        true if size == 0 => Some(0),
                        _ => layout.size(size, rest, form),
                    };
                    let size = known.unwrap_or(rest).min(rest);
                    if size > 0 {
                        layout.parts.push(start..start + size);
                    }
                    let sum = |known| layout.promised.unwrap_or(0).checked_add(known);
                    layout.promised = known.and_then(sum);
                    if known.is_none_or(|known| known >= rest) {
                        return Ok(layout);
                    }
                }
                // another file behind this one
                b"RIFF" if bytes.ahead(4)? == b"WAVE" => {
                    bytes.skip(4)?;
                    continue;
                }
                name if !layout.parts.is_empty() && !NAMES.contains(&name) => break,
                _ => {}
            }
            if size > rest {
                break;
            }
            pass(bytes, size, form)?;
        }
        match layout.parts.is_empty() && layout.promised.is_none() {
            true => Err(Fault::header()),
            false => Ok(layout),
        }
    }

    /// The true size of the audio, as far as the chunk's own and the bytes left in the file tell.
    fn size(&self, size: u64, rest: u64, form: Form) -> Option<u64> {
        match size {
            0xFFFF_FFFF if self.large.is_some() => self.large,
            size if form == Form::Wave64 => Some(size).filter(|&size| size < 1 << 62),
            0 if rest > 0 => None,
            // What is written where the length is not yet known: the greatest sizes of 31 and of 32 bits, or a little
            // less; never smaller than the rest of the file by chance.
            0x7FFF_0000..=0x8000_FFFF | 0xFFFF_0000..=0xFFFF_FFFF if size > rest => None,
            0xFFFF_FFFF => None,
            size => Some(size),
        }
    }
}

/// Name and size of the chunk that begins here, and passes over its head; `None` where the file ends.
fn chunk(bytes: &mut Bytes, form: Form) -> io::Result<Option<([u8; 4], u64)>> {
    let length = if form == Form::Wave64 { 24 } else { 8 };
    let head = bytes.ahead(length)?;
    if head.len() < length {
        return Ok(None);
    }
    let name = [head[0], head[1], head[2], head[3]];
    let size = match form {
        Form::Wave64 => {
            let size = <[u8; 8]>::try_from(&head[16..]).map_or(0, u64::from_le_bytes);
            size.saturating_sub(24)
        }
        _ => u64::from(form.u32(head, 4)),
    };
    bytes.skip(length as u64)?;
    Ok(Some((name, size)))
}

/// Passes over the rest of a chunk, and over the byte that makes its length even, which some programs forget.
fn pass(bytes: &mut Bytes, size: u64, form: Form) -> io::Result<()> {
    bytes.skip(size)?;
    if form == Form::Wave64 {
        return bytes.skip(size.wrapping_neg() % 8);
    }
    if !size.is_multiple_of(2) {
        let next = bytes.ahead(5)?;
        let named = |name: &[u8]| NAMES.iter().any(|known| known.as_slice() == name);
        let forgotten = next.len() == 5 && named(&next[..4]) && !named(&next[1..]);
        if !forgotten {
            bytes.skip(1)?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Codec {
    Integer,
    Float,
    ALaw,
    MuLaw,
    Adpcm(AudioCodecId),
    Mpeg,
}

struct Format {
    form: Form,
    codec: Codec,
    rate: u32,
    channels: usize,
    /// Bytes of a block, as written.
    block: u64,
    /// Bits of a sample.
    bits: u32,
}

impl Format {
    /// Parses 16 bytes or more.
    fn parse(form: Form, bytes: &[u8]) -> Result<Self, Fault> {
        let mut tag = form.u16(bytes, 0);
        if tag == 0xFFFE && bytes.len() >= 26 {
            tag = form.u16(bytes, 24);
        }
        let codec = match tag {
            1 => Codec::Integer,
            3 => Codec::Float,
            6 => Codec::ALaw,
            7 => Codec::MuLaw,
            2 => Codec::Adpcm(CODEC_ID_ADPCM_MS),
            0x11 => Codec::Adpcm(CODEC_ID_ADPCM_IMA_WAV),
            0x50 | 0x55 => Codec::Mpeg,
            _ => return Err(Fault::Unsupported(format!("{} in a WAV file", name(tag)))),
        };
        let format = Format {
            form,
            codec,
            rate: form.u32(bytes, 4),
            channels: usize::from(form.u16(bytes, 2)),
            block: u64::from(form.u16(bytes, 12)),
            bits: u32::from(form.u16(bytes, 14)),
        };
        match format.channels {
            0 => Err(Fault::Unsupported("audio without channels".into())),
            1..=255 => Ok(format),
            channels => Err(Fault::Unsupported(format!("audio of {channels} channels"))),
        }
    }

    /// The decoder, and bytes and frames of one block.
    fn decoder(&self) -> Result<OneBlock, Fault> {
        let channels = self.channels as u64;
        // A sample may have a wider place than it needs.
        let place = self.block / channels;
        let width = match u64::from(self.bits.div_ceil(8)) {
            width if self.block == place * channels && (width..=8).contains(&place) => place,
            width => width,
        };
        let big = self.form == Form::Big;
        let (id, block) = match (self.codec, width) {
            (Codec::Integer, 1) => (CODEC_ID_PCM_U8, (channels, 1)),
            (Codec::Integer, 2..=4) => {
                let little = [CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32LE];
                let large = [CODEC_ID_PCM_S16BE, CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S32BE];
                let ids = if big { large } else { little };
                (ids[width as usize - 2], (width * channels, 1))
            }
            (Codec::Float, 4) if big => (CODEC_ID_PCM_F32BE, (4 * channels, 1)),
            (Codec::Float, 4) => (CODEC_ID_PCM_F32LE, (4 * channels, 1)),
            (Codec::Float, 8) if big => (CODEC_ID_PCM_F64BE, (8 * channels, 1)),
            (Codec::Float, 8) => (CODEC_ID_PCM_F64LE, (8 * channels, 1)),
            (Codec::ALaw, _) => (CODEC_ID_PCM_ALAW, (channels, 1)),
            (Codec::MuLaw, _) => (CODEC_ID_PCM_MULAW, (channels, 1)),
            (Codec::Adpcm(id), _) if self.bits == 4 && channels <= 2 => {
                // A block begins with a sample or two of each channel, written out.
                let (head, first) = if id == CODEC_ID_ADPCM_MS { (7, 2) } else { (4, 1) };
                let coded = self.block.checked_sub(head * channels);
                let coded =
                    coded.ok_or_else(|| Fault::Damaged("its blocks have no room for a sample".into()))?;
                (id, (self.block, 2 * coded / channels + first))
            }
            (codec, _) => {
                let kind = match codec {
                    Codec::Float => "floating-point numbers",
                    Codec::Adpcm(_) => "ADPCM",
                    _ => "PCM",
                };
                let what = format!("{kind} of {} bits in {channels} channels", self.bits);
                return Err(Fault::Unsupported(what));
            }
        };
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(id)
            .with_sample_rate(self.rate)
            .with_channels(Channels::Discrete(self.channels as u16))
            .with_max_frames_per_packet(FRAMES.max(block.1))
            .with_frames_per_block(block.1);
        Ok((decoder(&parameters, "this kind of WAV")?, block))
    }
}

/// What people call the codec of that number.
fn name(tag: u16) -> String {
    let name = match tag {
        0x31 | 0x32 => "GSM 6.10",
        0x20 | 0x14 | 0x40 | 0x45 | 0x64 | 0x65 => "ADPCM by G.721 to G.726",
        0x17 | 0x10 | 0x12 | 0x13 | 0x15 | 0x36 | 0x3B | 0x61 | 0x62 | 0x69 | 0x200 => "ADPCM of a rare kind",
        0x22 => "TrueSpeech",
        0x75 | 0x42 | 0x59 | 0x111 => "a speech codec",
        0xFF | 0x1600 | 0x1602 | 0x1610 | 0x706D | 0xA106 | 0x4143 => "AAC",
        0x160..=0x163 => "WMA",
        0x92 | 0x2000 => "AC-3",
        0x8 | 0x2001 => "DTS",
        0x270 => "ATRAC3",
        0x566F | 0x674F | 0x6750 | 0x6751 | 0x676F..=0x6771 => "Vorbis",
        0x704F => "Opus",
        0xF1AC => "FLAC",
        0x5756 => "WavPack",
        _ => return format!("the codec of number {tag:#06x}"),
    };
    name.into()
}
