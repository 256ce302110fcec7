//! Fits y = sin(x) with a small network: the engine alone, without audio.
//!
//! ```text
//! cargo run --release --no-default-features --example fit_function            # the first real GPU, else the cpu
//! cargo run --release --no-default-features --example fit_function llvmpipe   # any name of `stemwise devices`, or cpu
//! ```

use std::f32::consts::PI;

use stemwise::prelude::*;

/// Points on [−π, π], all in every step.
const POINTS: usize = 256;
const LAYERS: [usize; 4] = [1, 64, 64, 1];
const STEPS: u32 = 600;

fn main() -> Result<()> {
    let device = Device::open(std::env::args().nth(1).as_deref())?;

    // The parameters: names, shapes and the values that training starts from.
    let mut parameters = Parameters::default();
    let mut build = Build::new(&mut parameters, 0);
    let layers = LAYERS.windows(2).enumerate();
    let layers =
        layers.map(|(i, size)| LinearLayer::new(&mut build.at(format!("layer.{i}")), [size[0], size[1]]));
    let layers: Vec<LinearLayer> = layers.collect::<Result<_>>()?;

    // The tape of one step: forward, loss, backward, update. Nothing is computed yet.
    let mut tape = Tape::new();
    let x = tape.input("x", [POINTS, 1]);
    let y = tape.input("y", [POINTS, 1]);
    let mut at = Record::new(&mut tape, &parameters, Mode::Train);
    let mut output = x;
    for (i, layer) in layers.iter().enumerate() {
        if i > 0 {
            output = at.push(ops::LeakyRelu { slope: 0.1 }, &[output])?;
        }
        output = layer.record(&mut at, output)?;
    }
    let loss = tape.push(ops::MseLoss, &[output, y])?;
    tape.backward(loss)?;
    let adam = Adam::default();
    adam.record(&mut tape, &parameters)?;

    // The plan places every tensor; after this, a replay allocates nothing.
    let mut session = Session::new(&device, &parameters)?;
    let mut program = session.compile(&tape, &[loss, output])?;
    let (operations, bytes) = (program.plan().operations(), program.plan().bytes());
    println!(
        "{device}: {} parameters, {operations} operations, {bytes} bytes",
        parameters.count(Role::Trainable)
    );

    let xs: Vec<f32> = (0..POINTS)
        .map(|i| PI * (2.0 * i as f32 / (POINTS - 1) as f32 - 1.0))
        .collect();
    let ys: Vec<f32> = xs.iter().map(|x| x.sin()).collect();
    for step in 0..STEPS {
        let values = StepValues::new(0, step, 1e-3, adam.betas());
        session.run(&mut program, &[&xs, &ys], &values)?;
        // Reading waits for the device, so it is done now and then only.
        if step % 100 == 0 || step + 1 == STEPS {
            println!("step {step:>4}  loss {:.6}", session.read(&mut program, loss)?[0]);
        }
    }
    let fitted = session.read(&mut program, output)?;
    for i in (0..POINTS).step_by(POINTS / 8) {
        println!("sin({:+.3}) = {:+.4}, fitted {:+.4}", xs[i], ys[i], fitted[i]);
    }
    Ok(())
}
