//! Audio files in and out, whole and broken.

use std::{
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

use stemwise::{
    audio::{
        AudioError, AudioReader, SampleFormat, WavWriter, frames_at, read_mono, read_mono_at,
        read_mono_range, read_mono_range_at,
    },
    files::FileError,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio")).join(name)
}

fn write_wav(path: &Path, samples: &[f32], rate: u32, channels: u16, format: SampleFormat) {
    let mut writer = WavWriter::create(path, rate, channels, format).unwrap();
    for part in samples.chunks(1000 * channels as usize) {
        writer.write(part).unwrap();
    }
    writer.finish().unwrap();
}

/// Deterministic noise in −1..1.
fn noise(n: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state) / f64::from(1u32 << 31) - 1.0) as f32
    };
    (0..n).map(|_| next()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_sample_format_gives_the_same_tone() {
    let formats = [
        ("u8.wav", 1.0 / 128.0),
        ("s16.wav", 1.0 / 32768.0),
        ("s16.flac", 1.0 / 32768.0),
    ];
    let finer = [("s24.wav", 1e-6), ("s32.wav", 1e-6), ("f32.wav", 1e-6)];
    for (name, tolerance) in formats.into_iter().chain(finer) {
        let audio = read_mono(&fixture(name)).unwrap();
        assert_eq!((audio.rate, audio.samples.len()), (44_100, 400), "{name}");
        for (i, &x) in audio.samples.iter().enumerate() {
            let ideal = (0.5 * (TAU * 441.0 * i as f64 / 44_100.0).sin()) as f32;
            assert!(
                (x - ideal).abs() <= tolerance,
                "{name}: {x} instead of {ideal} at {i}"
            );
        }
    }
}

#[test]
fn channels_are_interleaved_and_mono_is_their_mean() {
    let path = fixture("stereo24.flac");
    let mut reader = AudioReader::open(&path).unwrap();
    assert_eq!(
        (reader.rate(), reader.channels(), reader.frames()),
        (44_100, 2, Some(400))
    );
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        all.extend_from_slice(chunk);
    }
    assert_eq!(all.len(), 800);
    let mono = read_mono(&path).unwrap().samples;
    for (i, frame) in all.chunks(2).enumerate() {
        let sine = |hertz: f64| (0.5 * (TAU * hertz * i as f64 / 44_100.0).sin()) as f32;
        assert!(
            (frame[0] - sine(441.0)).abs() < 1e-6 && (frame[1] - sine(882.0)).abs() < 1e-6,
            "{i}"
        );
        assert_eq!(mono[i], (frame[0] + frame[1]) * 0.5);
    }
}

#[test]
fn ranges_equal_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("noise.wav");
    write_wav(&wav, &noise(30_001), 22_050, 1, SampleFormat::Pcm16);
    for path in [wav, fixture("noise8.flac"), fixture("stereo24.flac")] {
        let whole = read_mono(&path).unwrap().samples;
        let n = whole.len();
        for start in (0..n).step_by(397) {
            let len = (n - start).min(1 + start % 1000);
            let range = read_mono_range(&path, start as u64, len).unwrap();
            assert!(
                range.samples == whole[start..start + len],
                "{} at {start}",
                path.display()
            );
        }
        assert!(read_mono_range(&path, n as u64, 0).unwrap().samples.is_empty());
        let error = read_mono_range(&path, n as u64 - 3, 4).unwrap_err();
        assert!(matches!(error, AudioError::OutOfRange { .. }), "{error}");
    }
}

#[test]
fn resampled_ranges_equal_the_resampled_whole() {
    let path = fixture("noise8.flac");
    for rate in [44_100, 16_000, 6_000] {
        let whole = read_mono_at(&path, rate).unwrap();
        assert_eq!(frames_at(&path, rate).unwrap(), whole.len() as u64);
        for start in (0..whole.len() + 3000).step_by(whole.len() / 13) {
            let range = read_mono_range_at(&path, start as u64, 2000, rate).unwrap();
            assert_eq!(range.len(), 2000);
            for (i, &x) in range.iter().enumerate() {
                let ideal = whole.get(start + i).copied().unwrap_or(0.0);
                assert!(x == ideal, "{rate} Hz, {start} + {i}: {x} instead of {ideal}");
            }
        }
    }
}

