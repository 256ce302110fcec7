//! Training steps of narrow networks on the cpu, Adam included: what people without a GPU train. And each convolution of
//! them beside the processor's ceiling.
//!
//! - *encoder*: Direct's encoder and head on magnitudes, under a triplet loss.
//! - *unet*: the separator under L1.
//!
//! ```text
//! cargo bench --bench narrow                         all
//! cargo bench --bench narrow -- encoder 0.25         one network at one width
//! ```
//!
//! One line a step: median and least of ten, and GFLOP/s. A table a network: for each convolution its three jobs in
//! GFLOP/s and as a share of what a matrix product of 1024 × 1024 reaches.

use std::time::{Duration, Instant};

use stemwise::{
    Result,
    gpu::Device,
    kernel::{StepValues, uniform},
    measure::{Ceiling, Direction, Layer, ceiling},
    models::{Encoder, Last, Separator, SeparatorConfig},
    nn::{Build, LinearLayer, Mode, Record},
    ops::{L1Loss, MeanTime, Reshape, TripletLoss},
    optim::Adam,
    tape::{Effort, Parameters, Plan, Session, Tape, Var},
};

/// Bins and frames: three seconds of the papers.
const IMAGE: [usize; 2] = [1025, 130];

const WIDTHS: [f64; 4] = [0.125, 0.25, 0.5, 1.0];

const STEPS: usize = 10;

/// A network, and how many spectrograms it sees at a time: as many at full width as memory is asked for by users.
struct Network {
    name: &'static str,
    batch: fn(f64) -> usize,
    channels: [usize; 6],
    record: fn(&mut Recording) -> Result<Var>,
}

const NETWORKS: [Network; 2] = [
    Network {
        name: "encoder",
        batch: |width| if width < 0.5 { 48 } else { 12 },
        channels: [16, 32, 64, 128, 256, 640],
        record: encoder,
    },
    Network {
        name: "unet",
        batch: |width| if width < 0.5 { 16 } else { 4 },
        channels: [16, 32, 64, 128, 256, 512],
        record: unet,
    },
];

struct Recording {
    parameters: Parameters,
    tape: Tape,
    batch: usize,
    channels: [usize; 6],
    inputs: Vec<Vec<f32>>,
}

impl Recording {
    /// An input of magnitudes.
    fn images(&mut self, name: &str) -> Var {
        let len = self.batch * IMAGE[0] * IMAGE[1];
        let stream = self.inputs.len() as u32;
        self.inputs
            .push((0..len as u32).map(|i| uniform([1, 2], 0, stream, i)).collect());
        self.tape.input(name, [self.batch, 1, IMAGE[0], IMAGE[1]])
    }
}

fn encoder(at: &mut Recording) -> Result<Var> {
    let dimensions = at.channels[5];
    let bins = at.channels.iter().fold(IMAGE[0], |bins, _| bins.div_ceil(2));
    let mut build = Build::new(&mut at.parameters, 0);
    let encoder = Encoder::new(1, &at.channels, Last::Bare, &mut build)?;
    let linear = LinearLayer::new(&mut build.at("linear"), [dimensions * bins, dimensions])?;
    let x = at.images("x");
    let mut record = Record::new(&mut at.tape, &at.parameters, Mode::Train);
    let encoded = encoder.record(&mut record, x)?.bottleneck()?;
    let mean = record.push(MeanTime, &[encoded])?;
    let shape = [at.batch, dimensions * bins].into();
    let flat = record.push(Reshape { shape }, &[mean])?;
    let embedding = linear.record(&mut record, flat)?;
    let triplets = at.batch / 3;
    let mask = at
        .tape
        .constant([triplets, dimensions], &vec![1.0; triplets * dimensions])?;
    let weight = at.tape.constant([triplets], &vec![1.0; triplets])?;
    at.tape
        .push(TripletLoss { margin: 0.2 }, &[embedding, mask, weight])
}

fn unet(at: &mut Recording) -> Result<Var> {
    let config = SeparatorConfig {
        channels: at.channels,
        ..SeparatorConfig::default()
    };
    let separator = Separator::new(&config, &mut Build::new(&mut at.parameters, 0))?;
    let (mix, stem) = (at.images("mix"), at.images("stem"));
    let mut record = Record::new(&mut at.tape, &at.parameters, Mode::Train);
    let estimate = separator.record(&mut record, mix)?.estimate;
    at.tape.push(L1Loss, &[estimate, stem])
}

