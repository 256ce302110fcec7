//! Seeds of music.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{FIXTURES, fixture};

/// Longer fixtures are cut: what a decoder does, it does in the first blocks.
const LONG: usize = 8 << 10;

/// The fixtures of audio with one of these endings, `first` in front.
fn audio(first: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(FIXTURES).join("audio");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| endings.iter().any(|ending| e == *ending))
    };
    let mut paths: Vec<PathBuf> = entries.filter(is_wanted).collect();
    paths.sort_by_key(|path| (!path.ends_with(first), path.clone()));
    let read = |path: PathBuf| {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(LONG);
        bytes
    };
    paths.into_iter().map(read).collect()
}

/// A RIFF file of chunks.
pub fn riff(kind: &[u8; 4], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut inside = kind.to_vec();
    for (name, content) in chunks {
        inside.extend(*name);
        inside.extend((content.len() as u32).to_le_bytes());
        inside.extend(content);
        inside.extend(vec![0; content.len() % 2]);
    }
    [b"RIFF".as_slice(), &(inside.len() as u32).to_le_bytes(), &inside].concat()
}

/// A `fmt ` chunk at 44,100 Hz.
pub fn format(tag: u16, channels: u16, bits: u16, rest: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut bytes = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    bytes.extend(44_100u32.to_le_bytes());
    bytes.extend((44_100 * u32::from(block)).to_le_bytes());
    bytes.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(rest);
    bytes
}

pub fn wav(_: &Path) -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..1200u32).map(|i| (i * i / 7) as u8).collect();
    let mut extension = vec![22, 0, 24, 0, 3, 0, 0, 0, 1, 0];
    extension.extend([0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113]);
    let list = b"INFOINAM\x05\0\0\0name\0\0".to_vec();
    let doubles: Vec<u8> = (0..100)
        .flat_map(|i| (f64::from(i) / 100.0).to_le_bytes())
        .collect();
    let stereo = riff(
        b"WAVE",
        &[
            (b"LIST", list.clone()),
            (b"fmt ", format(0xFFFE, 2, 24, &extension)),
            (b"fact", 200u32.to_le_bytes().to_vec()),
            (b"data", noise.clone()),
            (b"LIST", list),
        ],
    );
    let mut pipe = stereo.clone();
    pipe[4..8].fill(0xFF);
    let mut large = riff(
        b"WAVE",
        &[
            (
                b"ds64",
                [1260u64, 1200, 600]
                    .map(u64::to_le_bytes)
                    .concat()
                    .into_iter()
                    .chain([0; 4])
                    .collect(),
            ),
            (b"fmt ", format(1, 1, 16, &[])),
            (b"data", noise.clone()),
        ],
    );
    large[..4].copy_from_slice(b"RF64");
    large[4..8].fill(0xFF);
    let mut seeds = audio("s16.wav", &["wav"]);
    seeds.extend([
        stereo,
        pipe,
        large,
        riff(
            b"WAVE",
            &[(b"fmt ", format(3, 1, 64, &[0, 0])), (b"data", doubles)],
        ),
        riff(
            b"WAVE",
            &[
                (b"fmt ", format(7, 1, 8, &[0, 0])),
                (b"data", noise[..301].to_vec()),
            ],
        ),
        riff(
            b"WAVE",
            &[(b"fmt ", format(2, 1, 4, &[2, 0, 1, 1])), (b"data", noise)],
        ),
    ]);
    seeds
}

pub fn flac(_: &Path) -> Vec<Vec<u8>> {
    let mut seeds = audio("s16.flac", &["flac"]);
    let tag = b"ID3\x04\0\0\0\0\0\x0fTIT2\0\0\0\x05\0\0\0name";
    seeds.push([tag.as_slice(), &seeds[0]].concat());
    let behind = [b"TAG".as_slice(), &[b' '; 125]].concat();
    seeds.push([seeds[0].as_slice(), &behind].concat());
    seeds
}

/// The first blocks of an M4A's AAC, each behind a header of its own.
fn adts(m4a: &[u8]) -> Vec<u8> {
    let after = |name: &[u8]| m4a.windows(4).position(|window| window == name).unwrap() + 4;
    let (table, mut at) = (after(b"stsz") + 12, after(b"mdat"));
    let sizes = m4a[table..].as_chunks::<4>().0.iter();
    let mut bytes = Vec::new();
    for size in sizes.map(|size| u32::from_be_bytes(*size) as usize).take(12) {
        let [.., high, middle, low] = ((size + 7) << 5 | 0x1F).to_be_bytes();
        // low complexity, 44,100 Hz, two channels
        bytes.extend([0xFF, 0xF1, 0x50, 0x80 | high, middle, low, 0xFC]);
        bytes.extend(&m4a[at..at + size]);
        at += size;
    }
    bytes
}

fn aiff() -> Vec<u8> {
    let mut common = vec![0, 1, 0, 0, 1, 0x90, 0, 16];
    common.extend([0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0]);
    let sound: Vec<u8> = (0..808u32)
        .map(|i| if i < 8 { 0 } else { (i * i / 7) as u8 })
        .collect();
    let mut bytes = b"FORM\0\0\x03\x4EAIFFCOMM\0\0\0\x12".to_vec();
    bytes.extend(common);
    bytes.extend(b"SSND\0\0\x03\x28");
    bytes.extend(sound);
    bytes
}

fn caf() -> Vec<u8> {
    let mut bytes = b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20".to_vec();
    bytes.extend(44_100f64.to_be_bytes());
    bytes.extend(b"lpcm");
    bytes.extend([0u32, 2, 1, 1, 16].map(u32::to_be_bytes).concat());
    bytes.extend(b"data\0\0\0\0\0\0\x03\x24\0\0\0\0");
    bytes.extend((0..800u32).map(|i| (i * i / 7) as u8));
    bytes
}

/// A Wave64 file: names of 16 bytes, sizes of eight that count the whole chunk.
fn wave64() -> Vec<u8> {
    const REST: [u8; 12] = [
        0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A,
    ];
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let size = (24 + content.len() as u64).to_le_bytes();
        [name.as_slice(), &REST, &size, content].concat()
    };
    let noise: Vec<u8> = (0..800u32).map(|i| (i * i / 7) as u8).collect();
    let inside = [
        b"wave".as_slice(),
        &REST,
        &chunk(b"fmt ", &format(1, 1, 16, &[])),
        &chunk(b"data", &noise),
    ]
    .concat();
    let riff = [
        0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00,
    ];
    let size = (24 + inside.len() as u64).to_le_bytes();
    [b"riff".as_slice(), &riff, &size, &inside].concat()
}

pub fn music(folder: &Path) -> Vec<Vec<u8>> {
    // without a table of its length, so that a part of it is whole
    let mut seeds = audio("loud_then_quiet.mp3", &["mp3", "ogg", "opus"]);
    // its table stands in front, and what it speaks of must be there
    let m4a = fixture("audio/tones.m4a");
    seeds.extend([adts(&m4a), m4a, aiff(), caf(), wave64()]);
    seeds.push(wav(folder).swap_remove(0));
    seeds.push(flac(folder).swap_remove(0));
    seeds
}
