//! Every variant of a layer's direction, timed.

use serde::Serialize;

use super::{Direction, Layer, Recorded};
use crate::{
    error::Result,
    gpu::Device,
    kernel::StepValues,
    tape::{Effort, Program, Session},
};

/// The CPU's only way: columns of the image, and a matrix product.
const ON_CPU: &str = "columns";

/// One variant on one layer in one direction.
#[derive(Debug, Clone, Serialize)]
pub struct Timing {
    /// The layer's name.
    pub layer: String,
    /// Channels of its big and its small image.
    pub channels: [usize; 2],
    /// What was computed.
    pub direction: Direction,
    /// The variant's name.
    pub variant: &'static str,
    /// Whether the engine takes it by default.
    pub default: bool,
    /// Whether it is the fastest here.
    pub winner: bool,
    /// Of one run.
    pub seconds: f64,
    /// Floating-point operations, two per multiply-add, taps on padding included.
    pub flops: u64,
    /// The least that has to be read and written.
    pub bytes: usize,
}

impl Timing {
    /// Operations a nanosecond.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / self.seconds / 1e9
    }

    /// Bytes a nanosecond.
    pub fn gigabytes(&self) -> f64 {
        self.bytes as f64 / self.seconds / 1e9
    }
}

/// Times every variant that a device has for one direction of a layer. The default comes first, those that round their
/// operands to 16 bits last.
///
/// # Errors
/// What planning, allocating and running give.
pub fn measure(device: &Device, layer: &Layer, direction: Direction, effort: Effort) -> Result<Vec<Timing>> {
    let Recorded {
        parameters,
        mut tape,
        output,
        bytes,
    } = layer.record(direction)?;
    let mut session = Session::new(device, &parameters)?;
    let mut rows = Vec::new();
    let mut time = |session: &mut Session, mut program: Program, variant, default| -> Result<()> {
        let step = StepValues::default();
        let took = effort.median(|times| session.time(&mut program, &step, times))?;
        rows.push(Timing {
            layer: layer.name.clone(),
            channels: [layer.big[1], layer.small[1]],
            direction,
            variant,
            default,
            winner: false,
            // a clock may be coarse
            seconds: took.as_secs_f64().max(1e-9),
            flops: program.plan().flops(),
            bytes,
        });
        Ok(())
    };
    let program = session.compile(&tape, &[output])?;
    let variants = program.plan().variants();
    let Some((&first, others)) = variants.split_first() else {
        time(&mut session, program, ON_CPU, true)?;
        rows[0].winner = true;
        return Ok(rows);
    };
    time(&mut session, program, first, true)?;
    for &variant in others {
        session.planner_mut().pin(Some(variant));
        let program = session.compile(&tape, &[output])?;
        time(&mut session, program, variant, false)?;
    }
    // those that only a tape that narrows may take compete with the others, and win nothing
    if device.traits().half_matrices.is_some() {
        tape.narrow(true);
        session.planner_mut().pin(None);
        let narrow = session.compile(&tape, &[output])?.plan().variants();
        for variant in narrow.into_iter().filter(|name| !variants.contains(name)) {
            session.planner_mut().pin(Some(variant));
            let program = session.compile(&tape, &[output])?;
            time(&mut session, program, variant, false)?;
        }
    }
    let exact = |row: &Timing| variants.contains(&row.variant);
    let seconds = rows.iter().filter(|row| exact(row)).map(|row| row.seconds);
    let fastest = seconds.fold(f64::INFINITY, f64::min);
    for row in &mut rows {
        row.winner = exact(row) && row.seconds <= fastest;
    }
    Ok(rows)
}
