//! Every format that is read against ffmpeg: codec × rate × channels × container × tags before and behind.
//! Needs `ffmpeg` with its usual encoders; says so and does nothing where it is not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use stemwise::audio::{AudioReader, SampleFormat, WavWriter};

/// How near a decoder comes to ffmpeg's.
#[derive(Clone, Copy, PartialEq)]
enum Near {
    /// Below −90 dB of full scale: what 16 bits hold.
    Lossless,
    /// Below a tenth of what the codec itself changes.
    Lossy,
}
use Near::{Lossless, Lossy};

/// What ffmpeg makes: name, ending, its arguments, and how near a decoder comes.
const CODECS: [(&str, &str, &str, Near); 36] = [
    ("u8", "wav", "-c:a pcm_u8", Lossless),
    ("s16", "wav", "-c:a pcm_s16le", Lossless),
    ("s24", "wav", "-c:a pcm_s24le", Lossless),
    ("s32", "wav", "-c:a pcm_s32le", Lossless),
    ("f32", "wav", "-c:a pcm_f32le", Lossless),
    ("f64", "wav", "-c:a pcm_f64le", Lossless),
    ("A-law", "wav", "-c:a pcm_alaw", Lossless),
    ("µ-law", "wav", "-c:a pcm_mulaw", Lossless),
    ("MS ADPCM", "wav", "-c:a adpcm_ms", Lossless),
    ("IMA ADPCM", "wav", "-c:a adpcm_ima_wav", Lossless),
    ("RF64", "wav", "-c:a pcm_s24le -rf64 always", Lossless),
    ("Wave64", "w64", "-c:a pcm_s16le", Lossless),
    ("AIFF s16", "aiff", "-c:a pcm_s16be", Lossless),
    ("AIFF s24", "aiff", "-c:a pcm_s24be", Lossless),
    ("AIFC f32", "aiff", "-c:a pcm_f32be", Lossless),
    ("CAF s16", "caf", "-c:a pcm_s16be", Lossless),
    ("CAF f32", "caf", "-c:a pcm_f32le", Lossless),
    ("CAF ALAC", "caf", "-c:a alac", Lossless),
    ("FLAC 16", "flac", "-c:a flac -sample_fmt s16", Lossless),
    ("FLAC 24", "flac", "-c:a flac -sample_fmt s32", Lossless),
    ("FLAC in Ogg", "oga", "-c:a flac -sample_fmt s16 -f ogg", Lossless),
    ("ALAC", "m4a", "-c:a alac", Lossless),
    ("MP3 128k", "mp3", "-c:a libmp3lame -b:a 128k", Lossy),
    ("MP3 V2", "mp3", "-c:a libmp3lame -q:a 2", Lossy),
    (
        "MP3 without Xing",
        "mp3",
        "-c:a libmp3lame -q:a 5 -write_xing 0",
        Lossy,
    ),
    ("MP3 in WAV", "wav", "-c:a libmp3lame -b:a 128k", Lossy),
    ("MP2", "mp2", "-c:a mp2 -b:a 128k", Lossy),
    ("Vorbis", "ogg", "-c:a libvorbis -q:a 5", Lossy),
    ("AAC", "m4a", "-c:a aac -b:a 128k", Lossy),
    (
        "AAC in pieces",
        "m4a",
        "-c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov -frag_duration 200000",
        Lossy,
    ),
    ("AAC ADTS", "aac", "-c:a aac -b:a 128k", Lossy),
    ("AAC in CAF", "caf", "-c:a aac -b:a 128k", Lossy),
    ("Opus", "opus", "-c:a libopus -b:a 128k", Lossy),
    (
        "Opus of speech",
        "opus",
        "-c:a libopus -b:a 14k -application voip",
        Lossy,
    ),
    (
        "Opus in short frames",
        "ogg",
        "-c:a libopus -b:a 64k -frame_duration 2.5",
        Lossy,
    ),
    ("Opus in MP4", "mp4", "-c:a libopus -b:a 128k", Lossy),
];

const SHAPES: [(u32, u16); 8] = [
    (44_100, 2),
    (44_100, 1),
    (48_000, 2),
    (22_050, 1),
    (96_000, 2),
    (44_100, 6),
    (48_000, 1),
    (48_000, 6),
];

fn ffmpeg(arguments: &[&str]) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(arguments);
    command.output().is_ok_and(|output| output.status.success())
}

