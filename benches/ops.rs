//! The operations that a training step spends its time in, on the shapes of the separator's layers.
//!
//! ```text
//! cargo bench --bench ops                                   the cpu, and the first real GPU
//! STEMWISE_DEVICE=llvmpipe cargo bench --bench ops conv2d   a device by name; one group
//! STEMWISE_BENCH_SIZE=4x512x128 cargo bench --bench ops     batch, bins and frames at the network's input
//! ```
//!
//! A layer is named with the channels of its big and its small image. Elements of convolutions are
//! floating-point operations: Gelem/s is GFLOP/s. Bytes of batch norm are the least to be read and written.

mod common;

use std::time::Duration;

use common::Operands;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use stemwise::{
    Result,
    gpu::Device,
    models::SeparatorConfig,
    ops::{
        BatchNorm, BatchNormInputGradient, BatchNormSums, BatchStatistics, Conv2d, Conv2dWeightGradient,
        ConvTranspose2d,
    },
    shape::Shape,
    tape::{Session, Var},
};

const SIZE: [usize; 3] = [2, 256, 64];
const STRIDE: [usize; 2] = [2, 2];
const PADDING: [usize; 2] = [2, 2];
const KERNEL: [usize; 2] = [5, 5];
const EPSILON: f32 = 1e-5;

/// A convolution between a big image and a small one. The encoder runs it down, the decoder up.
#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    /// `[N, C, H, W]`
    big: [usize; 4],
    /// `[N, K, P, Q]`
    small: [usize; 4],
}

const ENCODER: [&str; 6] = [
    "encoder.0",
    "encoder.1",
    "encoder.2",
    "encoder.3",
    "encoder.4",
    "encoder.5",
];
const DECODER: [&str; 6] = [
    "decoder.0",
    "decoder.1",
    "decoder.2",
    "decoder.3",
    "decoder.4",
    "decoder.5",
];

/// The layers of the paper's separator: encoder and decoder.
fn layers([batch, bins, frames]: [usize; 3]) -> ([Layer; 6], [Layer; 6]) {
    let channels = SeparatorConfig::default().channels;
    let encoder = std::array::from_fn(|i| {
        let halved = |n: usize, times: usize| (0..times).fold(n, |n, _| n.div_ceil(2));
        let image = |channels, times| [batch, channels, halved(bins, times), halved(frames, times)];
        let input = if i == 0 { 1 } else { channels[i - 1] };
        Layer {
            name: ENCODER[i],
            big: image(input, i),
            small: image(channels[i], i + 1),
        }
    });
    // mirrored; all but the first see a skip of as many channels, too
    let decoder = std::array::from_fn(|i| {
        let Layer { big, mut small, .. } = encoder[5 - i];
        small[1] *= if i == 0 { 1 } else { 2 };
        Layer {
            name: DECODER[i],
            big,
            small,
        }
    });
    (encoder, decoder)
}

type Record = fn(&mut Operands, Layer) -> Result<Var>;

fn conv2d(at: &mut Operands, Layer { big, small, .. }: Layer) -> Result<Var> {
    let operands = [
        at.tensor(big)?,
        at.tensor(weight(big, small))?,
        at.tensor([small[1]])?,
    ];
    at.tape.push(
        Conv2d {
            stride: STRIDE,
            padding: PADDING,
        },
        &operands,
    )
}

fn conv_transpose2d(at: &mut Operands, Layer { big, small, .. }: Layer) -> Result<Var> {
    let operands = [
        at.tensor(small)?,
        at.tensor(weight(big, small))?,
        at.tensor([big[1]])?,
    ];
    at.tape.push(
        ConvTranspose2d {
            stride: STRIDE,
            padding: PADDING,
            output: [big[2], big[3]],
        },
        &operands,
    )
}

fn weight_gradient(at: &mut Operands, Layer { big, small, .. }: Layer) -> Result<Var> {
    let operands = [at.tensor(big)?, at.tensor(small)?];
    at.tape.push(
        Conv2dWeightGradient {
            stride: STRIDE,
            padding: PADDING,
            kernel: KERNEL,
        },
        &operands,
    )
}

fn weight(big: [usize; 4], small: [usize; 4]) -> [usize; 4] {
    [small[1], big[1], KERNEL[0], KERNEL[1]]
}

/// Statistics and normalisation of a layer's output.
fn batch_norm(at: &mut Operands, Layer { small, .. }: Layer) -> Result<Var> {
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

/// Both sums and the input gradient, from statistics that are there.
fn batch_norm_gradient(at: &mut Operands, Layer { small, .. }: Layer) -> Result<Var> {
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

/// Times one operation on the shapes of one layer.
fn bench(
    criterion: &mut Criterion,
    group: &str,
    (name, device): &(String, Device),
    layer: Layer,
    record: Record,
    passes: Option<usize>,
) -> Result<()> {
    let mut operands = Operands::default();
    let output = record(&mut operands, layer)?;
    let mut session = Session::new(device, &operands.parameters)?;
    let mut program = session.compile(&operands.tape, &[output])?;

    let mut group = criterion.benchmark_group(group);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700));
    group.throughput(match passes {
        None => Throughput::Elements(program.plan().flops()),
        Some(passes) => Throughput::Bytes((4 * passes * Shape::from(layer.small).len()) as u64),
    });
    let mut fault = None;
    group.bench_function(
        format!("{} {}-{}/{name}", layer.name, layer.big[1], layer.small[1]),
        |bencher| {
            bencher.iter_custom(|iterations| {
                let took = common::time(&mut session, &mut program, &[], output, iterations);
                took.unwrap_or_else(|error| {
                    fault = Some(error);
                    Duration::from_secs(1)
                })
            });
        },
    );
    group.finish();
    fault.map_or(Ok(()), Err)
}

fn all(criterion: &mut Criterion) {
    for size in common::sizes(&[SIZE]) {
        let (encoder, decoder) = layers(size);
        let both = [encoder, decoder].concat();
        // passes over a layer's output: read for the statistics, read and written to normalise;
        // backward x and dy are read twice and the gradient is written
        let groups: [(&str, &[Layer], Record, Option<usize>); 5] = [
            ("conv2d", &encoder, conv2d, None),
            ("conv_transpose2d", &decoder, conv_transpose2d, None),
            ("weight_gradient", &both, weight_gradient, None),
            ("batch_norm", &encoder, batch_norm, Some(3)),
            ("batch_norm_gradient", &encoder, batch_norm_gradient, Some(5)),
        ];
        for device in common::devices() {
            for (group, layers, record, passes) in groups {
                for &layer in layers {
                    if let Err(error) = bench(criterion, group, &device, layer, record, passes) {
                        eprintln!("{group} {} on {}: {error}", layer.name, device.0);
                    }
                }
            }
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
