//! Files as pipes, taggers, joiners and crashed recorders leave them: nothing of the music is lost, and what cannot be
//! read is called by its name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use stemwise::audio::{
    AudioError, AudioReader, SampleFormat, WavWriter, frames_at, read_mono, read_mono_range,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio")).join(name)
}

fn load(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

/// All samples of a file with these bytes.
fn read(name: &str, bytes: &[u8]) -> Result<Vec<f32>, AudioError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    listen(&path)
}

fn listen(path: &Path) -> Result<Vec<f32>, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        all.extend_from_slice(chunk);
    }
    Ok(all)
}

fn whole(name: &str) -> Vec<f32> {
    listen(&fixture(name)).unwrap()
}

/// What is said of a format that is not read, without the file's name.
fn unsupported(name: &str, bytes: &[u8]) -> String {
    match read(name, bytes).unwrap_err() {
        error @ AudioError::Unsupported { .. } => {
            let text = error.to_string();
            assert!(
                text.ends_with("is not supported; convert it to FLAC or WAV"),
                "{text}"
            );
            let AudioError::Unsupported { what, .. } = error else {
                unreachable!()
            };
            what
        }
        error => panic!("{name}: {error}"),
    }
}

/// An ID3v2 tag with a picture in which frames of MPEG audio and blocks of FLAC seem to begin.
fn id3v2() -> Vec<u8> {
    let body = [0xFF, 0xFB, 0x90, 0x64, 0xFF, 0xF8, 0xC9, 0x18].repeat(100);
    let size = body.len() as u32;
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend([size >> 21, size >> 14, size >> 7, size].map(|byte| byte as u8 & 0x7F));
    tag.extend(body);
    tag
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAGa title".to_vec();
    tag.resize(128, 0);
    tag
}

/// With a header, or without one as version 1 has it.
fn ape(header: bool) -> Vec<u8> {
    let item = b"\x05\0\0\0\0\0\0\0Title\0music";
    let end = |flags: u32| {
        let fields = [2000, item.len() as u32 + 32, 1, flags].map(u32::to_le_bytes);
        [b"APETAGEX".as_slice(), &fields.concat(), &[0; 8]].concat()
    };
    match header {
        true => [end(0xA000_0000), item.to_vec(), end(0x8000_0000)].concat(),
        false => [item.to_vec(), end(0)].concat(),
    }
}

/// A FLAC file whose header does not say how long it is.
fn unknown(mut flac: Vec<u8>) -> Vec<u8> {
    flac[21] &= 0xF0;
    flac[22..26].fill(0);
    flac
}