/// Chords that move, in noise; another in every channel.
fn signal(rate: u32, channels: u16) -> Vec<f32> {
    let frames = rate as usize / 2 + 331;
    let mut state = 1u32;
    let mut samples = Vec::new();
    for i in 0..frames {
        let t = i as f64 / f64::from(rate);
        for channel in 0..channels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state) / f64::from(u32::MAX) - 0.5;
            let sine = |hertz: f64| (std::f64::consts::TAU * hertz * t).sin();
            let hertz = 220.0 * (1.0 + f64::from(channel) * 0.26);
            let sound = sine(hertz) + 0.5 * sine(hertz * 2.5 + 40.0 * sine(2.0)) + 0.05 * noise;
            samples.push((0.3 * sound) as f32);
        }
    }
    samples
}

fn listen(path: &Path) -> Result<(u32, usize, Vec<f32>), String> {
    let mut reader = AudioReader::open(path).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk().map_err(|error| error.to_string())? {
        all.extend_from_slice(chunk);
    }
    Ok((reader.rate(), reader.channels(), all))
}

/// What ffmpeg hears; of Opus, what the authors' library does, since ffmpeg's own decoder differs from it by up to -25 dB.
fn heard(path: &Path, opus: bool) -> Option<Vec<f32>> {
    let raw = path.with_extension("raw");
    let decoder: &[&str] = if opus { &["-c:a", "libopus"] } else { &[] };
    let rest = [
        "-i",
        path.to_str()?,
        "-f",
        "f32le",
        "-c:a",
        "pcm_f32le",
        raw.to_str()?,
    ];
    let done = ffmpeg(&[decoder, &rest].concat());
    let bytes = done.then(|| fs::read(&raw).ok())??;
    let four = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    Some(bytes.chunks_exact(4).map(four).collect())
}

/// Greatest difference, in decibels of full scale.
fn difference(a: &[f32], b: &[f32]) -> f64 {
    let greatest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    20.0 * f64::from(greatest).max(1e-12).log10()
}

/// Leaves the mean of the channels.
fn mix(samples: &mut Vec<f32>, channels: u16) {
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / f32::from(channels);
    *samples = samples.chunks_exact(channels.into()).map(mean).collect();
}

/// Root of the mean square of the difference, in decibels.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    let sum: f64 = a.iter().zip(b).map(square).sum();
    10.0 * (sum / a.len() as f64).max(1e-24).log10()
}

/// An ID3v2 tag with a picture in which frames of MPEG audio and blocks of FLAC seem to begin.
fn id3v2() -> Vec<u8> {
    let picture = [0xFF, 0xFB, 0x90, 0x64, 0xFF, 0xF8, 0xC9, 0x18].repeat(300);
    let mut tag = b"ID3\x03\0\0".to_vec();
    let size = 10 + picture.len() as u32;
    tag.extend([size >> 21, size >> 14, size >> 7, size].map(|byte| byte as u8 & 0x7F));
    tag.extend(b"APIC");
    tag.extend((picture.len() as u32).to_be_bytes());
    tag.extend([0, 0]);
    tag.extend(picture);
    tag
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAGa title".to_vec();
    tag.resize(128, 0);
    tag
}

fn apev2() -> Vec<u8> {
    let item = b"\x05\0\0\0\0\0\0\0Title\0music";
    let size = (item.len() as u32 + 32).to_le_bytes();
    let end = |flags: u32| {
        let head = [
            b"APETAGEX",
            &2000u32.to_le_bytes()[..],
            &size,
            &1u32.to_le_bytes(),
        ]
        .concat();
        [&head[..], &flags.to_le_bytes(), &[0; 8]].concat()
    };
    [end(0xA000_0000), item.to_vec(), end(0x8000_0000)].concat()
}

/// The file with every pair of tags that its format is found with.
fn tagged(file: &[u8], end: &str) -> Vec<(&'static str, Vec<u8>)> {
    let both = [id3v2(), file.to_vec(), apev2(), id3v1()].concat();
    match end {
        "mp3" | "mp2" | "flac" | "aac" => vec![
            ("ID3v2 in front", [id3v2(), file.to_vec()].concat()),
            ("ID3v1 behind", [file.to_vec(), id3v1()].concat()),
            ("tags around", both),
        ],
        "ogg" | "oga" => vec![("ID3v2 in front", [id3v2(), file.to_vec()].concat())],
        "wav" => vec![("ID3v1 behind", [file.to_vec(), id3v1()].concat())],
        _ => Vec::new(),
    }
}

