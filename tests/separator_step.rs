//! A separator's training step: the same bits again, on the CPU and with every variant much the same numbers.

mod engine;

use engine::{
    Engine, Target,
    separator::{STEPS, Training},
};
use stemwise::{
    gpu::Device,
    tape::{Flat, Plan, Var},
};

#[test]
fn two_runs_give_the_same_bits() {
    let training = Training::new(0.5);
    for device in [Device::Gpu(engine::gpu()), Device::Cpu] {
        let (first, second) = (training.run(&device), training.run(&device));
        assert_eq!(first.0.len(), STEPS as usize);
        assert!(first.0.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", first.0);
        assert!(first == second, "{device}: {:?} and {:?}", first.0, second.0);
    }
}

#[test]
fn gpu_and_cpu_train_alike() {
    let training = Training::new(0.5);
    let (gpu, cpu) = (
        training.run(&Device::Gpu(engine::gpu())).0,
        training.run(&Device::Cpu).0,
    );
    let worst = gpu
        .iter()
        .zip(&cpu)
        .map(|(g, c)| ((g - c) / c).abs())
        .fold(0.0, f32::max);
    println!(
        "loss {:.5} to {:.5}; GPU and CPU differ by {worst:.1e} at most",
        cpu[0],
        cpu[cpu.len() - 1]
    );
    assert!(worst <= 1e-4, "{worst}: {gpu:?} and {cpu:?}");
    assert!(cpu[cpu.len() - 1] < cpu[0], "it learns nothing: {cpu:?}");
}

/// Trains with each variant of the plan, twice; as the default against the CPU, variants add in different orders.
fn every_variant(training: &Training, tolerance: f32) {
    let device = Device::Gpu(engine::gpu());
    let plan = Plan::for_gpu(&training.tape, &training.parameters, &[], device.traits()).unwrap();
    let variants = plan.variants();
    assert!(variants.len() > 3, "{variants:?}");
    let cpu = training.run(&Device::Cpu).0;
    for variant in variants {
        let (losses, parameters) = training.run_pinned(&device, Some(variant));
        let pairs = losses.iter().zip(&cpu);
        let worst = pairs.map(|(v, c)| ((v - c) / c).abs()).fold(0.0, f32::max);
        println!("{variant}: {worst:.1e} from the CPU at most");
        assert!(worst <= tolerance, "{variant}: {worst}: {losses:?} and {cpu:?}");
        let again = training.run_pinned(&device, Some(variant));
        assert!(
            again == (losses, parameters),
            "{variant} gives other bits the second time"
        );
    }
}

#[test]
fn every_variant_trains_alike_and_again_to_the_same_bits() {
    every_variant(&Training::new(0.5), 1e-4);
}

/// What is rounded to 11 bits, and where it is added in another order rounded otherwise, comes apart faster.
#[test]
fn every_variant_trains_alike_in_16_bits() {
    every_variant(&Training::narrow(0.5), 3e-3);
}

#[test]
fn asking_for_more_outputs_changes_no_number() {
    let training = Training::new(0.5);
    let all = [training.mask, training.estimate, training.loss];
    for target in [Target::Cpu, Target::Gpu] {
        let results = |outputs: &[Var]| {
            let mut engine = Engine::new(target, &training.parameters).unwrap();
            let mut program = engine.compile(&training.tape, outputs).unwrap();
            engine
                .run(&mut program, &training.inputs, &Training::step(0))
                .unwrap();
            let read: Vec<_> = outputs
                .iter()
                .map(|&v| engine.read(&mut program, v).unwrap())
                .collect();
            (
                read,
                [Flat::Gradients, Flat::Parameters, Flat::Statistics].map(|f| engine.flat(f).unwrap()),
            )
        };
        let (values, lasting) = results(&all);
        for (var, value) in all.iter().zip(values) {
            let (alone, lasting_alone) = results(&[*var]);
            assert!(alone[0] == value && lasting_alone == lasting, "{target}");
        }
    }
}