#[test]
fn flac_is_read_to_its_end_whatever_surrounds_it() {
    for name in ["noise8.flac", "stereo24.flac"] {
        let (flac, all) = (load(name), whole(name));
        let around = [
            ("ID3v2 in front", [id3v2(), flac.clone()].concat()),
            (
                "two ID3v2 and padding in front",
                [id3v2(), id3v2(), vec![0; 500], flac.clone()].concat(),
            ),
            ("ID3v1 behind", [flac.clone(), id3v1()].concat()),
            (
                "APE and ID3v1 behind",
                [flac.clone(), ape(true), id3v1()].concat(),
            ),
            ("APE of version 1 behind", [flac.clone(), ape(false)].concat()),
            (
                "half a tag behind",
                [flac.clone(), id3v1()[..90].to_vec()].concat(),
            ),
            ("zeros behind", [flac.clone(), vec![0; 3000]].concat()),
            (
                "anything behind",
                [flac.clone(), b"what is this".repeat(99)].concat(),
            ),
        ];
        for (what, bytes) in around {
            assert!(read("a.flac", &bytes).unwrap() == all, "{name}, {what}");
            if bytes.starts_with(b"fLaC") {
                assert!(
                    read("a.flac", &unknown(bytes)).unwrap() == all,
                    "{name}, {what}, length unknown"
                );
            }
        }
        let twice = [all.clone(), all.clone()].concat();
        let joined = [flac.clone(), id3v1(), id3v2(), flac.clone()].concat();
        assert!(read("a.flac", &joined).unwrap() == twice, "{name}");
        assert!(read("a.flac", &unknown(joined)).unwrap() == twice, "{name}");
        // block sizes that no block has
        for sizes in [[0, 0, 0x12, 0], [0, 0, 0, 0], [0, 16, 0xFF, 0xFF]] {
            let mut careless = flac.clone();
            careless[8..12].copy_from_slice(&sizes);
            assert!(read("a.flac", &careless).unwrap() == all, "{name}, {sizes:?}");
        }
        // but a loss is noticed without a length, too
        for kept in (200..flac.len()).step_by(flac.len() / 40) {
            let short = &unknown(flac.clone())[..kept];
            match read("a.flac", short) {
                Err(AudioError::Damaged { .. } | AudioError::NoFrames { .. }) => {}
                Ok(part) => {
                    assert!(part.len() + 16 * 256 > all.len() * kept / flac.len() && all.starts_with(&part))
                }
                Err(error) => panic!("{kept}: {error}"),
            }
        }
        for at in (flac.len() / 2..flac.len()).step_by(flac.len() / 40) {
            let mut wrong = unknown(flac.clone());
            wrong[at] ^= 0x40;
            assert!(read("a.flac", &wrong).is_err(), "{name}, byte {at}");
        }
    }
    let mono = [load("s16.flac"), load("stereo24.flac")].concat();
    assert_eq!(read("a.flac", &mono).unwrap().len(), 800);
    let rates = [load("s16.flac"), load("noise8.flac")].concat();
    assert_eq!(
        unsupported("a.flac", &rates),
        "music whose sample rate changes from 44100 to 8000 Hz"
    );
}

#[test]
fn a_seek_in_flac_finds_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let all = whole("noise8.flac");
    let flac = load("noise8.flac");
    let mut steady = flac.clone();
    steady[8..12].copy_from_slice(&[0, 0, 1, 0]); // and so no places can be reckoned from block numbers
    for (name, bytes) in [
        ("tagged.flac", [id3v2(), flac.clone(), id3v1()].concat()),
        ("unknown.flac", unknown(flac)),
        ("zero.flac", steady),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        for start in [0, 1, 255, 256, 5000, 12_345, 17_499] {
            let len = (all.len() - start).min(300);
            let range = read_mono_range(&path, start as u64, len).unwrap().samples;
            assert!(range == all[start..start + len], "{name}: {start}");
        }
        assert_eq!(frames_at(&path, 8000).unwrap(), 17_500, "{name}");
    }
}

#[test]
fn mp3_is_read_to_its_end() {
    // 78 frames, at first large ones: no length can be told from them
    assert_eq!(whole("loud_then_quiet.mp3").len(), 78 * 1152);
    // two files of 40 frames, each behind a header that promises as many; 1105 samples are the first encoder's delay
    let tones = load("tones.mp3");
    let songs = read("a.mp3", &[tones.clone(), tones.clone()].concat()).unwrap();
    assert_eq!(songs.len() / 2, 81 * 1152 - 1105);
    assert!(songs.starts_with(&whole("tones.mp3")));

    let (mp3, all) = (load("loud_then_quiet.mp3"), whole("loud_then_quiet.mp3"));
    let around = [
        ("a tag in front", [id3v2(), mp3.clone()].concat()),
        ("tags behind", [mp3.clone(), ape(true), id3v1()].concat()),
        ("APE in front", [ape(true), mp3.clone()].concat()),
        (
            "APE of version 1 behind",
            [mp3.clone(), ape(false), id3v1()].concat(),
        ),
        ("zeros behind", [mp3.clone(), vec![0; 3000]].concat()),
    ];
    for (what, bytes) in around {
        assert!(read("a.mp3", &bytes).unwrap() == all, "{what}");
    }
    let joined = [mp3.clone(), ape(true), id3v1(), id3v2(), mp3.clone()].concat();
    let twice = read("a.mp3", &joined).unwrap();
    assert!(twice.len() == 2 * all.len() && twice.starts_with(&all));
    // the second time, the decoder still remembers the first
    assert!(twice[all.len() + 8 * 1152..] == all[8 * 1152..]);

    let half = [&mp3[..mp3.len() / 2], &vec![0; mp3.len() / 2]].concat();
    assert!(matches!(read("a.mp3", &half), Err(AudioError::Damaged { .. })));
    // a header tells that the rest is missing
    assert!(matches!(
        read("a.mp3", &tones[..tones.len() / 2]),
        Err(AudioError::Truncated { .. })
    ));
    // of two channels behind one: as their mean
    let other = read("a.mp3", &[mp3, tones].concat()).unwrap();
    assert_eq!(other.len(), (78 + 41) * 1152);
}

