//! The operations that a training step spends its time in, on the shapes of the separator's layers: convolutions in
//! every variant that a device has.
//!
//! ```text
//! cargo bench --bench ops                                   the cpu, and the first real GPU
//! STEMWISE_DEVICE=llvmpipe cargo bench --bench ops forward  a device by name; one group
//! STEMWISE_BENCH_SIZE=4x512x128 cargo bench --bench ops     batch, bins and frames at the network's input
//! ```
//!
//! A layer is named with the channels of its big and its small image. Elements of convolutions are
//! floating-point operations: Gelem/s is GFLOP/s. Bytes of the others are the least to be read and written.
//! `stemwise bench` prints the convolutions as one table, by the GPU's own clock.

mod common;

use std::time::Duration;

use common::Operands;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use stemwise::{
    Result,
    gpu::Device,
    measure::{Direction, Layer, Recorded, Size, layers},
    ops::{
        BatchNorm, BatchNormInputGradient, BatchNormSums, BatchStatistics, LeakyRelu, LeakyReluGradient,
        Linear, StftOutput, stft,
    },
    shape::Shape,
    tape::{Program, Session, Var},
};

const SIZE: [usize; 3] = [2, 256, 64];
const EPSILON: f32 = 1e-5;

type Record = fn(&mut Operands, &Layer) -> Result<Var>;

/// Statistics and normalisation of a layer's output.
fn batch_norm(at: &mut Operands, &Layer { small, .. }: &Layer) -> Result<Var> {
    let (x, gamma, beta) = (at.tensor(small)?, at.tensor([small[1]])?, at.tensor([small[1]])?);
    let statistics = at.tape.push(BatchStatistics, &[x])?;
    at.tape.push(
        BatchNorm {
            epsilon: EPSILON,
            batch: true,
        },
        &[x, statistics, gamma, beta],
    )
}

/// The same with the activation, which a plan does in the same pass.
fn batch_norm_leaky_relu(at: &mut Operands, layer: &Layer) -> Result<Var> {
    let normalised = batch_norm(at, layer)?;
    at.tape.push(LeakyRelu { slope: 0.2 }, &[normalised])
}

/// The gradients of both.
fn batch_norm_leaky_relu_gradient(at: &mut Operands, layer: &Layer) -> Result<Var> {
    let (x, dy) = (at.tensor(layer.small)?, at.tensor(layer.small)?);
    let (statistics, gamma) = (at.tensor([2, layer.small[1]])?, at.tensor([layer.small[1]])?);
    let dy = at.tape.push(LeakyReluGradient { slope: 0.2 }, &[x, dy])?;
    let sums = at
        .tape
        .push(BatchNormSums { epsilon: EPSILON }, &[x, dy, statistics])?;
    let op = BatchNormInputGradient {
        epsilon: EPSILON,
        batch: true,
    };
    at.tape.push(op, &[x, dy, statistics, gamma, sums])
}

/// What the pixels of a layer's output, averaged over time, are described by.
fn linear(at: &mut Operands, &Layer { small, .. }: &Layer) -> Result<Var> {
    let [batch, channels, bins, _] = small;
    let (x, w) = (
        at.tensor([batch, channels * bins])?,
        at.tensor([128, channels * bins])?,
    );
    at.tape.push(Linear, &[x, w])
}

/// The magnitude of as many frames as a layer's input has, and of about as many bins.
fn magnitude(at: &mut Operands, &Layer { big, .. }: &Layer) -> Result<Var> {
    let [batch, _, bins, frames] = big;
    let size = (2 * (bins - 1)).next_power_of_two().clamp(256, 8192);
    let hop = size / 4;
    let x = at.tensor([batch, 1, ((frames - 1) * hop).max(size)])?;
    stft(&mut at.tape, x, size, hop, StftOutput::Magnitude)
}

/// Both sums and the input gradient, from statistics that are there.
fn batch_norm_gradient(at: &mut Operands, &Layer { small, .. }: &Layer) -> Result<Var> {
    let (x, dy) = (at.tensor(small)?, at.tensor(small)?);
    let (statistics, gamma) = (at.tensor([2, small[1]])?, at.tensor([small[1]])?);
    let sums = at
        .tape
        .push(BatchNormSums { epsilon: EPSILON }, &[x, dy, statistics])?;
    let op = BatchNormInputGradient {
        epsilon: EPSILON,
        batch: true,
    };
    at.tape.push(op, &[x, dy, statistics, gamma, sums])
}

/// Where a measurement appears.
struct Place<'a> {
    group: &'a str,
    name: String,
    throughput: Throughput,
}

