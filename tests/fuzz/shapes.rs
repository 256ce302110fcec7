//! The forms of binary files, as far as it takes to change them behind their checks: chunks whose sizes stay right,
//! checksums that fit.

use crc::{Algorithm, CRC_8_SMBUS, CRC_16_UMTS, Crc};

use super::{
    json::{edit_json, header, set_header},
    mutate::{Source, edit_bytes},
};

/// Of Ogg pages.
const CRC_32_OGG: Algorithm<u32> = Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0,
    refin: false,
    refout: false,
    xorout: 0,
    check: 0x89a1_897f,
    residue: 0,
};
static CRC_OGG: Crc<u32> = Crc::<u32>::new(&CRC_32_OGG);
static CRC_8: Crc<u8> = Crc::<u8>::new(&CRC_8_SMBUS);
static CRC_16: Crc<u16> = Crc::<u16>::new(&CRC_16_UMTS);
/// Chunks in chunks are looked into down to here.
const DEEPEST: usize = 8;

/// How chunks are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Name, size in little endian, content, filled up to an even length.
    Riff,
    /// The same in big endian.
    Iff,
    /// Name, size in big endian, content.
    Midi,
    /// Size with itself in big endian, name, content.
    Boxes,
}

enum Content {
    Bytes(Vec<u8>),
    /// What comes before the first chunk, and the chunks.
    Chunks(Vec<u8>, Vec<Chunk>),
}

struct Chunk {
    name: [u8; 4],
    content: Content,
}

impl Form {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F' | b'W', b'6', b'4', ..] => Some(Form::Riff),
            [b'F', b'O', b'R', b'M', ..] => Some(Form::Iff),
            [b'M', b'T', b'h', b'd', ..] => Some(Form::Midi),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Form::Boxes),
            _ => None,
        }
    }

    /// Whether chunks are filled up to an even length.
    fn is_even(self) -> bool {
        matches!(self, Form::Riff | Form::Iff)
    }

    /// Bytes in front of the chunks in a chunk of that name; none if it holds no chunks.
    fn head(self, name: &[u8; 4]) -> Option<usize> {
        match (self, name) {
            (Form::Riff, b"RIFF" | b"RF64" | b"BW64" | b"LIST") | (Form::Iff, b"FORM") => Some(4),
            (Form::Boxes, b"moov" | b"trak" | b"mdia" | b"minf" | b"dinf" | b"stbl" | b"udta" | b"edts") => {
                Some(0)
            }
            (Form::Boxes, b"stsd" | b"dref") => Some(8),
            (Form::Boxes, b"mp4a" | b"alac") => Some(28),
            _ => None,
        }
    }

    /// Name, and place of the content and of what follows, of the chunk that `bytes` begin with.
    fn split(self, bytes: &[u8]) -> Option<([u8; 4], usize, usize)> {
        let word = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
        let (first, second) = (word(0)?, word(4)?);
        let (name, size) = match self {
            Form::Riff => (first, u32::from_le_bytes(second) as usize),
            Form::Iff | Form::Midi => (first, u32::from_be_bytes(second) as usize),
            Form::Boxes => (second, (u32::from_be_bytes(first) as usize).saturating_sub(8)),
        };
        let end = (8 + size).min(bytes.len());
        Some((name, 8, end))
    }

    fn parse(self, mut bytes: &[u8], depth: usize) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while let Some((name, start, end)) = self.split(bytes) {
            let inside = &bytes[start..end];
            let head = self
                .head(&name)
                .filter(|&head| depth < DEEPEST && head <= inside.len());
            let content = match head {
                Some(head) => {
                    let (head, rest) = inside.split_at(head);
                    Content::Chunks(head.to_vec(), self.parse(rest, depth + 1))
                }
                None => Content::Bytes(inside.to_vec()),
            };
            chunks.push(Chunk { name, content });
            let padded = if self.is_even() {
                end.next_multiple_of(2)
            } else {
                end
            };
            bytes = bytes.get(padded..).unwrap_or_default();
        }
        chunks
    }

    fn write(self, chunks: &[Chunk], out: &mut Vec<u8>) {
        for chunk in chunks {
            let at = out.len();
            out.extend([0; 8]);
            match &chunk.content {
                Content::Bytes(bytes) => out.extend(bytes),
                Content::Chunks(head, chunks) => {
                    out.extend(head);
                    self.write(chunks, out);
                }
            }
            let size = (out.len() - at - 8) as u32;
            let (size, name) = match self {
                Form::Riff => (size.to_le_bytes(), 0),
                Form::Iff | Form::Midi => (size.to_be_bytes(), 0),
                Form::Boxes => ((size + 8).to_be_bytes(), 4),
            };
            out[at + name..at + name + 4].copy_from_slice(&chunk.name);
            out[at + 4 - name..at + 8 - name].copy_from_slice(&size);
            if self.is_even() && out.len() % 2 == 1 {
                out.push(0);
            }
        }
    }
}

