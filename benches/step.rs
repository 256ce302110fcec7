//! Whole training steps, Adam included, as `benches/peers` times them in PyTorch: in f32, and with activations in f16
//! on GPUs that can.
//!
//! - *unet-step*: the paper's separator; forward, L1, backward.
//! - *triplet-step*: the paper's extractor on mel bins, 3N items (anchors, positives, negatives); forward, triplet
//!   loss, backward. Without the log-mel, and with norm and activation behind the last convolution, too, as the
//!   scripts for other engines have it.
//!
//! ```text
//! cargo bench --bench step                                    the cpu, and the first real GPU
//! STEMWISE_DEVICE=llvmpipe cargo bench --bench step           the cpu, and a device by name
//! STEMWISE_BENCH_SIZE=16x1025x259 cargo bench --bench step    batch, bins and frames
//! cargo bench --bench step -- triplet-step/4x512x128/llvm     one of them: its first step and peak memory alone
//! cargo bench --bench step -- f32                             without those in f16
//! ```
//!
//! Elements are the floating-point operations of convolutions and matrix products: Gelem/s is GFLOP/s.

mod common;

use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use stemwise::{
    Result,
    gpu::Device,
    models::{Encoder, Last, Separator, SeparatorConfig},
    nn::{Build, LinearLayer, Mode, Record},
    ops::{L1Loss, MeanTime, Reshape, TripletLoss},
    optim::Adam,
    tape::{Parameters, Plan, Program, Session, Tape, Var},
};

const SIZES: [[usize; 3]; 2] = [[2, 256, 64], [4, 512, 128]];

/// Numbers of an embedding, and the margin of the triplet loss.
const DIMENSIONS: usize = 128;
const MARGIN: f32 = 0.2;

/// Batch, bins and frames.
type Size = [usize; 3];

/// A loss on a tape, what it is a loss of, and what a replay takes.
struct Recorded {
    parameters: Parameters,
    tape: Tape,
    loss: Var,
    inputs: Vec<Vec<f32>>,
}

type Work = (&'static str, fn(Size) -> Result<Recorded>);

const WORKS: [Work; 2] = [("unet-step", unet), ("triplet-step", triplet)];

fn unet([batch, bins, frames]: Size) -> Result<Recorded> {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let config = SeparatorConfig::default();
    let separator = Separator::new(&config, &mut Build::new(&mut parameters, 0))?;
    let shape = [batch, 1, bins, frames];
    let (mix, target) = (tape.input("mix", shape), tape.input("target", shape));
    let estimate = separator
        .record(&mut Record::new(&mut tape, &parameters, Mode::Train), mix)?
        .estimate;
    let loss = tape.push(L1Loss, &[estimate, target])?;
    let mix = magnitudes(0, batch * bins * frames);
    let target = mix.iter().map(|x| 0.5 * x).collect();
    Ok(Recorded {
        parameters,
        tape,
        loss,
        inputs: vec![mix, target],
    })
}

fn triplet([batch, bins, frames]: Size) -> Result<Recorded> {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let channels = SeparatorConfig::default().channels;
    let mut build = Build::new(&mut parameters, 0);
    let encoder = Encoder::new(1, &channels, Last::Activated, &mut build)?;
    let features = channels[5] * (0..channels.len()).fold(bins, |bins, _| bins.div_ceil(2));
    let linear = LinearLayer::new(&mut build.at("linear"), [features, DIMENSIONS])?;

    let x = tape.input("x", [3 * batch, 1, bins, frames]);
    let mut at = Record::new(&mut tape, &parameters, Mode::Train);
    let encoded = encoder.record(&mut at, x)?;
    let mean = at.push(MeanTime, &[encoded.bottleneck()?])?;
    let shape = [3 * batch, features].into();
    let flat = at.push(Reshape { shape }, &[mean])?;
    let embeddings = linear.record(&mut at, flat)?;
    let mask = tape.constant([batch, DIMENSIONS], &vec![1.0; batch * DIMENSIONS])?;
    let weight = tape.constant([batch], &vec![1.0; batch])?;
    let loss = tape.push(TripletLoss { margin: MARGIN }, &[embeddings, mask, weight])?;

    // negatives close to their anchors, so that the loss stays above zero
    let len = batch * bins * frames;
    let (anchors, positives) = (magnitudes(0, len), magnitudes(1, len));
    let others = magnitudes(2, len);
    let negatives = anchors
        .iter()
        .zip(others)
        .map(|(a, o)| 0.8 * a + 0.2 * o)
        .collect();
    Ok(Recorded {
        parameters,
        tape,
        loss,
        inputs: vec![[anchors, positives, negatives].concat()],
    })
}

fn magnitudes(stream: u32, len: usize) -> Vec<f32> {
    common::noise(stream, len).into_iter().map(f32::abs).collect()
}

/// A step on a device, after its first replay.
struct Ready {
    session: Session,
    program: Program,
    loss: Var,
    inputs: Vec<Vec<f32>>,
    /// Of every step since the first.
    times: Vec<Duration>,
}

impl Ready {
    /// Prints what came before the first step and what it took.
    fn new(label: &str, device: &Device, recorded: Recorded) -> Result<Self> {
        let Recorded {
            parameters,
            tape,
            loss,
            inputs,
        } = recorded;
        let start = Instant::now();
        let mut session = Session::new(device, &parameters)?;
        let program = session.compile(&tape, &[loss])?;
        let compiled = start.elapsed();
        let mut ready = Ready {
            session,
            program,
            loss,
            inputs,
            times: Vec::new(),
        };
        let first = ready.time(1)?;
        ready.times.clear();
        let plan = ready.program.plan();
        eprintln!(
            "{label}: {} operations, {:.1} MiB, {:.2} Gflop; device opened in {:.1?}, ready after {compiled:.1?}, \
             first step {first:.1?}",
            plan.operations(),
            plan.bytes() as f64 / f64::from(1 << 20),
            plan.flops() as f64 / 1e9,
            device.opening(),
        );
        Ok(ready)
    }

    /// So many steps, each of which is waited for.
    fn time(&mut self, iterations: u64) -> Result<Duration> {
        let inputs: Vec<&[f32]> = self.inputs.iter().map(Vec::as_slice).collect();
        let (session, program) = (&mut self.session, &mut self.program);
        let before = self.times.len();
        for _ in 0..iterations {
            self.times
                .push(common::time(session, program, &inputs, self.loss, 1)?);
        }
        Ok(self.times[before..].iter().sum())
    }

    /// Median and least time of a step.
    fn summary(mut self) -> String {
        self.times.sort();
        let at = |i: usize| self.times.get(i).copied().unwrap_or_default();
        let (steps, median) = (self.times.len(), at(self.times.len() / 2));
        format!("median of {steps} steps {median:.1?}, least {:.1?}", at(0))
    }
}

/// The most memory that this process ever held, where the system tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_string())
}