#[test]
fn chained_ogg_is_read_to_its_end() {
    let (ogg, all) = (load("tones.ogg"), whole("tones.ogg"));
    let chain = read("a.ogg", &[ogg.clone(), ogg.clone(), ogg.clone()].concat()).unwrap();
    assert!(chain == [all.clone(), all.clone(), all].concat());
    assert_eq!(
        unsupported("a.ogg", &[ogg, load("tones.opus")].concat()),
        "music whose sample rate changes from 44100 to 48000 Hz"
    );
    let (opus, all) = (load("tones.opus"), whole("tones.opus"));
    let chain = read("a.opus", &[opus.clone(), opus].concat()).unwrap();
    assert!(chain == [all.clone(), all].concat());
}

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

#[test]
fn codecs_that_are_not_read_are_called_by_their_names() {
    assert_eq!(unsupported("a.opus", &load("discrete.opus")), "Opus of this kind");
    // the AudioSpecificConfig of AAC: kind, rate and channels in 5, 4 and 4 bits
    let m4a = load("tones.m4a");
    let config = m4a
        .windows(7)
        .position(|bytes| bytes == b"\x05\x80\x80\x80\x05\x12\x10");
    let config = config.unwrap() + 5;
    let aac = |high: u8, low: u8| {
        let mut bytes = m4a.clone();
        bytes[config..config + 2].copy_from_slice(&[high, low]);
        unsupported("a.m4a", &bytes)
    };
    assert_eq!(aac(1 << 3 | 2, 0x10), "AAC Main");
    assert_eq!(aac(5 << 3 | 3, 0x90), "HE-AAC");
    assert_eq!(aac(2 << 3 | 2, 0x30), "AAC with more than two channels");
    let mut protected = m4a.clone();
    let entry = protected.windows(4).position(|name| name == b"mp4a").unwrap();
    protected[entry..entry + 4].copy_from_slice(b"drms");
    assert_eq!(
        unsupported("a.m4a", &protected),
        "music locked by copy protection"
    );
    let heads: [(&[u8], &str); 6] = [
        (b"wvpk\x10\0\0\0", "WavPack"),
        (b"MAC \x96\x0f\0\0", "Monkey's Audio"),
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9", "WMA"),
        (b"\x1A\x45\xDF\xA3\x01\0\0\0", "Matroska or WebM"),
        (b"MPCKSH\x0e", "Musepack"),
        (b"TTA1\x01\0", "TTA"),
    ];
    for (head, what) in heads {
        assert_eq!(unsupported("a", &[head, &[0; 600]].concat()), what);
    }
    let mut silent = m4a;
    let handler = silent.windows(4).position(|name| name == b"soun").unwrap();
    silent[handler..handler + 4].copy_from_slice(b"vide");
    for (bytes, what) in [
        (silent, "without sound"),
        (b"MThd\0\0\0\x06\0\0\0\x01\0\x60".to_vec(), "MIDI"),
        (id3v2(), "nothing but tags"),
    ] {
        let error = read("a", &bytes).unwrap_err();
        assert!(
            matches!(error, AudioError::NotAudio { .. }) && error.to_string().contains(what),
            "{error}"
        );
    }
}

