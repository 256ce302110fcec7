//! From a corpus to the network's input: what the loader gives, what the front end takes, and how long a device waits
//! for data in a real training run.
//!
//! ```text
//! cargo bench --bench data                                    the cpu, and the first real GPU
//! STEMWISE_DEVICE=llvmpipe cargo bench --bench data           the cpu, and a device by name
//! STEMWISE_BENCH_CORPUS=DIR cargo bench --bench data          a corpus or store of yours; else one is synthesised
//! STEMWISE_BENCH_BATCH=64 cargo bench --bench data            segments of 3 s in a batch; else 8
//! ```

#[allow(dead_code, reason = "each bench compiles this file anew")]
mod common;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use stemwise::{
    corpus::{
        Corpus, Excerpt, Instrument, Mix, PieceOptions, Pieces, Sampler, SamplerOptions, Sampling, Source,
        Split,
        store::{PrepareOptions, prepare},
    },
    generate::synth::{SynthOptions, synthesise},
    gpu::Device,
    kernel::StepValues,
    nn::{LogMel, LogMelConfig, magnitude},
    ops::{Mixdown, Sum},
    tape::{Input, Parameters, Session, Slot, Tape, Var},
    train::{
        self, RunConfig, TrainError,
        loader::Loader,
        recipe::{Overrides, resolve},
    },
};

const RATE: u32 = 44_100;
const LEN: usize = 3 * RATE as usize;
const SOURCES: usize = Instrument::ALL.len();
const STEPS: u32 = 30;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let batch = match env::var("STEMWISE_BENCH_BATCH") {
        Ok(text) => text
            .parse()
            .map_err(|e| format!("STEMWISE_BENCH_BATCH={text}: {e}"))?,
        Err(_) => 8,
    };
    let folder = tempfile::tempdir()?;
    let paths = corpora(folder.path())?;
    println!("batches of {batch} segments of {} s", LEN as u32 / RATE);
    println!();
    for path in &paths {
        loader(path, batch)?;
    }
    let upload = 2 * batch * SOURCES * LEN;
    let spectra = 4 * 2 * batch * 1025 * 259;
    println!(
        "bytes uploaded a batch    {:.1} MB in 16 bits, {:.1} MB as magnitudes of mix and target",
        upload as f64 / 1e6,
        spectra as f64 / 1e6
    );
    for (name, device) in common::devices() {
        println!("\n{name}");
        front_end(&device, batch)?;
        for path in &paths {
            training(path, &device, batch, &folder.path().join("run"))?;
        }
    }
    Ok(())
}

/// The folder or store that the environment names, or a synthesised corpus both ways.
fn corpora(folder: &Path) -> Result<Vec<PathBuf>> {
    if let Some(path) = env::var_os("STEMWISE_BENCH_CORPUS") {
        return Ok(vec![path.into()]);
    }
    let (root, store) = (folder.join("corpus"), folder.join("store"));
    let options = SynthOptions {
        seed: 1,
        train: 6,
        validation: 1,
        test: 1,
        seconds: 30.0,
    };
    synthesise(&root, &options, &|_, _| {})?;
    let options = PrepareOptions {
        rate: RATE,
        skip_broken: false,
    };
    prepare(
        &Corpus::open(&root)?,
        &store,
        &options,
        &AtomicBool::new(false),
        &|_| {},
    )?;
    Ok(vec![store, root])
}

fn kind(source: &Source) -> &'static str {
    match source {
        Source::Store(_) => "store",
        Source::Folder(_) => "folder",
    }
}

/// Batches as fast as they come, from memory as far as it reaches, and with none of a folder in memory.
fn loader(path: &Path, batch: usize) -> Result<()> {
    let source = Source::open(path)?;
    let memories: &[(u64, &str)] = match source {
        Source::Store(_) => &[(0, "")],
        Source::Folder(_) => &[(u64::MAX, " in memory"), (0, " on disk")],
    };
    for &(memory, note) in memories {
        let options = PieceOptions {
            segment_len: LEN,
            rate: RATE,
            memory,
        };
        let started = Instant::now();
        let pieces = source.pieces(Split::Train, &options, &source.tempo_classes()?, &|_, _| {})?;
        let opened = started.elapsed();
        let options = SamplerOptions {
            seed: 1,
            batch: batch as u64,
            sampling: Sampling::Fresh,
        };
        let sampler = Sampler::new(pieces.catalogue().clone(), options)?;
        let (tape, sources, sum) = recorded(batch, |tape, sources| {
            Ok(tape.push(Mixdown { first: 0, count: 1 }, &[sources])?)
        })?;
        let mut session = Session::new(&Device::Cpu, &Parameters::default())?;
        let program = session.compile(&tape, &[sum])?;
        // the first pass finds pages on the disk that the others find in memory
        for (pass, workers) in [1, 1, 2].into_iter().enumerate() {
            let slots = Loader::slots(&session, &program, 1 << 30)?;
            let fill = |step: u32, slot: &mut Slot| fill(&pieces, &sampler, batch, step, slot, sources);
            let steps = if note == " on disk" { 8 } else { 8 * STEPS };
            let started = Instant::now();
            thread::scope(|scope| -> Result<()> {
                let mut loader = Loader::spawn(scope, slots, workers, 0..steps, &fill);
                for _ in 0..steps {
                    loader.give_back()(loader.next(&session)?);
                }
                Ok(())
            })?;
            let rate = f64::from(steps) * batch as f64 / started.elapsed().as_secs_f64();
            let pass = if pass == 0 { ", first pass" } else { "" };
            let name = format!("{}{note}, {workers} threads{pass}", kind(&source));
            println!(
                "loader, {name:38} {rate:7.0} segments/s, {:7.0} MB/s; opened in {opened:.2?}",
                rate * (2 * SOURCES * LEN) as f64 / 1e6
            );
        }
    }
    Ok(())
}

