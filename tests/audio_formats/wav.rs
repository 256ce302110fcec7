//! WAV as it is written by others: sizes that are no sizes, chunks in any order, samples of every kind.

use std::fs;

use stemwise::audio::{AudioError, read_mono_range};

use super::{id3v1, id3v2, load, read, unsupported, whole};

/// A chunk of a RIFF file: its size as given, and an even number of bytes.
fn chunk(name: &[u8; 4], body: &[u8], size: u32) -> Vec<u8> {
    let padding = if !body.len().is_multiple_of(2) {
        &[0][..]
    } else {
        &[]
    };
    [name, &size.to_le_bytes()[..], body, padding].concat()
}

fn sized(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk(name, body, body.len() as u32)
}

fn riff(name: &[u8; 4], size: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    [name, &size.to_le_bytes()[..], b"WAVE", &chunks.concat()].concat()
}

/// Mono, of 16 bits.
fn format() -> Vec<u8> {
    load("s16.wav")[20..36].to_vec()
}

fn data() -> Vec<u8> {
    load("s16.wav")[44..].to_vec()
}

#[test]
fn wav_sizes_that_are_no_sizes() {
    let all = whole("s16.wav");
    let fmt = sized(b"fmt ", &format());
    // what ffmpeg, sox and lame write to a pipe, and a recorder that crashed
    let sizes = [
        0,
        0x7FFF_FFFF,
        0xFFFF_FFFF,
        0x7FFF_F000,
        0xFFFF_F000,
        0xFFFF_FFDB,
        0x8000_0000,
    ];
    for size in sizes {
        for outer in [size, 0, 0x8000_0023, 836, 844, 828] {
            let wav = riff(b"RIFF", outer, &[fmt.clone(), chunk(b"data", &data(), size)]);
            assert!(read("a.wav", &wav).unwrap() == all, "{size:#x} in {outer:#x}");
        }
    }
    // a size that can be one is a promise
    for size in [802, 100_000, 0x7000_0000, 0xF000_0000] {
        let wav = riff(b"RIFF", size, &[fmt.clone(), chunk(b"data", &data(), size)]);
        let error = read("a.wav", &wav).unwrap_err();
        let promised = u64::from(size / 2);
        assert!(
            matches!(error, AudioError::Truncated { found: 400, promised: p, .. } if p == promised),
            "{error}"
        );
    }
    let none = riff(b"RIFF", 0, &[fmt, sized(b"data", &[]), sized(b"LIST", b"INFO")]);
    assert!(matches!(read("a.wav", &none), Err(AudioError::NoFrames { .. })));
}

#[test]
fn wav_chunks_in_any_order_and_number() {
    let all = whole("s16.wav");
    let (fmt, audio) = (sized(b"fmt ", &format()), sized(b"data", &data()));
    let list = sized(b"LIST", b"INFOINAM\x05\0\0\0abcd\0\0");
    let mut unpadded = sized(b"junk", b"abc");
    unpadded.pop();
    let extended = |length: u16| {
        let body = [
            format(),
            length.to_le_bytes().to_vec(),
            vec![0; usize::from(length)],
        ]
        .concat();
        sized(b"fmt ", &body)
    };
    // the subformat 1 behind 22 bytes, and eight more
    let mut extensible = [format(), vec![30, 0, 16, 0, 4, 0, 0, 0, 1, 0]].concat();
    extensible[..2].copy_from_slice(&[0xFE, 0xFF]);
    extensible.resize(48, 0);
    let orders = [
        ("LIST in front", vec![list.clone(), fmt.clone(), audio.clone()]),
        (
            "chunks behind",
            vec![fmt.clone(), audio.clone(), list.clone(), sized(b"id3 ", &id3v2())],
        ),
        (
            "an odd chunk",
            vec![fmt.clone(), sized(b"junk", b"abc"), audio.clone()],
        ),
        ("no padding", vec![fmt.clone(), unpadded, audio.clone()]),
        ("18 bytes", vec![extended(0), audio.clone()]),
        ("118 bytes", vec![extended(100), audio.clone()]),
        ("30 bytes more", vec![sized(b"fmt ", &extensible), audio.clone()]),
        ("audio in front", vec![audio.clone(), fmt.clone()]),
    ];
    for (what, chunks) in orders {
        let wav = riff(b"RIFF", 0, &chunks);
        assert!(read("a.wav", &wav).unwrap() == all, "{what}");
        assert!(
            read("a.wav", &[id3v2(), wav, id3v1()].concat()).unwrap() == all,
            "{what}, tagged"
        );
    }
    let twice = [all.clone(), all.clone()].concat();
    let two = riff(b"RIFF", 0, &[fmt.clone(), audio.clone(), list, audio.clone()]);
    assert!(read("a.wav", &two).unwrap() == twice);
    let joined = [load("s16.wav"), load("s16.wav")].concat();
    assert!(read("a.wav", &joined).unwrap() == twice);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    fs::write(&path, joined).unwrap();
    let range = read_mono_range(&path, 350, 400).unwrap().samples;
    assert!(range == twice[350..750]);
}