/// Changes a file so that it keeps its form: all sizes fit, JSON is JSON. False for a file of another kind.
pub fn edit(bytes: &mut Vec<u8>, source: &mut Source) -> bool {
    if let Some(form) = Form::of(bytes) {
        let mut chunks = form.parse(bytes, 0);
        edit_list(&mut chunks, source);
        bytes.clear();
        form.write(&chunks, bytes);
    } else if bytes.starts_with(b"{") {
        edit_json(bytes, source);
    } else if let Some(mut json) = header(bytes) {
        let old = json.len();
        edit_json(&mut json, source);
        set_header(bytes, old, &json);
    } else {
        return false;
    }
    true
}

/// Changes a chunk somewhere in or below the list, or the list.
fn edit_list(chunks: &mut Vec<Chunk>, source: &mut Source) {
    if chunks.is_empty() {
        return;
    }
    let (at, other) = (source.below(chunks.len()), source.below(chunks.len()));
    match &mut chunks[at].content {
        Content::Chunks(head, inner) if !source.one_in(8) => match source.one_in(16) {
            true => edit_bytes(head, source),
            false => edit_list(inner, source),
        },
        Content::Bytes(content) if !source.one_in(4) => edit_bytes(content, source),
        _ => match source.below(4) {
            0 => chunks.swap(at, other),
            1 => drop(chunks.remove(at)),
            2 => {
                let again = chunks[at].copy();
                chunks.insert(other, again);
            }
            _ => chunks[at].name = chunks[other].name,
        },
    }
}

impl Chunk {
    fn copy(&self) -> Self {
        let content = match &self.content {
            Content::Bytes(bytes) => Content::Bytes(bytes.clone()),
            Content::Chunks(head, chunks) => {
                Content::Chunks(head.clone(), chunks.iter().map(Chunk::copy).collect())
            }
        };
        Chunk {
            name: self.name,
            content,
        }
    }
}

/// Makes the checksums of FLAC blocks and Ogg pages fit.
pub fn mend(bytes: &mut [u8]) {
    if bytes.starts_with(b"OggS") {
        mend_ogg(bytes);
    } else if find(bytes, b"fLaC").is_some() {
        mend_flac(bytes);
    }
}

fn mend_ogg(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, b"OggS")) {
        let start = at + found;
        at = start + 4;
        let Some(&segments) = bytes.get(start + 26) else {
            return;
        };
        let body = start + 27 + usize::from(segments);
        let Some(table) = bytes.get(start + 27..body) else {
            return;
        };
        let end = body + table.iter().map(|&len| usize::from(len)).sum::<usize>();
        let Some(page) = bytes.get_mut(start..end) else {
            continue;
        };
        page[22..26].fill(0);
        let sum = CRC_OGG.checksum(page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
}

/// Blocks are taken to reach from one that begins like a block to the next.
fn mend_flac(bytes: &mut [u8]) {
    let heads: Vec<(usize, usize)> = (0..bytes.len())
        .filter_map(|at| Some((at, flac_header(&bytes[at..])?)))
        .collect();
    let ends = heads.iter().skip(1).map(|&(at, _)| at).chain([bytes.len()]);
    for (&(at, header), end) in heads.iter().zip(ends) {
        let block = &mut bytes[at..end];
        if block.len() < header + 3 {
            continue;
        }
        block[header] = CRC_8.checksum(&block[..header]);
        let (content, sum) = block.split_at_mut(block.len() - 2);
        sum.copy_from_slice(&CRC_16.checksum(content).to_be_bytes());
    }
}

/// Length of the header of the FLAC block that `bytes` begin with, without its checksum.
fn flac_header(bytes: &[u8]) -> Option<usize> {
    let &[0xFF, 0xF8 | 0xF9, sizes, channels, number, ..] = bytes else {
        return None;
    };
    if channels >> 4 > 10 || channels & 1 == 1 || sizes & 15 == 15 || sizes >> 4 == 0 {
        return None;
    }
    // the number is written as a character of UTF-8 is
    let number = match number.leading_ones() {
        0 => 1,
        more @ 2..=7 => more as usize,
        _ => return None,
    };
    let size = match sizes >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match sizes & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    Some(4 + number + size + rate)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Whether a file without faults passes through [`edit`]'s reading and writing, and [`mend`], as it is.
pub fn is_kept(bytes: &[u8]) -> bool {
    let mut again = bytes.to_vec();
    mend(&mut again);
    let mended = again == bytes;
    if let Some(form) = Form::of(bytes) {
        again.clear();
        form.write(&form.parse(bytes, 0), &mut again);
    }
    mended && again == bytes
}
