//! `stemwise bench`

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::{
    dump,
    output::{Misuse, may_replace, note, say},
    recipe::RecipeArguments,
    table::titled,
};
use crate::{
    files::write_atomically,
    gpu::Device,
    measure::{Ceiling, Direction, Layer, Size, Timing, ceiling, layers, measure},
    tape::Effort,
    variants::open_device,
};

/// The paper's spectrograms, a batch that fits any GPU; and what takes a minute or two on a processor.
const ON_GPU: [usize; 3] = [16, 1025, 259];
const ON_PROCESSOR: [usize; 3] = [2, 256, 64];

/// Of a tensor: 2 GiB, which is filled on the host.
const MOST_ELEMENTS: usize = 1 << 29;

#[derive(Args)]
pub struct Arguments {
    /// Spectrograms of a batch [default: 16 on a GPU, 2 on a processor]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Bins of a spectrogram [default: 1025 on a GPU, 256 on a processor]
    #[arg(long, value_name = "N")]
    bins: Option<usize>,
    /// Frames of a spectrogram [default: 259 on a GPU, 64 on a processor]
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// Channels of every layer, as a multiple of the paper's
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    width: f64,
    /// Only layers whose name contains this, as in 'encoder' or 'decoder.5'
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Measurements of each variant; their median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: u16,
    /// Write everything measured to this file, to compare machines
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'
    #[arg(long)]
    device: Option<String>,
    /// Measure nothing and need no device: write the kernels of a recipe's steps, or without one all that there are, to
    /// this folder, as WGSL, SPIR-V, MSL and HLSL, and how they are dispatched
    #[arg(long, value_name = "DIR", conflicts_with_all = ["json", "device", "layer"])]
    dump: Option<PathBuf>,
    /// With --dump: name of a recipe, see 'stemwise recipes', a TOML file, or the folder of a run
    #[arg(value_name = "WHAT", conflicts_with_all = ["batch", "bins", "frames"])]
    what: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArguments,
}

/// How a file that `--json` writes begins.
const JSON: &str = "{\n  \"stemwise\": ";

/// What `--json` writes.
#[derive(Serialize)]
struct Measurements<'a> {
    stemwise: &'static str,
    device: String,
    driver: Option<&'a str>,
    /// Whether times are the GPU's own; else the host's, submissions included.
    timestamps: bool,
    size: Size,
    ceiling: Ceiling,
    rows: &'a [Timing],
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    match (&arguments.dump, &arguments.what) {
        (Some(folder), Some(what)) => return dump::recipe(folder, what, &arguments.recipe),
        (Some(folder), None) if arguments.recipe.is_empty() => {
            return dump::all(folder, &arguments.size(ON_GPU)?);
        }
        (None, None) if arguments.recipe.is_empty() => {}
        _ => {
            let message =
                "a recipe and what is laid over it are for the kernels of its steps: use --dump DIR RECIPE";
            return Err(Misuse(message.to_string()).into());
        }
    }
    if let Some(path) = &arguments.json {
        may_replace("--json", path, JSON)?;
    }
    let device = open_device(arguments.device.as_deref())?;
    let real = matches!(&device, Device::Gpu(gpu) if !gpu.traits().software);
    let size = arguments.size(if real { ON_GPU } else { ON_PROCESSOR })?;
    let wanted = |name: &str| arguments.layer.as_ref().is_none_or(|part| name.contains(part));
    let layers: Vec<_> = layers(&size).into_iter().filter(|l| wanted(&l.name)).collect();
    if layers.is_empty() {
        let asked = arguments.layer.as_deref().unwrap_or_default();
        let message =
            format!("no layer's name contains '{asked}': they are encoder.0 to 5 and decoder.0 to 5");
        return Err(Misuse(message).into());
    }
    let largest = layers.iter().map(Layer::largest).max().unwrap_or(0);
    if largest > MOST_ELEMENTS {
        let message = format!(
            "a tensor would have {largest} elements: use a smaller batch or width, fewer bins or frames"
        );
        return Err(Misuse(message).into());
    }
    let effort = Effort {
        samples: arguments.samples.into(),
        ..Effort::default()
    };
    let (driver, timestamps) = match &device {
        Device::Cpu => (None, false),
        Device::Gpu(gpu) => (Some(gpu.driver()), gpu.features().timestamps),
    };
    let ceiling = ceiling(&device, effort)?;
    heading(&device, timestamps, &size, &ceiling)?;

    let mut rows = Vec::new();
    for direction in Direction::ALL {
        for layer in layers.iter().filter(|layer| layer.has(direction)) {
            let measured = measure(&device, layer, direction, effort);
            rows.extend(measured.with_context(|| format!("{} of {}", direction.name(), layer.name))?);
        }
    }
    say(variants(&rows, &ceiling))?;
    say("")?;
    summary(&rows)?;
    if let Some(path) = &arguments.json {
        let measurements = Measurements {
            stemwise: env!("CARGO_PKG_VERSION"),
            device: device.to_string(),
            driver,
            timestamps,
            size,
            ceiling,
            rows: &rows,
        };
        write(path, &measurements)?;
    }
    note(format!("measured in {:.0?}", rounded(started.elapsed())));
    Ok(())
}

