//! A whole training step of the paper's separator: forward, L1, backward, Adam.
//!
//! ```text
//! cargo bench --bench step                                  the cpu, and the first real GPU
//! STEMWISE_DEVICE=llvmpipe cargo bench --bench step         the cpu, and a device by name
//! STEMWISE_BENCH_SIZE=16x1025x259 cargo bench --bench step  batch, bins and frames
//! cargo bench --bench step -- cpu                           one of the devices
//! ```
//!
//! Elements are the floating-point operations of convolutions: Gelem/s is GFLOP/s.

mod common;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stemwise::{
    Result,
    gpu::Device,
    models::{Separator, SeparatorConfig},
    nn::Mode,
    ops::L1Loss,
    optim::Adam,
    tape::{Parameters, Role, Session, Tape},
};

const SIZES: [[usize; 3]; 2] = [[2, 256, 64], [4, 512, 128]];

fn bench(
    criterion: &mut Criterion,
    (name, device): &(String, Device),
    [batch, bins, frames]: [usize; 3],
) -> Result<()> {
    let mut parameters = Parameters::default();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let config = SeparatorConfig::default();
    let separator = Separator::new(&config, &mut parameters, Role::Trainable, "", &mut rng)?;
    let mut tape = Tape::new();
    let shape = [batch, 1, bins, frames];
    let (mix, target) = (tape.input("mix", shape), tape.input("target", shape));
    let estimate = separator
        .record(&mut tape, &parameters, mix, Mode::Train)?
        .estimate;
    let loss = tape.push(L1Loss, &[estimate, target])?;
    tape.backward(loss)?;
    Adam::default().record(&mut tape, &parameters)?;

    let start = Instant::now();
    let mut session = Session::new(device, &parameters)?;
    let mut program = session.compile(&tape, &[loss])?;
    let compiled = start.elapsed();
    let mix: Vec<f32> = common::noise(0, batch * bins * frames)
        .into_iter()
        .map(f32::abs)
        .collect();
    let target: Vec<f32> = mix.iter().map(|x| 0.5 * x).collect();
    let inputs: [&[f32]; 2] = [&mix, &target];
    let first = common::time(&mut session, &mut program, &inputs, loss, 1)?;
    let plan = program.plan();
    eprintln!(
        "{name}, {batch}x{bins}x{frames}: {} operations, {:.1} MiB, {:.2} Gflop; ready after {compiled:.1?}, first step {first:.1?}",
        plan.operations(),
        plan.bytes() as f64 / f64::from(1 << 20),
        plan.flops() as f64 / 1e9,
    );

    let mut group = criterion.benchmark_group("unet-step");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(plan.flops()));
    let mut fault = None;
    group.bench_function(format!("{batch}x{bins}x{frames}/{name}"), |bencher| {
        bencher.iter_custom(|iterations| {
            let took = common::time(&mut session, &mut program, &inputs, loss, iterations);
            took.unwrap_or_else(|error| {
                fault = Some(error);
                Duration::from_secs(1)
            })
        });
    });
    group.finish();
    fault.map_or(Ok(()), Err)
}

fn all(criterion: &mut Criterion) {
    for device in common::devices() {
        for size in common::sizes(&SIZES) {
            if let Err(error) = bench(criterion, &device, size) {
                eprintln!("{size:?} on {}: {error}", device.0);
            }
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