/// A frame of ADTS around a block.
fn adts(block: &[u8], rate: u8, channels: u8) -> Vec<u8> {
    let size = block.len() as u16 + 7;
    let head = [
        0xFF,
        0xF1,
        1 << 6 | rate << 2 | channels >> 2,
        channels << 6 | (size >> 11) as u8,
        (size >> 3) as u8,
        (size << 5) as u8 | 0x1F,
        0xFC,
    ];
    [&head, block].concat()
}

#[test]
fn aac_frame_by_frame() {
    // silence: one channel element without any band, and the end
    let silence = [0, 0, 0, 0b0000_0111];
    let frame = |rate| adts(&silence, rate, 1);
    let ten = frame(4).repeat(10);
    let frames = |bytes: &[u8]| read("a.aac", bytes).map(|all| all.len() / 1024);
    assert_eq!(frames(&ten).unwrap(), 10);
    let tagged = [id3v2(), ten.clone(), id3v1(), id3v2(), ten.clone(), id3v1()].concat();
    assert_eq!(frames(&tagged).unwrap(), 20);
    let faster = [ten.clone(), frame(3).repeat(10)].concat();
    assert_eq!(
        unsupported("a.aac", &faster),
        "music whose sample rate changes from 44100 to 48000 Hz"
    );
    assert_eq!(
        unsupported("a.aac", &adts(&silence, 4, 6).repeat(10)),
        "AAC with more than two channels"
    );
    // a fill element of three bytes in front of the end, of the kind that carries upper bands
    let bands = [0, 0, 0, 0b0000_0110, 0b0011_1101, 0, 0, 0b0000_1110];
    assert_eq!(unsupported("a.aac", &adts(&bands, 7, 1).repeat(40)), "HE-AAC");
    let filled = [0, 0, 0, 0b0000_0110, 0b0011_0000, 0, 0, 0b0000_1110];
    assert_eq!(frames(&adts(&filled, 7, 1).repeat(40)).unwrap(), 40);
}

#[test]
fn only_what_an_encoder_added_is_cut_off() {
    // the edit list of an MP4 file tells what; an encoder of AAC adds a block in front
    let m4a = whole("tones.m4a");
    assert_eq!(m4a.len(), 2 * 44_100);
    // one that names several pieces, or none, is not followed
    let mut bytes = load("tones.m4a");
    let list = bytes.windows(4).position(|name| name == b"elst").unwrap();
    bytes[list] = b'x';
    assert_eq!(read("a.m4a", &bytes).unwrap().len(), 2 * (44_100 + 1024));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("a.wav");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.is_ok_and(|status| status.success()));
    let socket = folder.path().join("b.wav");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, what) in [
        (fifo.as_path(), "named pipe"),
        (&socket, "socket"),
        (Path::new("/dev/zero"), "device"),
        (folder.path(), "folder"),
    ] {
        let error = read_mono(path).unwrap_err();
        assert!(
            matches!(error, AudioError::Read { .. }) && error.to_string().contains(what),
            "{error}"
        );
    }
}

/// A header's promise is no reason to take memory: what is read is as long as what is there.
#[test]
fn lying_headers_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let mut writer = WavWriter::create(&path, 44_100, 2, SampleFormat::Pcm16).unwrap();
    writer.write(&[0.5; 20_000]).unwrap();
    writer.finish().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let size = bytes.windows(4).position(|name| name == b"data").unwrap() + 4;
    bytes[size..size + 4].copy_from_slice(&0xC000_0000u32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let mut reader = AudioReader::open(&path).unwrap();
    assert_eq!(reader.frames(), Some(0x3000_0000));
    let mut longest = 0;
    let error = loop {
        match reader.next_chunk() {
            Ok(Some(chunk)) => longest = longest.max(chunk.len()),
            Ok(None) => panic!("the promise was kept"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, AudioError::Truncated { found: 10_000, .. }),
        "{error}"
    );
    assert!(longest <= 2 * 4096, "{longest}");
}
