//! Tapes to plan and replay: a small separator in training, random graphs, a tiny one, a large one.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use stemwise::{
    gpu::Device,
    kernel::{StepValues, uniform},
    models::{Separator, SeparatorConfig},
    nn::Mode,
    ops::{
        Add, ConcatChannels, Conv2d, L1Loss, LeakyRelu, Multiply, Record, Reshape, Scale, Sigmoid,
        SliceChannels, Sum,
    },
    optim::Adam,
    shape::Shape,
    tape::{Flat, Parameters, Role, Session, Tape, Var},
};

use super::noise;

pub const STEPS: u32 = 20;
const LEARNING_RATE: f32 = 1e-3;

/// A small separator's training step, whose loss goes to slot 0 of the history.
pub struct Training {
    pub parameters: Parameters,
    pub tape: Tape,
    pub mask: Var,
    pub estimate: Var,
    pub loss: Var,
    pub inputs: Vec<Vec<f32>>,
}

/// `[batch, 1, frequency, time]`: odd, and with enough values at the bottleneck for a variance.
const INPUT: [usize; 4] = [2, 1, 65, 65];

impl Training {
    pub fn new(dropout: f32) -> Self {
        Self::on(Tape::new(), dropout)
    }

    /// The same with activations in 16 bits.
    pub fn narrow(dropout: f32) -> Self {
        let mut tape = Tape::new();
        tape.narrow(true);
        Self::on(tape, dropout)
    }

    fn on(mut tape: Tape, dropout: f32) -> Self {
        let mut parameters = Parameters::default();
        let config = SeparatorConfig {
            dropout,
            ..SeparatorConfig::of_width(0.125)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let separator = Separator::new(&config, &mut parameters, Role::Trainable, "", &mut rng).unwrap();
        let mix = tape.input("mix", INPUT);
        let target = tape.input("target", INPUT);
        let separated = separator
            .record(&mut tape, &parameters, mix, Mode::Train)
            .unwrap();
        let loss = tape.push(L1Loss, &[separated.estimate, target]).unwrap();
        let history = tape.flat(&parameters, Flat::History);
        tape.push(Record { slot: 0 }, &[history, loss]).unwrap();
        tape.backward(loss).unwrap();
        Adam::default().record(&mut tape, &parameters).unwrap();
        let mix: Vec<f32> = noise(1, INPUT.iter().product()).iter().map(|v| v.abs()).collect();
        let target = mix
            .iter()
            .zip(noise(2, mix.len()))
            .map(|(m, v)| m * v.abs())
            .collect();
        let (mask, estimate) = (separated.mask, separated.estimate);
        Training {
            parameters,
            tape,
            mask,
            estimate,
            loss,
            inputs: vec![mix, target],
        }
    }

    pub fn step(step: u32) -> StepValues {
        StepValues::new(42, step, LEARNING_RATE, Adam::default().betas())
    }

    pub fn inputs(&self) -> Vec<&[f32]> {
        self.inputs.iter().map(Vec::as_slice).collect()
    }

    /// The losses of [`STEPS`] steps, and the parameters after them.
    pub fn run(&self, device: &Device) -> (Vec<f32>, Vec<f32>) {
        self.run_pinned(device, None)
    }

    /// The same with one variant of all operations that have it.
    pub fn run_pinned(&self, device: &Device, variant: Option<&'static str>) -> (Vec<f32>, Vec<f32>) {
        let mut session = Session::new(device, &self.parameters).unwrap();
        session.planner_mut().pin(variant);
        let mut program = session.compile(&self.tape, &[]).unwrap();
        for step in 0..STEPS {
            session
                .run(&mut program, &self.inputs(), &Self::step(step))
                .unwrap();
        }
        let losses = session.history(0, STEPS - 1, STEPS as usize).unwrap();
        (losses, session.flat(Flat::Parameters).unwrap())
    }
}

/// A random graph over `[2, 4, 6, 5]` tensors, with views, reuse, dead ends and gradients.
/// Returns the tensors to compare.
pub fn random_graph(seed: u32) -> (Tape, Vec<Var>, Vec<Vec<f32>>) {
    let shape = Shape::from([2, 4, 6, 5]);
    let mut tape = Tape::new();
    let inputs = [tape.input("a", shape), tape.input("b", shape)];
    let weight = tape.input("weight", [4, 4, 3, 3]);
    let bias = tape.input("bias", [4]);
    let mut draws = 0..;
    let mut below = |n: usize| {
        let draw = uniform([seed, 99], 0, 0, draws.next().unwrap_or(0));
        ((draw * n as f32) as usize).min(n - 1)
    };
    let mut vars = inputs.to_vec();
    for _ in 0..40 {
        // mostly recent tensors, so that lifetimes differ
        let reach = vars.len().min(6);
        let mut pick = || vars[vars.len() - 1 - below(reach)];
        let (a, b) = (pick(), pick());
        let made = match below(7) {
            0 => tape.push(Add, &[a, b]),
            1 => tape.push(Multiply, &[a, b]),
            2 => tape.push(Scale { factor: 0.7 }, &[a]),
            3 => tape.push(Sigmoid, &[a]),
            4 => tape.push(LeakyRelu { slope: 0.2 }, &[a]),
            5 => {
                // through a larger and a smaller tensor and a view
                let both = tape.push(ConcatChannels, &[a, b]).unwrap();
                let cut = tape.push(SliceChannels { start: 2, count: 4 }, &[both]).unwrap();
                let flat = tape
                    .push(
                        Reshape {
                            shape: Shape::from([2, 120]),
                        },
                        &[cut],
                    )
                    .unwrap();
                tape.push(Reshape { shape }, &[flat])
            }
            _ => tape.push(
                Conv2d {
                    stride: [1, 1],
                    padding: [1, 1],
                },
                &[a, weight, bias],
            ),
        };
        vars.push(made.unwrap());
    }
    let loss = tape.push(Sum, &[vars[vars.len() - 1]]).unwrap();
    let gradients = tape
        .gradients(loss, &[inputs[0], inputs[1], weight, bias])
        .unwrap();
    vars.extend(gradients.into_iter().flatten());
    vars.push(loss);
    let lengths = [shape.len(), shape.len(), 4 * 4 * 9, 4];
    let values = lengths
        .iter()
        .enumerate()
        .map(|(i, &len)| noise(seed + i as u32, len).into_iter().map(|v| 0.3 * v).collect());
    (tape, vars, values.collect())
}

/// A training step of three weights: `loss = Σ weight · x`, recorded in the history.
pub fn tiny() -> (Parameters, Tape, Var) {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let id = parameters
        .add("weight", Shape::from([3]), Role::Trainable, vec![0.5, -0.25, 1.0])
        .unwrap();
    let weight = tape.parameter(&parameters, id).unwrap();
    let x = tape.input("x", [3]);
    let product = tape.push(Multiply, &[weight, x]).unwrap();
    let loss = tape.push(Sum, &[product]).unwrap();
    let history = tape.flat(&parameters, Flat::History);
    tape.push(Record { slot: 0 }, &[history, loss]).unwrap();
    tape.backward(loss).unwrap();
    Adam::default().record(&mut tape, &parameters).unwrap();
    (parameters, tape, loss)
}

/// `[batch, 1, len]` twice in one tensor `[batch, 2, len]`, and its sum.
pub fn large(batch: usize, len: usize) -> (Tape, Var) {
    let mut tape = Tape::new();
    let x = tape.input("spectrogram", [batch, 1, len]);
    let both = tape.push(ConcatChannels, &[x, x]).unwrap();
    let sum = tape.push(Sum, &[both]).unwrap();
    (tape, sum)
}