fn fill(
    pieces: &Pieces,
    sampler: &Sampler,
    batch: usize,
    step: u32,
    slot: &mut Slot,
    input: Var,
) -> Result<(), TrainError> {
    let mut samples = vec![0; LEN];
    for index in 0..batch {
        let Excerpt { piece, start, .. } = sampler.segment(Instrument::Drums, step.into(), index as u64)?;
        for (k, source) in Mix::of_piece(piece, start)
            .sources
            .into_iter()
            .flatten()
            .enumerate()
        {
            pieces.read(source, &mut samples)?;
            slot.write_pcm16(input, (index * SOURCES + k) * LEN, &samples)?;
        }
    }
    Ok(())
}

/// A tape of `[batch, 5, samples]` that ends in the sum of what `record` makes of them; its input and the sum.
fn recorded(batch: usize, record: impl FnOnce(&mut Tape, Var) -> Result<Var>) -> Result<(Tape, Var, Var)> {
    let mut tape = Tape::new();
    let sources = tape.pcm16("instruments", [batch, SOURCES, LEN]);
    let last = record(&mut tape, sources)?;
    let sum = tape.push(Sum, &[last])?;
    Ok((tape, sources, sum))
}

/// Segments a second through each part of the front end, with what comes before it.
fn front_end(device: &Device, batch: usize) -> Result<()> {
    let mix = |tape: &mut Tape, sources| {
        tape.push(
            Mixdown {
                first: 0,
                count: SOURCES,
            },
            &[sources],
        )
    };
    let log_mel = LogMel::new(&LogMelConfig::default())?;
    time_front_end(device, batch, "mix", |tape, sources| Ok(mix(tape, sources)?))?;
    time_front_end(device, batch, "mix, magnitude", |tape, sources| {
        let samples = mix(tape, sources)?;
        Ok(magnitude(tape, samples)?)
    })?;
    time_front_end(device, batch, "mix, magnitude, log-mel", |tape, sources| {
        let samples = mix(tape, sources)?;
        let magnitude = magnitude(tape, samples)?;
        Ok(log_mel.record(tape, magnitude)?)
    })
}

fn time_front_end(
    device: &Device,
    batch: usize,
    name: &str,
    record: impl FnOnce(&mut Tape, Var) -> Result<Var>,
) -> Result<()> {
    let (tape, _, sum) = recorded(batch, record)?;
    let mut session = Session::new(device, &Parameters::default())?;
    let mut program = session.compile(&tape, &[sum])?;
    let noise = common::noise(1, batch * SOURCES * LEN);
    let samples: Vec<i16> = noise.iter().map(|x| (6000.0 * x) as i16).collect();
    let mut times = Vec::new();
    for _ in 0..7 {
        let started = Instant::now();
        session.run(&mut program, &[Input::Pcm16(&samples)], &StepValues::default())?;
        session.read(&mut program, sum)?;
        times.push(started.elapsed());
    }
    times.remove(0);
    times.sort();
    let median = times[times.len() / 2];
    println!(
        "front end, {name:25} {:9.0} segments/s, {median:.2?} a batch",
        batch as f64 / median.as_secs_f64()
    );
    Ok(())
}

/// A quarter-width separator, trained for some steps.
fn training(path: &Path, device: &Device, batch: usize, run: &Path) -> Result<()> {
    let set = [
        "network.width=0.25".to_string(),
        format!("training.batch={batch}"),
        format!("training.epoch={}", batch * STEPS as usize),
        "training.epochs=1".to_string(),
        format!("training.validation={batch}"),
    ];
    let overrides = Overrides {
        instrument: Some(Instrument::Drums),
        set: set.to_vec(),
        ..Overrides::default()
    };
    let config = RunConfig {
        corpus: path.into(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: resolve("separator", &overrides)?,
    };
    let summary = train::start(run, &config, device, &AtomicBool::new(false), &|_| {})?;
    std::fs::remove_dir_all(run)?;
    let share = summary.waited.as_secs_f64() / summary.training.as_secs_f64();
    let kind = kind(&Source::open(path)?);
    let step: Duration = summary.training / STEPS;
    println!(
        "training from the {kind:7} {step:.1?} a step, the device waited {:.2} % of the time",
        100.0 * share
    );
    Ok(())
}