/// Times a program without inputs.
fn time(
    criterion: &mut Criterion,
    place: Place<'_>,
    session: &mut Session,
    mut program: Program,
    output: Var,
) -> Result<()> {
    let mut group = criterion.benchmark_group(place.group);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700));
    group.throughput(place.throughput);
    let mut fault = None;
    group.bench_function(place.name, |bencher| {
        bencher.iter_custom(|iterations| {
            let took = common::time(session, &mut program, &[], output, iterations);
            took.unwrap_or_else(|error| {
                fault = Some(error);
                Duration::from_secs(1)
            })
        });
    });
    group.finish();
    fault.map_or(Ok(()), Err)
}

/// Every variant of one direction of a layer.
fn convolution(
    criterion: &mut Criterion,
    (name, device): &(String, Device),
    layer: &Layer,
    direction: Direction,
) -> Result<()> {
    let Recorded {
        parameters,
        tape,
        output,
        ..
    } = layer.record(direction)?;
    let mut session = Session::new(device, &parameters)?;
    let variants = session.compile(&tape, &[output])?.plan().variants();
    let mut variants: Vec<_> = variants.into_iter().map(Some).collect();
    if variants.is_empty() {
        variants.push(None);
    }
    for variant in variants {
        session.planner_mut().pin(variant);
        let program = session.compile(&tape, &[output])?;
        let variant = variant.map_or(String::new(), |variant| format!("/{variant}"));
        let place = Place {
            group: direction.name(),
            name: format!("{}{variant}/{name}", label(layer)),
            throughput: Throughput::Elements(program.plan().flops()),
        };
        time(criterion, place, &mut session, program, output)?;
    }
    Ok(())
}

/// Operations that memory bounds, and the bytes that they move at least; none where a layer has none.
type Moving = (&'static str, Record, fn(&Layer) -> Option<usize>);

/// So many passes over the outputs of the layers, of those that mirror others only once.
fn passes<const N: usize>(layer: &Layer) -> Option<usize> {
    (!layer.up).then(|| 4 * N * Shape::from(layer.small).len())
}

// Norm: read for the statistics, read and written to normalise; backward x and dy are read twice and the gradient is
// written, and that of the activation reads two and writes one before.
const MOVING: [Moving; 6] = [
    ("batch_norm", batch_norm, passes::<3>),
    ("batch_norm_leaky_relu", batch_norm_leaky_relu, passes::<3>),
    ("batch_norm_gradient", batch_norm_gradient, passes::<5>),
    (
        "batch_norm_leaky_relu_gradient",
        batch_norm_leaky_relu_gradient,
        passes::<8>,
    ),
    ("linear", linear, |layer| {
        let [_, channels, bins, _] = layer.small;
        (layer.name == "encoder.5").then_some(4 * 128 * channels * bins)
    }),
    ("stft", magnitude, |layer| {
        (layer.name == "encoder.0").then(|| 4 * Shape::from(layer.big).len())
    }),
];

/// One of them on a layer.
fn moving(
    criterion: &mut Criterion,
    (name, device): &(String, Device),
    layer: &Layer,
    (group, record, bytes): Moving,
) -> Result<()> {
    let Some(bytes) = bytes(layer) else {
        return Ok(());
    };
    let mut operands = Operands::default();
    let output = record(&mut operands, layer)?;
    let mut session = Session::new(device, &operands.parameters)?;
    let program = session.compile(&operands.tape, &[output])?;
    let place = Place {
        group,
        name: format!("{}/{name}", label(layer)),
        throughput: Throughput::Bytes(bytes as u64),
    };
    time(criterion, place, &mut session, program, output)
}

fn label(layer: &Layer) -> String {
    format!("{} {}-{}", layer.name, layer.big[1], layer.small[1])
}

fn all(criterion: &mut Criterion) {
    for [batch, bins, frames] in common::sizes(&[SIZE]) {
        let layers = layers(&Size {
            batch,
            bins,
            frames,
            width: 1.0,
        });
        for device in common::devices() {
            for direction in Direction::ALL {
                for layer in layers.iter().filter(|layer| layer.has(direction)) {
                    if let Err(error) = convolution(criterion, &device, layer, direction) {
                        eprintln!("{} of {} on {}: {error}", direction.name(), layer.name, device.0);
                    }
                }
            }
            for group in MOVING {
                for layer in &layers {
                    if let Err(error) = moving(criterion, &device, layer, group) {
                        eprintln!("{} of {} on {}: {error}", group.0, layer.name, device.0);
                    }
                }
            }
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
