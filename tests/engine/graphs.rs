//! Tapes to plan and replay: random graphs, a tiny one in training, a large one.

use stemwise::{
    kernel::uniform,
    ops::{
        Add, ConcatChannels, Conv2d, LeakyRelu, Multiply, Record, Reshape, Scale, Sigmoid, SliceChannels, Sum,
    },
    optim::Adam,
    shape::Shape,
    tape::{Flat, Parameters, Role, Tape, Var},
};

use super::noise;

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
