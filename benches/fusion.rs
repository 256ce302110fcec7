//! What fusing operations saves: whole steps, and every fusion alone at the size of the separator's first layer, each
//! with and without in turn, so that a busy machine disturbs both alike.
//!
//! ```text
//! cargo bench --bench fusion                                    the cpu, and the first real GPU
//! STEMWISE_DEVICE=llvmpipe cargo bench --bench fusion           the cpu, and a device by name
//! STEMWISE_BENCH_SIZE=4x512x128 cargo bench --bench fusion      batch, bins and frames at the network's input
//! ```
//!
//! The ratio is the median of those of pairs: below 1, fusing pays.

mod common;

use std::time::{Duration, Instant};

use common::Operands;
use stemwise::{
    Result,
    gpu::Device,
    kernel::StepValues,
    models::{Separator, SeparatorConfig},
    nn::{self, Build, Mode},
    ops::{Add, BatchNorm, L1Loss, LeakyRelu, LeakyReluGradient, Multiply, Sigmoid, SigmoidGradient},
    optim::Adam,
    tape::{Plan, Program, Session, Var},
};

const SIZES: [[usize; 3]; 2] = [[2, 256, 64], [4, 512, 128]];
const EPSILON: f32 = 1e-5;
const SLOPE: f32 = 0.2;

/// Each kind of pair is timed so often, and for so long if that is sooner.
const PAIRS: usize = 41;
const BUDGET: Duration = Duration::from_secs(30);

/// Batch, bins and frames.
type Size = [usize; 3];

/// Records something and names what is read of it.
type Record = fn(&mut Operands, Size) -> Result<Vec<Var>>;

const WORKS: [(&str, Record); 6] = [
    ("unet-step", |at, size| unet(at, size, Mode::Train)),
    ("unet-inference", |at, size| unet(at, size, Mode::Evaluate)),
    ("norm + activation", norm),
    ("sum + gradient", sum_gradient),
    ("sigmoid + multiply", mask),
    ("gradient of these", mask_gradient),
];

/// The paper's separator: a step with Adam, or its loss alone.
fn unet(at: &mut Operands, [batch, bins, frames]: Size, mode: Mode) -> Result<Vec<Var>> {
    let config = SeparatorConfig::default();
    let separator = Separator::new(&config, &mut Build::new(&mut at.parameters, 0))?;
    let shape = [batch, 1, bins, frames];
    let (mix, target) = (at.tensor(shape)?, at.tensor(shape)?);
    let estimate = separator
        .record(&mut nn::Record::new(&mut at.tape, &at.parameters, mode), mix)?
        .estimate;
    let loss = at.tape.push(L1Loss, &[estimate, target])?;
    if mode == Mode::Train {
        at.tape.backward(loss)?;
        Adam::default().record(&mut at.tape, &at.parameters)?;
    }
    Ok(vec![loss])
}

/// The output of the first layer.
fn first_layer([batch, bins, frames]: Size) -> [usize; 4] {
    [batch, 16, bins.div_ceil(2), frames.div_ceil(2)]
}

fn norm(at: &mut Operands, size: Size) -> Result<Vec<Var>> {
    let shape = first_layer(size);
    let (x, statistics) = (at.tensor(shape)?, at.tensor([2, shape[1]])?);
    let (gamma, beta) = (at.tensor([shape[1]])?, at.tensor([shape[1]])?);
    let op = BatchNorm {
        epsilon: EPSILON,
        batch: true,
    };
    let y = at.tape.push(op, &[x, statistics, gamma, beta])?;
    Ok(vec![at.tape.push(LeakyRelu { slope: SLOPE }, &[y])?])
}

/// Of an activation that goes two ways.
fn sum_gradient(at: &mut Operands, size: Size) -> Result<Vec<Var>> {
    let shape = first_layer(size);
    let (y, dy, dz) = (at.tensor(shape)?, at.tensor(shape)?, at.tensor(shape)?);
    let sum = at.tape.push(Add, &[dy, dz])?;
    Ok(vec![at.tape.push(LeakyReluGradient { slope: SLOPE }, &[y, sum])?])
}

fn mask(at: &mut Operands, [batch, bins, frames]: Size) -> Result<Vec<Var>> {
    let shape = [batch, 1, bins, frames];
    let (x, a) = (at.tensor(shape)?, at.tensor(shape)?);
    let mask = at.tape.push(Sigmoid, &[x])?;
    Ok(vec![at.tape.push(Multiply, &[mask, a])?])
}

fn mask_gradient(at: &mut Operands, [batch, bins, frames]: Size) -> Result<Vec<Var>> {
    let shape = [batch, 1, bins, frames];
    let (y, dy, a) = (at.tensor(shape)?, at.tensor(shape)?, at.tensor(shape)?);
    let dy = at.tape.push(Multiply, &[dy, a])?;
    Ok(vec![at.tape.push(SigmoidGradient, &[y, dy])?])
}

/// A program ready to run.
struct Ready {
    session: Session,
    program: Program,
    replays: usize,
}

impl Ready {
    fn new(device: &Device, record: Record, size: Size, fuse: bool) -> Result<Self> {
        let mut at = Operands::default();
        let outputs = record(&mut at, size)?;
        at.tape.fuse(fuse);
        let mut session = Session::new(device, &at.parameters)?;
        let program = session.compile(&at.tape, &outputs)?;
        let mut ready = Ready {
            session,
            program,
            replays: 1,
        };
        ready.sample()?;
        // a few milliseconds a sample
        let once = ready.sample()?.max(1e-7);
        ready.replays = (5e-3 / once).ceil().clamp(1.0, 10_000.0) as usize;
        Ok(ready)
    }

    /// Seconds of a replay.
    fn sample(&mut self) -> Result<f64> {
        let step = StepValues::new(0, 0, 1e-4, [0.9, 0.999]);
        let took = self.session.time(&mut self.program, &step, self.replays)?;
        Ok(took.as_secs_f64() / self.replays as f64)
    }

    fn plan(&self) -> &Plan {
        self.program.plan()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(name: &str, device: &Device, record: Record, size: Size) -> Result<()> {
    let (mut fused, mut unfused) = (
        Ready::new(device, record, size, true)?,
        Ready::new(device, record, size, false)?,
    );
    let start = Instant::now();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    while with.len() < PAIRS && (with.len() < 5 || start.elapsed() < BUDGET) {
        // the order within a pair changes, too
        if with.len() % 2 == 0 {
            with.push(fused.sample()?);
            without.push(unfused.sample()?);
        } else {
            without.push(unfused.sample()?);
            with.push(fused.sample()?);
        }
    }
    let ratios = with.iter().zip(&without).map(|(with, without)| with / without);
    let ratio = median(ratios.collect());
    let mib = |ready: &Ready| ready.plan().bytes() as f64 / f64::from(1 << 20);
    println!(
        "  {name:<20} {:>9.3} ms, not fused {:>9.3} ms, ratio {ratio:.3} of {} pairs; {} fewer passes, {:.2} MiB for {:.2}",
        1e3 * median(with.clone()),
        1e3 * median(without),
        with.len(),
        fused.plan().fused(),
        mib(&fused),
        mib(&unfused),
    );
    Ok(())
}

fn main() {
    for (name, device) in common::devices() {
        for size in common::sizes(&SIZES) {
            println!("{name}, {size:?}");
            for (work, record) in WORKS {
                if let Err(error) = compare(work, &device, record, size) {
                    eprintln!("{work} {size:?} on {name}: {error}");
                }
            }
        }
    }
}