#[test]
fn every_format_as_ffmpeg_decodes_it() {
    if !ffmpeg(&["-version"]) {
        println!("skipped: ffmpeg is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut compared, mut left_out, mut wrong) = (0, 0, Vec::new());
    let mut worst = [f64::NEG_INFINITY; 2];
    for (i, (rate, channels)) in SHAPES.into_iter().enumerate() {
        let source = folder.path().join("source.wav");
        let samples = signal(rate, channels);
        let mut writer = WavWriter::create(&source, rate, channels, SampleFormat::Float32).unwrap();
        writer.write(&samples).unwrap();
        writer.finish().unwrap();
        // all codecs in the first shape, a third of them in each of the others; Opus has one rate
        let codecs = CODECS.into_iter().enumerate();
        let codecs = codecs.filter(|(codec, (name, ..))| match name.starts_with("Opus") {
            true => rate == 48_000,
            false => i == 0 || codec % 3 == i % 3,
        });
        for (_, (name, end, arguments, near)) in codecs {
            let path: PathBuf = folder.path().join("coded").with_extension(end);
            let (hertz, count) = (rate.to_string(), channels.to_string());
            let mut line = vec!["-i", source.to_str().unwrap(), "-ar", &hertz, "-ac", &count];
            line.extend(arguments.split(' '));
            line.push(path.to_str().unwrap());
            // some codecs have no such rate or so many channels, and AAC of more than two is not read
            let reference = ffmpeg(&line)
                .then(|| heard(&path, name.starts_with("Opus")))
                .flatten();
            let Some(reference) = reference.filter(|_| !(name.starts_with("AAC") && channels > 2)) else {
                left_out += 1;
                continue;
            };
            let file = fs::read(&path).unwrap();
            let mut variants = vec![("no tags", file.clone())];
            variants.extend(tagged(&file, end));
            for (tags, bytes) in variants {
                fs::write(&path, bytes).unwrap();
                let what = format!("{name}, {rate} Hz, {channels} channels, {tags}");
                compared += 1;
                let mut all = match listen(&path) {
                    Ok((r, c, all)) if (r, c) == (rate, usize::from(channels)) => all,
                    Ok((r, c, _)) => {
                        wrong.push(format!("{what}: {r} Hz, {c} channels"));
                        continue;
                    }
                    Err(error) => {
                        wrong.push(format!("{what}: {error}"));
                        continue;
                    }
                };
                // ffmpeg 5 trims Vorbis and AAC to whole blocks. The source's length is right; MP4 rounds it to
                // milliseconds.
                let extra = (all.len() as f64 - samples.len() as f64) / f64::from(rate) / f64::from(channels);
                let whole = matches!(end, "ogg" | "opus") && extra == 0.0
                    || matches!(end, "m4a" | "mp4") && (0.0..0.002).contains(&extra);
                if all.len() != reference.len() && !whole {
                    let (ours, theirs) = (
                        all.len() / usize::from(channels),
                        reference.len() / usize::from(channels),
                    );
                    wrong.push(format!("{what}: {ours} frames where ffmpeg has {theirs}"));
                    continue;
                }
                // decoders differ in the order of more channels
                let surround = near == Lossy && channels > 2;
                let (mut samples, mut reference) = (samples.clone(), reference.clone());
                if surround {
                    for channel in [&mut all, &mut reference, &mut samples] {
                        mix(channel, channels);
                    }
                }
                let (error, limit) = match near {
                    Lossless => (difference(&all, &reference), -90.0),
                    Lossy => (distance(&all, &reference), distance(&samples, &reference) - 20.0),
                };
                worst[near as usize] = worst[near as usize].max(error);
                if error > limit {
                    wrong.push(format!(
                        "{what}: {error:.1} dB from ffmpeg, more than {limit:.1} dB"
                    ));
                }
            }
        }
    }
    println!(
        "{compared} files compared with ffmpeg, {left_out} combinations that it has not; furthest from it: lossless {:.1} dB \
         (peak), lossy {:.1} dB (mean)",
        worst[0], worst[1]
    );
    assert!(
        wrong.is_empty(),
        "{} of {compared}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(compared > 100);
}