#[test]
fn one_reader_can_seek_back_and_forth() {
    let path = fixture("noise8.flac");
    let whole = read_mono(&path).unwrap().samples;
    let mut reader = AudioReader::open(&path).unwrap();
    for frame in [17_499, 0, 9_000, 9_100, 255, 256, 16_000] {
        reader.seek(frame).unwrap();
        let chunk = reader.next_chunk().unwrap().unwrap();
        assert!(chunk == &whole[frame as usize..][..chunk.len()], "{frame}");
    }
    assert!(matches!(reader.seek(17_500), Err(AudioError::OutOfRange { .. })));
}

#[test]
fn written_files_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let signal: Vec<f32> = noise(5000).iter().map(|x| 0.9 * x).collect();
    write_wav(&path, &signal, 48_000, 1, SampleFormat::Float32);
    let audio = read_mono(&path).unwrap();
    assert!(audio.rate == 48_000 && audio.samples == signal);

    write_wav(&path, &signal, 44_100, 1, SampleFormat::Pcm16);
    let once = read_mono(&path).unwrap().samples;
    assert!(
        once.iter()
            .zip(&signal)
            .all(|(a, b)| (a - b).abs() <= 0.5 / 32768.0 + 1e-7)
    );
    write_wav(&path, &once, 44_100, 1, SampleFormat::Pcm16);
    assert!(
        read_mono(&path).unwrap().samples == once,
        "16-bit samples survive exactly"
    );

    write_wav(&path, &[1.0, -1.0, 2.0, -2.0], 44_100, 2, SampleFormat::Pcm16);
    assert_eq!(
        read_mono(&path).unwrap().samples,
        [-0.5 / 32768.0, -0.5 / 32768.0]
    );
    assert_eq!(names(folder.path()), ["a.wav"]);
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let mut writer = WavWriter::create(&path, 44_100, 1, SampleFormat::Pcm16).unwrap();
    writer.write(&[0.5; 100_000]).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn an_output_folder_that_takes_no_files_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut blocked = vec![file.join("a.wav"), folder.path().join("missing/a.wav")];
    if cfg!(target_os = "linux") {
        blocked.push("/proc/a.wav".into());
    }
    for path in blocked {
        let error = WavWriter::create(&path, 44_100, 1, SampleFormat::Pcm16)
            .err()
            .unwrap();
        assert!(
            matches!(error, AudioError::File(FileError::Create { .. })),
            "{error}"
        );
    }
}