fn bench(
    criterion: &mut Criterion,
    (name, device): &(String, Device),
    (work, record): Work,
    size: Size,
    narrow: bool,
) -> Result<()> {
    let [batch, bins, frames] = size;
    let floats = if narrow { "f16" } else { "f32" };
    let id = format!("{batch}x{bins}x{frames}/{name}/{floats}");
    let label = format!("{work}/{id}");
    let mut recorded = record(size)?;
    recorded.tape.narrow(narrow);
    recorded.tape.backward(recorded.loss)?;
    Adam::default().record(&mut recorded.tape, &recorded.parameters)?;
    let flops = Plan::for_cpu(&recorded.tape, &recorded.parameters, &[recorded.loss])?.flops();

    let mut group = criterion.benchmark_group(work);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(flops));
    // made at the first call, which there is none of for works that the command line leaves out
    let (mut recorded, mut ready) = (Some(recorded), None);
    let mut fault = None;
    group.bench_function(&id, |bencher: &mut Bencher| {
        if let Some(recorded) = recorded.take() {
            ready = Ready::new(&label, device, recorded)
                .map_err(|error| fault = Some(error))
                .ok();
        }
        bencher.iter_custom(|iterations| {
            let took = ready.as_mut().map(|ready| ready.time(iterations));
            match took {
                Some(Ok(took)) => took,
                Some(Err(error)) => {
                    fault = Some(error);
                    Duration::from_secs(1)
                }
                None => Duration::from_secs(1),
            }
        });
    });
    group.finish();
    if let Some(ready) = ready {
        let peak = peak_memory().unwrap_or("an unknown amount".to_string());
        eprintln!("{label}: {}; this process held up to {peak}\n", ready.summary());
    }
    fault.map_or(Ok(()), Err)
}

fn all(criterion: &mut Criterion) {
    for device in common::devices() {
        for size in common::sizes(&SIZES) {
            for work in WORKS {
                let can = matches!(&device.1, Device::Gpu(gpu) if gpu.features().f16);
                for narrow in [false, true].into_iter().filter(|&narrow| can || !narrow) {
                    if let Err(error) = bench(criterion, &device, work, size, narrow) {
                        eprintln!("{} {size:?} on {}: {error}", work.0, device.0);
                    }
                }
            }
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
