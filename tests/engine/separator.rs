//! A small separator in training.

use stemwise::{
    gpu::Device,
    kernel::StepValues,
    models::{Separator, SeparatorConfig},
    nn::{Build, Mode, Record},
    ops::{self, L1Loss},
    optim::Adam,
    tape::{Flat, Parameters, Session, Tape, Var},
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
        let separator = Separator::new(&config, &mut Build::new(&mut parameters, 1)).unwrap();
        let mix = tape.input("mix", INPUT);
        let target = tape.input("target", INPUT);
        let separated = separator
            .record(&mut Record::new(&mut tape, &parameters, Mode::Train), mix)
            .unwrap();
        let loss = tape.push(L1Loss, &[separated.estimate, target]).unwrap();
        let history = tape.flat(&parameters, Flat::History);
        tape.push(ops::Record { slot: 0 }, &[history, loss]).unwrap();
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
