use rand::SeedableRng;
use std::time::Instant;
use stemwise::{gpu::Device, kernel::StepValues, models::*, nn::Mode, ops::*, optim::Adam, tape::*};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a: Vec<String> = std::env::args().collect();
    let device = Device::open(Some(&a[1]))?;
    let (n, f, t, steps) = (
        a[2].parse::<usize>()?,
        a[3].parse::<usize>()?,
        a[4].parse::<usize>()?,
        a[5].parse::<u32>()?,
    );
    let mut p = Parameters::default();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let net = Separator::new(&SeparatorConfig::default(), &mut p, Role::Trainable, "", &mut rng)?;
    println!("{} parameters", p.count(Role::Trainable));
    let mut tape = Tape::new();
    let x = tape.input("mix", [n, 1, f, t]);
    let y = tape.input("target", [n, 1, f, t]);
    let out = net.record(&mut tape, &p, x, Mode::Train)?;
    let loss = tape.push(L1Loss, &[out.estimate, y])?;
    tape.backward(loss)?;
    let adam = Adam::default();
    adam.record(&mut tape, &p)?;
    let start = Instant::now();
    let mut s = Session::new(&device, &p)?;
    let mut prog = s.compile(&tape, &[loss])?;
    println!(
        "compile {:?}; {} ops, {:.1} MiB, {:.2} Gflop",
        start.elapsed(),
        prog.plan().operations(),
        prog.plan().bytes() as f64 / 1048576.,
        prog.plan().flops() as f64 / 1e9
    );
    let mix: Vec<f32> = (0..n * f * t)
        .map(|i| stemwise::kernel::uniform([1, 2], 0, 0, i as u32))
        .collect();
    let target: Vec<f32> = mix.iter().map(|v| v * 0.5).collect();
    let mut times = vec![];
    for i in 0..steps {
        let start = Instant::now();
        s.run(
            &mut prog,
            &[&mix, &target],
            &StepValues::new(0, i, 1e-3, adam.betas()),
        )?;
        let l = s.read(&mut prog, loss)?[0];
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if i < 3 || i + 1 == steps {
            println!("step {i} loss {l} {:.1} ms", times[i as usize]);
        }
    }
    let mut w = times[1..].to_vec();
    w.sort_by(f64::total_cmp);
    println!("median {:.1} ms", w[w.len() / 2]);
    Ok(())
}