#[test]
fn wav_beyond_four_gibibytes_by_its_header() {
    let all = whole("s16.wav");
    let large = |size: u64| {
        let body = [size.wrapping_add(100), size, size / 2]
            .map(u64::to_le_bytes)
            .concat();
        sized(b"ds64", &[body, vec![0; 4]].concat())
    };
    let audio = chunk(b"data", &data(), u32::MAX);
    for name in [b"RF64", b"BW64"] {
        let file = |size| {
            riff(
                name,
                u32::MAX,
                &[large(size), sized(b"fmt ", &format()), audio.clone()],
            )
        };
        for size in [800, 0, u64::MAX] {
            assert!(read("a.wav", &file(size)).unwrap() == all, "{size}");
        }
        let error = read("a.wav", &file(1 << 40)).unwrap_err();
        assert!(
            matches!(error, AudioError::Truncated { found: 400, .. }),
            "{error}"
        );
    }
    // Sony's Wave64: names of 16 bytes, sizes of 8 that count the head
    let id = |name: &[u8; 4], rest: [u8; 12]| [name.as_slice(), &rest].concat();
    let tail = [
        0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A,
    ];
    let part = |name: &[u8; 4], body: &[u8]| {
        [
            id(name, tail),
            (body.len() as u64 + 24).to_le_bytes().to_vec(),
            body.to_vec(),
        ]
        .concat()
    };
    let outer = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0];
    let wave = [
        id(b"riff", outer),
        904u64.to_le_bytes().to_vec(),
        id(b"wave", tail),
    ]
    .concat();
    let w64 = [wave, part(b"fmt ", &format()), part(b"data", &data())].concat();
    assert!(read("a.w64", &w64).unwrap() == all);
}

#[test]
fn samples_of_every_kind() {
    let tones = whole("s16.wav");
    let bytes = |sample: &dyn Fn(f32) -> Vec<u8>| tones.iter().flat_map(|&x| sample(x)).collect::<Vec<_>>();
    let wav = |tag: u16, bits: u16, place: u16, body: Vec<u8>| {
        let mut fmt = format();
        fmt[..2].copy_from_slice(&tag.to_le_bytes());
        fmt[12..14].copy_from_slice(&place.to_le_bytes());
        fmt[14..16].copy_from_slice(&bits.to_le_bytes());
        riff(b"RIFF", 0, &[sized(b"fmt ", &fmt), sized(b"data", &body)])
    };
    let exact = [
        wav(3, 64, 8, bytes(&|x| f64::from(x).to_le_bytes().to_vec())),
        wav(
            1,
            24,
            4,
            bytes(&|x| ((x * 32768.0) as i32 * 65536).to_le_bytes().to_vec()),
        ),
        wav(
            1,
            32,
            4,
            bytes(&|x| ((x * 32768.0) as i32 * 65536).to_le_bytes().to_vec()),
        ),
        wav(
            1,
            12,
            2,
            bytes(&|x| ((x * 32768.0) as i16).to_le_bytes().to_vec()),
        ),
    ];
    for (i, wav) in exact.into_iter().enumerate() {
        assert!(read("a.wav", &wav).unwrap() == tones, "{i}");
    }
    // 2¹⁵ − 1 and its opposite by G.711: (sign, three bits of exponent, four bits), inverted
    for (tag, loud, quiet) in [(6, 0xAA, 0x2A), (7, 0x80, 0x00)] {
        let all = read("a.wav", &wav(tag, 8, 1, vec![loud, quiet])).unwrap();
        assert!((all[0] - 0.98).abs() < 0.01 && all[1] == -all[0], "{all:?}");
    }
    // a fifth of a second of ADPCM, in blocks of 2036 frames, the last one filled up
    assert_eq!(whole("adpcm.wav").len(), 5 * 2036);
    let rare = [
        (3, 16, "floating-point numbers of 16 bits"),
        (1, 64, "PCM of 64 bits"),
    ];
    for (tag, bits, what) in rare {
        let text = unsupported("a.wav", &wav(tag, bits, bits / 8, vec![0; 64]));
        assert!(text.starts_with(what), "{text}");
    }
    for (tag, what) in [
        (0x31, "GSM 6.10"),
        (0x161, "WMA"),
        (0x1234, "the codec of number 0x1234"),
    ] {
        let text = unsupported("a.wav", &wav(tag, 0, 65, vec![0; 650]));
        assert_eq!(text, format!("{what} in a WAV file"));
    }
}