fn step(network: &Network, width: f64, channels: [usize; 6]) -> Result<()> {
    let mut at = Recording {
        parameters: Parameters::default(),
        tape: Tape::new(),
        batch: (network.batch)(width),
        channels,
        inputs: Vec::new(),
    };
    let loss = (network.record)(&mut at)?;
    at.tape.backward(loss)?;
    Adam::default().record(&mut at.tape, &at.parameters)?;
    let flops = Plan::for_cpu(&at.tape, &at.parameters, &[loss])?.flops() as f64;
    let mut session = Session::new(&Device::Cpu, &at.parameters)?;
    let mut program = session.compile(&at.tape, &[loss])?;
    let inputs: Vec<&[f32]> = at.inputs.iter().map(Vec::as_slice).collect();
    let mut times = Vec::new();
    // the first touches the memory
    for index in 0..=STEPS {
        let start = Instant::now();
        let values = StepValues::new(0, index as u32, 1e-4, [0.9, 0.999]);
        session.run(&mut program, &inputs, &values)?;
        times.push(start.elapsed());
    }
    let mut times = times.split_off(1);
    times.sort();
    let (least, median) = (times[0], times[STEPS / 2]);
    println!(
        "{} width {width}, {} × {} × {}: median {median:.0?}, least {least:.0?}; {:.2} Gflop, {:.1} GFLOP/s",
        network.name,
        at.batch,
        IMAGE[0],
        IMAGE[1],
        flops / 1e9,
        flops / 1e9 / median.as_secs_f64(),
    );
    Ok(())
}

fn table(network: &Network, width: f64, channels: [usize; 6], ceiling: &Ceiling) -> Result<()> {
    println!("| big → small | forward | input | weight |\n|---|---|---|---|");
    let (mut c, mut size) = (1, IMAGE);
    for (i, &k) in channels.iter().enumerate() {
        let half = size.map(|n| n.div_ceil(2));
        let batch = (network.batch)(width);
        let layer = Layer {
            name: format!("encoder.{i}"),
            big: [batch, c, size[0], size[1]],
            small: [batch, k, half[0], half[1]],
            up: false,
        };
        let mut cells = Vec::new();
        for direction in Direction::ALL {
            let recorded = layer.record(direction)?;
            let plan = Plan::for_cpu(&recorded.tape, &recorded.parameters, &[recorded.output])?;
            let flops = plan.flops() as f64;
            let mut session = Session::new(&Device::Cpu, &recorded.parameters)?;
            let mut program = session.compile(&recorded.tape, &[recorded.output])?;
            let time = Effort::default().median(|times| {
                session.time(&mut program, &StepValues::new(0, 0, 1e-4, [0.9, 0.999]), times)
            })?;
            let rate = flops / 1e9 / time.as_secs_f64();
            cells.push(format!("{rate:.0} ({:.0} %)", 100.0 * rate / ceiling.gflops));
        }
        println!(
            "| {c} × {}×{} → {k} × {}×{} | {} |",
            size[0],
            size[1],
            half[0],
            half[1],
            cells.join(" | ")
        );
        (c, size) = (k, half);
    }
    Ok(())
}

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let wanted = |text: &str| {
        let alike: Vec<&String> = given
            .iter()
            .filter(|g| g.parse::<f64>().is_ok() == text.parse::<f64>().is_ok())
            .collect();
        alike.is_empty() || alike.iter().any(|g| *g == text)
    };
    let effort = Effort {
        sample: Duration::from_millis(100),
        ..Effort::default()
    };
    let ceiling = ceiling(&Device::Cpu, effort)?;
    println!("ceiling: {:.0} GFLOP/s", ceiling.gflops);
    for network in NETWORKS.iter().filter(|network| wanted(network.name)) {
        for width in WIDTHS.into_iter().filter(|width| wanted(&width.to_string())) {
            let channels = network
                .channels
                .map(|c| ((c as f64 * width).round() as usize).max(1));
            step(network, width, channels)?;
            if network.name == "encoder" {
                table(network, width, channels, &ceiling)?;
            }
        }
    }
    Ok(())
}