#[test]
fn files_that_are_no_audio_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        read_mono(&path).unwrap_err()
    };
    assert!(matches!(
        read_mono(&folder.path().join("gone.wav")),
        Err(AudioError::Read { .. })
    ));
    assert!(
        matches!(read_mono(folder.path()), Err(AudioError::Read { .. })),
        "a folder"
    );
    assert!(matches!(put("empty.wav", b""), AudioError::Empty { .. }));
    let text = put("text.wav", b"dear diary, today");
    assert!(
        matches!(text, AudioError::NotAudio { .. }) && text.to_string().contains("text"),
        "{text}"
    );
    assert!(matches!(put("short.wav", b"RIF"), AudioError::NotAudio { .. }));
    assert!(matches!(
        put("zeros.flac", &[0; 100]),
        AudioError::NotAudio { .. }
    ));
    assert!(matches!(put("head.flac", b"fLaC"), AudioError::Damaged { .. }));
    assert!(matches!(
        put("head.wav", b"RIFF\x24\0\0\0WAVEfmt "),
        AudioError::Damaged { .. }
    ));
    assert!(matches!(
        read_mono(&fixture("empty.flac")),
        Err(AudioError::NoFrames { .. })
    ));
    let wav = folder.path().join("none.wav");
    write_wav(&wav, &[], 44_100, 1, SampleFormat::Pcm16);
    assert!(matches!(read_mono(&wav), Err(AudioError::NoFrames { .. })));
    let mut slow = fs::read(fixture("s16.wav")).unwrap();
    slow[24..28].copy_from_slice(&0u32.to_le_bytes());
    let error = put("rate.wav", &slow);
    assert!(
        matches!(&error, AudioError::Unsupported { what, .. } if what.contains("0 Hz")),
        "{error}"
    );

    // An extensible header, as 24-bit files have it.
    let extensible = fs::read(fixture("s24.wav")).unwrap();
    assert_eq!(extensible[20..22], [0xFE, 0xFF]);
    let header = |channels: u16, mask: u32| {
        let mut bytes = extensible.clone();
        bytes[22..24].copy_from_slice(&channels.to_le_bytes());
        bytes[40..44].copy_from_slice(&mask.to_le_bytes());
        put("channels.wav", &bytes)
    };
    for channels in [256, 0xFFFF] {
        let error = header(channels, 0);
        assert!(matches!(error, AudioError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn truncated_files_are_never_silently_short() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "s16.wav",
        "f32.wav",
        "u8.wav",
        "noise8.flac",
        "s16.flac",
        "stereo24.flac",
    ] {
        let bytes = fs::read(fixture(name)).unwrap();
        let whole = read_mono(&fixture(name)).unwrap().samples;
        let path = folder.path().join(name);
        for kept in (1..20).map(|i| bytes.len() * i / 20).chain([bytes.len() - 1]) {
            fs::write(&path, &bytes[..kept]).unwrap();
            match read_mono(&path).unwrap_err() {
                AudioError::Truncated { found, promised, .. } => {
                    assert!(
                        found < promised && promised == whole.len() as u64,
                        "{name}: {found} of {promised}"
                    );
                }
                // Cut inside the header.
                AudioError::Damaged { frame: 0, .. } => assert!(kept < 150, "{name}, {kept} bytes"),
                error => panic!("{name}, {kept} bytes: {error}"),
            }
        }
        // What is there can still be read.
        if name == "noise8.flac" {
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            assert!(read_mono_range(&path, 5000, 500).unwrap().samples == whole[5000..5500]);
            let error = read_mono_range(&path, 12_000, 500).unwrap_err();
            assert!(matches!(error, AudioError::Truncated { .. }), "{error}");
        }
    }
}

#[test]
fn a_damaged_block_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.flac");
    let bytes = fs::read(fixture("noise8.flac")).unwrap();
    for at in [100, 3000, 9000, bytes.len() - 20] {
        let mut broken = bytes.clone();
        broken[at] ^= 0x55;
        fs::write(&path, &broken).unwrap();
        let error = read_mono(&path).unwrap_err();
        assert!(
            matches!(error, AudioError::Damaged { .. } | AudioError::Truncated { .. }),
            "{at}: {error}"
        );
    }
}