impl Arguments {
    /// `otherwise`: batch, bins and frames.
    fn size(&self, [batch, bins, frames]: [usize; 3]) -> anyhow::Result<Size> {
        let size = Size {
            batch: self.batch.unwrap_or(batch),
            bins: self.bins.unwrap_or(bins),
            frames: self.frames.unwrap_or(frames),
            width: self.width,
        };
        let sides = [
            ("batch", size.batch),
            ("bins", size.bins),
            ("frames", size.frames),
        ];
        for (name, value) in sides {
            // far above what any device holds, far below what overflows
            if !(1..=1 << 16).contains(&value) {
                return Err(Misuse(format!("--{name} {value}: use 1 to 65536")).into());
            }
        }
        if !(size.width > 0.0 && size.width <= 16.0) {
            return Err(Misuse(format!("--width {}: use more than 0, at most 16", size.width)).into());
        }
        Ok(size)
    }
}

fn heading(device: &Device, timestamps: bool, size: &Size, ceiling: &Ceiling) -> anyhow::Result<()> {
    let Size {
        batch,
        bins,
        frames,
        width,
    } = size;
    say(format!(
        "{device}, separator of width {width} on {batch} × 1 × {bins} × {frames}"
    ))?;
    let (multiply_adds, clock) = match device {
        Device::Cpu => ("in a matrix product of 1024 × 1024", "the host's clock"),
        Device::Gpu(_) if timestamps => ("in registers", "the GPU's timestamps"),
        Device::Gpu(_) => ("in registers", "the host's clock, submissions included"),
    };
    say(format!(
        "At most {:.1} GFLOP/s of f32 multiply-adds {multiply_adds}, {:.1} GB/s copied; by {clock}.\n",
        ceiling.gflops, ceiling.gigabytes
    ))
}

/// Every variant that was timed.
fn variants(rows: &[Timing], ceiling: &Ceiling) -> String {
    let header = [
        "layer",
        "channels",
        "direction",
        "variant",
        "ms",
        "GFLOP/s",
        "of multiply-adds",
        "of copy",
        "",
    ];
    let share = |part: f64, whole: f64| format!("{:.0} %", 100.0 * part / whole);
    let cells = rows.iter().map(|row| {
        let [big, small] = row.channels;
        let remark = match (row.winner, row.default) {
            (true, true) => "fastest, default",
            (true, false) => "fastest",
            (false, true) => "default",
            (false, false) => "",
        };
        vec![
            row.layer.clone(),
            format!("{big}-{small}"),
            row.direction.name().to_string(),
            row.variant.to_string(),
            format!("{:.3}", 1e3 * row.seconds),
            format!("{:.1}", row.gflops()),
            share(row.gflops(), ceiling.gflops),
            share(row.gigabytes(), ceiling.gigabytes),
            remark.to_string(),
        ]
    });
    titled(&header, cells)
}

/// What the choice of variants costs or saves, in each direction.
fn summary(rows: &[Timing]) -> anyhow::Result<()> {
    let header = [
        "direction",
        "default",
        "GFLOP/s",
        "fastest of each layer",
        "GFLOP/s",
    ];
    let mut cells = Vec::new();
    for direction in Direction::ALL {
        let of = |chosen: fn(&&Timing) -> bool| {
            let rows = rows.iter().filter(|row| row.direction == direction);
            let rows: Vec<&Timing> = rows.filter(chosen).collect();
            let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
            let flops: u64 = rows.iter().map(|row| row.flops).sum();
            [
                format!("{:.2} ms", 1e3 * seconds),
                format!("{:.1}", flops as f64 / seconds / 1e9),
            ]
        };
        if rows.iter().any(|row| row.direction == direction) {
            let name = [direction.name().to_string()];
            let columns = [of(|row| row.default), of(|row| row.winner)].concat();
            cells.push(name.into_iter().chain(columns).collect());
        }
    }
    say(titled(&header, cells))
}

fn write(path: &Path, measurements: &Measurements<'_>) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(measurements)? + "\n";
    Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
}

/// Whole seconds.
fn rounded(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs_f64().round() as u64)
}
