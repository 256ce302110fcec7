//! Recorded music without labels: do segments of one track find each other, by each instrument's sub-space?
//!
//! Of every track in a folder six segments of ten seconds are described, by the model, by the network that it started
//! from, and by plain statistics of mel cepstra (mean and deviation over time of 20 coefficients, each of unit variance
//! over all segments). The five nearest others of each segment vote for a track, ties to the lowest label.
//!
//! Tracks that are too short for that, copies, and tracks of one length and nearly one timbre (other versions of a piece)
//! are left out.
//!
//! ```text
//! cargo run --release --example tracks_find_themselves -- FOLDER --model RUN [--device cpu]
//! ```

use std::{
    collections::BTreeSet,
    error::Error,
    f64::consts::PI,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use stemwise::{
    audio::{EXTENSIONS, Stft, read_mono_at},
    describe::{Describer, Heard},
    metrics::{Embeddings, Ties, nearest_others},
    signal::{BandedMatrix, MelFilters},
    variants,
};

/// Segments of a track, and the seconds of each.
const SEGMENTS: usize = 6;
const SECONDS: usize = 10;
const NEIGHBOURS: usize = 5;
const COEFFICIENTS: usize = 20;

#[derive(Parser)]
struct Arguments {
    /// A folder of music
    folder: PathBuf,
    /// A run that describes all instruments of a mix
    #[arg(long = "model", required = true)]
    models: Vec<PathBuf>,
    /// As in 'stemwise devices'
    #[arg(long)]
    device: Option<String>,
}

/// What is kept of a track.
struct Track {
    path: PathBuf,
    samples: usize,
    /// `SEGMENTS` rows.
    cepstra: Vec<Vec<f32>>,
    trained: Vec<f32>,
    untrained: Vec<f32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments {
        folder,
        models,
        device,
    } = Arguments::parse();
    let device = variants::open_device(device.as_deref())?;
    let mut trained = Describer::load(&models, &device)?;
    let mut untrained = Describer::untrained(&models, &device)?;
    let rate = trained.front_end().sample_rate;
    let length = SECONDS * rate as usize;
    let cepstra = Cepstra::new(rate)?;

    let (mut tracks, mut digests): (Vec<Track>, _) = (Vec::new(), BTreeSet::new());
    let (mut short, mut copies) = (0, 0);
    for path in music(&folder)? {
        if !digests.insert(*blake3::hash(&fs::read(&path)?).as_bytes()) {
            copies += 1;
            continue;
        }
        let samples = match read_mono_at(&path, rate) {
            Ok(samples) => samples,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        if samples.len() < SEGMENTS * length {
            short += 1;
            continue;
        }
        let starts = (0..SEGMENTS).map(|i| i * (samples.len() - length) / (SEGMENTS - 1));
        let segments: Vec<&[f32]> = starts.map(|start| &samples[start..start + length]).collect();
        let cepstra: Vec<Vec<f32>> = segments
            .iter()
            .map(|segment| cepstra.statistics(segment))
            .collect();
        let version = |other: &Track| {
            other.samples.abs_diff(samples.len()) < rate as usize / 2 && alike(&other.cepstra, &cepstra)
        };
        if tracks.iter().any(version) {
            copies += 1;
            continue;
        }
        let words: Vec<Vec<i16>> = segments.iter().map(|segment| pcm16(segment)).collect();
        let heard: Vec<Heard> = words.iter().map(|words| Heard::Mix(words)).collect();
        tracks.push(Track {
            samples: samples.len(),
            cepstra,
            trained: trained.describe(&heard, length)?,
            untrained: untrained.describe(&heard, length)?,
            path,
        });
        eprint!("\r{} tracks", tracks.len());
    }
    eprintln!(
        "\r{} tracks; {short} too short, {copies} copies left out",
        tracks.len()
    );
    let packages: BTreeSet<_> = tracks
        .iter()
        .filter_map(|track| track.path.strip_prefix(&folder).ok()?.iter().next())
        .collect();
    println!("folders: {packages:?}");

    let labels: Vec<u32> = (0..tracks.len() as u32)
        .flat_map(|track| [track; SEGMENTS])
        .collect();
    let all =
        |vectors: fn(&Track) -> &[f32]| -> Vec<f32> { tracks.iter().flat_map(vectors).copied().collect() };
    let score = |name: &str, values: &[f32], dimensions: usize| -> Result<(), Box<dyn Error>> {
        let neighbours = nearest_others(Embeddings::new(values, dimensions)?, NEIGHBOURS, None)?;
        let found = neighbours.accuracy(&labels, Ties::Lowest)?;
        println!("{name:<32}{:6.1} %", 100.0 * found.share());
        Ok(())
    };
    println!(
        "of {} segments, 1 in {} is of the same track: chance {:.1} %",
        labels.len(),
        tracks.len(),
        100.0 / tracks.len() as f64
    );
    let mut plain: Vec<f32> = tracks.iter().flat_map(|track| track.cepstra.concat()).collect();
    standardise(&mut plain, 2 * COEFFICIENTS);
    score("mel cepstra", &plain, 2 * COEFFICIENTS)?;
    let sizes: Vec<usize> = trained
        .instruments()
        .iter()
        .filter_map(|&instrument| trained.dimensions(instrument))
        .collect();
    let row: usize = sizes.iter().sum();
    for (what, values) in [
        ("untrained", all(|track| &track.untrained)),
        ("trained", all(|track| &track.trained)),
    ] {
        let mut from = 0;
        for (instrument, size) in trained.instruments().iter().zip(&sizes) {
            let columns = values.chunks_exact(row).flat_map(|row| &row[from..from + size]);
            let columns: Vec<f32> = columns.copied().collect();
            score(&format!("{instrument}, {what}"), &columns, *size)?;
            from += size;
        }
    }
    Ok(())
}

/// All files below a folder that may be music, in the order of their names.
fn music(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(music(&path)?);
        } else if path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| EXTENSIONS.contains(&extension.to_lowercase().as_str()))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn pcm16(samples: &[f32]) -> Vec<i16> {
    let word = |x: &f32| (x * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
    samples.iter().map(word).collect()
}

/// Whether two tracks of one length have one timbre at all six places, as versions of a piece do: a correlation above
/// 0.999.
fn alike(a: &[Vec<f32>], b: &[Vec<f32>]) -> bool {
    a.iter().zip(b).all(|(a, b)| correlation(a, b) > 0.999)
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}

/// Mel cepstra of 128 filters.
struct Cepstra {
    stft: Stft,
    mels: BandedMatrix,
}

impl Cepstra {
    fn new(rate: u32) -> Result<Self, Box<dyn Error>> {
        let filters = MelFilters {
            rate,
            mels: 128,
            high: f64::from(rate) / 2.0,
            ..MelFilters::default()
        };
        Ok(Cepstra {
            stft: Stft::new(filters.size, 1024)?,
            mels: filters.matrix()?,
        })
    }

    /// Mean and deviation of each coefficient over time.
    fn statistics(&self, samples: &[f32]) -> Vec<f32> {
        let (frames, magnitude) = (
            self.stft.frames(samples.len()),
            self.stft.forward(samples).magnitude(),
        );
        let (mut sums, mut squares) = ([0f64; COEFFICIENTS], [0f64; COEFFICIENTS]);
        for frame in 0..frames {
            let decibels: Vec<f64> = (0..self.mels.rows())
                .map(|mel| {
                    let (first, weights) = self.mels.row(mel);
                    let power = |(bin, weight): (usize, &f32)| {
                        let x = magnitude[bin * frames + frame];
                        f64::from(weight * x * x)
                    };
                    let power: f64 = (first..).zip(weights).map(power).sum();
                    10.0 * power.max(1e-10).log10()
                })
                .collect();
            let count = decibels.len() as f64;
            for (k, (sum, square)) in sums.iter_mut().zip(&mut squares).enumerate() {
                let wave = |(mel, x): (usize, &f64)| x * (PI * k as f64 * (mel as f64 + 0.5) / count).cos();
                let coefficient = decibels.iter().enumerate().map(wave).sum::<f64>() * (2.0 / count).sqrt();
                *sum += coefficient;
                *square += coefficient * coefficient;
            }
        }
        let frames = frames as f64;
        let means = sums.map(|sum| sum / frames);
        let deviations =
            (0..COEFFICIENTS).map(|k| (squares[k] / frames - means[k] * means[k]).max(0.0).sqrt());
        means.into_iter().chain(deviations).map(|x| x as f32).collect()
    }
}

/// Brings every column to mean 0 and variance 1.
fn standardise(values: &mut [f32], columns: usize) {
    let rows = (values.len() / columns) as f64;
    for column in 0..columns {
        let at = |values: &[f32]| -> Vec<f64> {
            values
                .iter()
                .skip(column)
                .step_by(columns)
                .map(|&x| x.into())
                .collect()
        };
        let before = at(values);
        let mean = before.iter().sum::<f64>() / rows;
        let deviation = (before.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows)
            .sqrt()
            .max(1e-9);
        for (x, before) in values.iter_mut().skip(column).step_by(columns).zip(before) {
            *x = ((before - mean) / deviation) as f32;
        }
    }
}