#[test]
fn a_sample_that_is_no_number_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        write_wav(&path, &noise(6000), 44_100, 2, SampleFormat::Float32);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 4 * (6000 - 2 * 2000 - 1); // frame 2000, right
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let error = read_mono(&path).unwrap_err();
        assert!(
            matches!(
                error,
                AudioError::NotFinite {
                    frame: 2000,
                    channel: 1,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_wav_of_unknown_length_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("piped.wav");
    let mut bytes = fs::read(fixture("s16.wav")).unwrap();
    bytes[4..8].fill(0xFF);
    bytes[40..44].fill(0xFF);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(AudioReader::open(&path).unwrap().frames(), None);
    assert!(read_mono(&path).unwrap().samples == read_mono(&fixture("s16.wav")).unwrap().samples);
    assert_eq!(frames_at(&path, 44_100).unwrap(), 400);
}

/// All of a file of music, interleaved.
fn listen(path: &Path) -> Result<(u32, usize, Vec<f32>), AudioError> {
    let mut reader = AudioReader::open(path)?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        all.extend_from_slice(chunk);
    }
    Ok((reader.rate(), reader.channels(), all))
}

/// Amplitude of a channel's sine, over whole periods from the middle on.
fn amplitude(samples: &[f32], channel: usize, hertz: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    let frames = samples.chunks(2).skip(8000).take(8000);
    for (i, frame) in frames.enumerate() {
        let phase = TAU * hertz * i as f64 / 44_100.0;
        sine += f64::from(frame[channel]) * phase.sin();
        cosine += f64::from(frame[channel]) * phase.cos();
    }
    sine.hypot(cosine) / 4000.0
}

#[test]
fn coded_music_sounds_as_it_was_made() {
    for (name, made_at) in [
        ("tones.flac", 44_100),
        ("tones.mp3", 44_100),
        ("tones.ogg", 44_100),
        ("tones.m4a", 44_100),
        ("tones.opus", 48_000),
    ] {
        let (rate, channels, samples) = listen(&fixture(name)).unwrap();
        assert_eq!((rate, channels), (made_at, 2), "{name}");
        let frames = samples.len() / 2;
        // an encoder adds up to two blocks at either end; AAC does not say how many
        let most = made_at as usize + 4 * 1024;
        assert!((made_at as usize..most).contains(&frames), "{name}: {frames}");
        if name == "tones.opus" {
            // its header says what was added
            assert_eq!(frames, made_at as usize);
        }
        for (channel, hertz) in [(0, 441.0), (1, 882.0)] {
            let hertz = hertz * 44_100.0 / f64::from(rate);
            let (here, there) = (
                amplitude(&samples, channel, hertz),
                amplitude(&samples, 1 - channel, hertz),
            );
            // these encoders keep a steady sine to a hundredth
            assert!(
                (here - 0.5).abs() < 0.01 && there < 0.01,
                "{name}: {here} {there}"
            );
        }
    }
    let (_, _, flac) = listen(&fixture("noise8.flac")).unwrap();
    assert!(flac == read_mono(&fixture("noise8.flac")).unwrap().samples);
}

#[test]
fn coded_music_that_is_broken_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        listen(&path)
    };
    let [mp3, ogg, m4a, opus] =
        ["mp3", "ogg", "m4a", "opus"].map(|end| fs::read(fixture(&format!("tones.{end}"))).unwrap());
    // an ID3 tag in front, as nearly every MP3 has one
    let mut tag = b"ID3\x04\0\0\0\0\0\x20".to_vec();
    tag.extend([0; 32]);
    let tagged = put("tagged.mp3", &[&tag[..], &mp3].concat()).unwrap();
    assert!(tagged.2 == listen(&fixture("tones.mp3")).unwrap().2);
    assert!(put("tag.mp3", &tag).is_err());
    assert!(matches!(put("empty.mp3", b""), Err(AudioError::Empty { .. })));
    assert!(matches!(
        put("text.mp3", b"dear diary"),
        Err(AudioError::NotAudio { .. })
    ));
    assert!(matches!(
        put("zeros.ogg", &[0; 9000]),
        Err(AudioError::NotAudio { .. })
    ));
    for (name, bytes) in [
        ("a.mp3", &mp3),
        ("a.ogg", &ogg),
        ("a.m4a", &m4a),
        ("a.opus", &opus),
    ] {
        let whole = listen(&fixture(&format!("tones{}", &name[1..]))).unwrap().2.len();
        for kept in (1..20).map(|i| bytes.len() * i / 20) {
            // what plays is as much as is there, and never more
            if let Ok((_, _, samples)) = put(name, &bytes[..kept]) {
                assert!(samples.len() <= whole, "{name}, {kept} bytes");
            }
        }
        let mut noise = bytes.clone();
        let (mut state, start) = (1u32, noise.len() / 4);
        for byte in &mut noise[start..] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        let _ = put(name, &noise); // any answer, but no panic
    }
}

/// Files with a few wrong bytes: any answer, but an answer.
#[test]
fn coded_music_with_wrong_bytes_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 7u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut played = 0;
    for name in ["tones.mp3", "tones.ogg", "tones.m4a", "tones.opus"] {
        let whole = fs::read(fixture(name)).unwrap();
        let path = folder.path().join(name);
        for round in 0..120 {
            let mut bytes = whole.clone();
            // headers and tables are where it hurts
            let range = if round % 2 == 0 { 2000 } else { bytes.len() };
            for _ in 0..1 + round / 8 {
                let at = random(range);
                bytes[at] = random(256) as u8;
            }
            fs::write(&path, &bytes).unwrap();
            match listen(&path) {
                Ok((_, channels, samples)) => {
                    assert!(
                        samples.len() <= 60_000 * channels,
                        "{name}, round {round}: {}",
                        samples.len()
                    );
                    played += 1;
                }
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
        }
    }
    // an MP3 plays on, whatever is wrong in it; pages of an OGG have check sums
    assert!(played > 0);
}
