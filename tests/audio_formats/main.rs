//! Files as pipes, taggers, joiners and crashed recorders leave them: nothing of the music is lost, and what cannot be
//! read is called by its name.

mod wav;

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
