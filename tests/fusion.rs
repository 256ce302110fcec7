//! Fusion in plans: what is fused gives the same numbers in fewer passes, and what must not be fused is not.

mod common;
mod engine;

use engine::{Engine, Target, harness, noise, relative, separator::Training};
use stemwise::{
    Result,
    corpus::Instrument,
    gpu::Device,
    kernel::Traits,
    nn::Mode,
    ops::{
        Add, BatchNorm, BatchStatistics, ChannelSoftmax, Copy, Dropout, LeakyRelu, Multiply,
        MultiplyChannels, Reshape, Sigmoid, Sum, TripletLoss, UpdateRunningStatistic,
    },
    optim::Adam,
    shape::Shape,
    tape::{Flat, Parameters, Plan, Role, Session, Tape, Var},
    train::Network,
};

/// Rows that kernels take one by one and four at a time, and more than one task and workgroup hold.
const SHAPES: [[usize; 4]; 5] = [
    [3, 5, 7, 11],
    [3, 5, 7, 4],
    [2, 3, 129, 65],
    [2, 3, 131, 64],
    [5, 7, 1, 1],
];

/// Between a step fused and not fused on a real GPU: its compiler may round a product that is added once less. A
/// single rounding is 6e-8; a network's depth and Adam's division by small moments leave no more than this.
const TOLERANCE: f64 = 1e-5;

/// A tape, what runs it, and what is compared.
struct Recorded {
    parameters: Parameters,
    tape: Tape,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Var>,
}

impl Recorded {
    fn new() -> Self {
        Recorded {
            parameters: Parameters::default(),
            tape: Tape::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn input(&mut self, shape: impl Into<Shape>) -> Var {
        let (shape, index) = (shape.into(), self.inputs.len());
        self.inputs.push(noise(index as u32, shape.len()));
        self.tape.input(&format!("input {index}"), shape)
    }

    fn parameter(&mut self, role: Role, shape: impl Into<Shape>) -> Var {
        let (shape, index) = (shape.into(), self.parameters.iter().count());
        let values = noise(100 + index as u32, shape.len())
            .into_iter()
            .map(|v| 1.0 + 0.5 * v);
        let name = format!("parameter {index}");
        let id = self.parameters.add(&name, shape, role, values.collect()).unwrap();
        self.tape.parameter(&self.parameters, id).unwrap()
    }

    /// `Σ of · R` with a random R.
    fn weighted_sum(&mut self, of: Var) -> Var {
        let shape = self.tape.shape(of).unwrap();
        let weights = self.tape.constant(shape, &noise(23, shape.len())).unwrap();
        let weighted = self.tape.push(Multiply, &[of, weights]).unwrap();
        self.tape.push(Sum, &[weighted]).unwrap()
    }

    /// The same, not fused.
    fn unfused(&self) -> Tape {
        let mut tape = self.tape.clone();
        tape.fuse(false);
        tape
    }

    fn plan(&self, tape: &Tape) -> Plan {
        Plan::for_gpu(tape, &self.parameters, &self.outputs, Traits::default()).unwrap()
    }

    /// The outputs, then the flat buffers.
    fn run(&self, tape: &Tape, target: Target) -> Result<Vec<Vec<f64>>> {
        let mut engine = Engine::new(target, &self.parameters)?;
        let mut program = engine.compile(tape, &self.outputs)?;
        engine.run(&mut program, &self.inputs, &harness::step())?;
        let outputs = self.outputs.iter().map(|&var| engine.read(&mut program, var));
        let mut results = outputs.collect::<Result<Vec<_>>>()?;
        for flat in Flat::ALL {
            results.push(engine.flat(flat)?);
        }
        Ok(results)
    }

    /// So many operations are fused, it shows, and nothing else changes.
    #[track_caller]
    fn check(&self, what: &str, fused: usize) {
        let unfused = self.unfused();
        let (with, without) = (self.plan(&self.tape), self.plan(&unfused));
        assert_eq!((with.fused(), without.fused()), (fused, 0), "{what}:\n{with}");
        assert_eq!(with.operations() + fused, without.operations(), "{what}:\n{with}");
        for target in Target::ALL {
            let (got, want) = (
                self.run(&self.tape, target).unwrap(),
                self.run(&unfused, target).unwrap(),
            );
            assert!(want.iter().flatten().all(|v| v.is_finite()), "{what}");
            let worst = got
                .iter()
                .zip(&want)
                .filter(|(_, want)| !want.is_empty())
                .map(|(got, want)| relative(got, want))
                .fold(0.0, f64::max);
            println!("{what}, {fused} fused, on {target}: {worst:.1e}");
            // a software driver computes as it is told, operation by operation
            let exactly = target != Target::Gpu || engine::gpu().traits().software;
            assert!(
                if exactly { got == want } else { worst <= TOLERANCE },
                "{what} on {target}: {worst:.1e}"
            );
        }
    }
}

impl Recorded {
    /// The tensor between the two operations has no memory.
    #[track_caller]
    fn check_memory(&self) {
        let (with, without) = (self.plan(&self.tape), self.plan(&self.unfused()));
        assert!(with.bytes() < without.bytes(), "{with}{without}");
    }
}

fn norm(recorded: &mut Recorded, x: Var, batch: bool) -> Var {
    let channels = recorded.tape.shape(x).unwrap()[1];
    let (gamma, beta) = (
        recorded.parameter(Role::Trainable, [channels]),
        recorded.parameter(Role::Trainable, [channels]),
    );
    let statistics = match batch {
        true => recorded.tape.push(BatchStatistics, &[x]).unwrap(),
        false => recorded.parameter(Role::Statistic, [2, channels]),
    };
    let op = BatchNorm { epsilon: 1e-5, batch };
    recorded.tape.push(op, &[x, statistics, gamma, beta]).unwrap()
}

#[test]
fn a_norm_and_its_activation_are_one_pass() {
    for shape in SHAPES {
        for (batch, slope) in [(true, 0.2), (false, 0.0)] {
            let what = format!("{shape:?}, slope {slope}");
            let mut recorded = Recorded::new();
            let x = recorded.input(shape);
            let y = norm(&mut recorded, x, batch);
            let y = recorded.tape.push(LeakyRelu { slope }, &[y]).unwrap();
            recorded.outputs = vec![y];
            recorded.check(&format!("norm of {what}"), 1);
            recorded.check_memory();

            let dropout = Dropout {
                rate: 0.5,
                stream: 1,
                whole_channels: true,
            };
            let z = recorded.tape.push(dropout, &[y]).unwrap();
            let loss = recorded.weighted_sum(z);
            recorded.tape.backward(loss).unwrap();
            let dx = recorded.tape.gradients(loss, &[x]).unwrap()[0];
            recorded.outputs = vec![loss, dx.unwrap()];
            recorded.check(&format!("norm with its gradient, {what}"), 1);
        }
    }
}

#[test]
fn gradients_that_meet_at_an_activation_are_added_there() {
    for shape in SHAPES {
        for slope in [0.2, 0.0] {
            let mut recorded = Recorded::new();
            let x = recorded.input(shape);
            let y = recorded.tape.push(LeakyRelu { slope }, &[x]).unwrap();
            let (down, across) = (
                recorded.weighted_sum(y),
                recorded.tape.push(Multiply, &[y, y]).unwrap(),
            );
            let across = recorded.weighted_sum(across);
            let loss = recorded.tape.push(Add, &[down, across]).unwrap();
            let dx = recorded.tape.gradients(loss, &[x]).unwrap()[0].unwrap();
            recorded.outputs = vec![dx];
            recorded.check(&format!("sum of gradients of {shape:?}, slope {slope}"), 1);
        }
    }
}

#[test]
fn a_mask_is_one_pass_where_nothing_else_needs_it() {
    for shape in SHAPES {
        for swapped in [false, true] {
            let mut recorded = Recorded::new();
            let (x, a) = (recorded.input(shape), recorded.input(shape));
            let mask = recorded.tape.push(Sigmoid, &[x]).unwrap();
            let factors = if swapped { [a, mask] } else { [mask, a] };
            let estimate = recorded.tape.push(Multiply, &factors).unwrap();
            recorded.outputs = vec![estimate];
            recorded.check(&format!("mask of {shape:?}"), 1);
            recorded.check_memory();
            recorded.outputs = vec![estimate, mask];
            recorded.check("a mask that is an output", 0);

            // the gradient needs the mask, but not the gradient of the mask
            let loss = recorded.weighted_sum(estimate);
            let gradients = recorded.tape.gradients(loss, &[x, a]).unwrap();
            recorded.outputs = gradients.into_iter().flatten().collect();
            assert_eq!(recorded.outputs.len(), 2);
            recorded.check(&format!("gradient of a mask of {shape:?}"), 1);
        }
    }
}

/// The gradient of the masks is never in memory, only that of what they are made of.
#[test]
fn masks_that_add_up_to_one_have_their_gradient_in_one_pass() {
    for shape in SHAPES {
        let mut recorded = Recorded::new();
        let x = recorded.input(shape);
        let a = recorded.input([shape[0], 1, shape[2], shape[3]]);
        let masks = recorded.tape.push(ChannelSoftmax, &[x]).unwrap();
        let estimates = recorded.tape.push(MultiplyChannels, &[masks, a]).unwrap();
        let loss = recorded.weighted_sum(estimates);
        let dx = recorded.tape.gradients(loss, &[x]).unwrap()[0].unwrap();
        recorded.outputs = vec![dx];
        recorded.check(&format!("gradient of masks of {shape:?}"), 1);
    }
}

#[test]
fn what_something_else_needs_is_not_fused() {
    let slope = 0.2;
    let start = || {
        let mut recorded = Recorded::new();
        let x = recorded.input([3, 5, 7, 11]);
        let normed = norm(&mut recorded, x, true);
        let y = recorded.tape.push(LeakyRelu { slope }, &[normed]).unwrap();
        (recorded, normed, y)
    };
    let (mut recorded, normed, y) = start();
    recorded.outputs = vec![y, normed];
    recorded.check("an output", 0);

    let (mut recorded, normed, y) = start();
    let shape = Shape::from([3, 5 * 77]);
    let view = recorded.tape.push(Reshape { shape }, &[normed]).unwrap();
    recorded.outputs = vec![y, view];
    recorded.check("a view that is an output", 0);

    let (mut recorded, normed, y) = start();
    let both = recorded.tape.push(Add, &[normed, y]).unwrap();
    recorded.outputs = vec![both];
    recorded.check("another reader", 0);
    recorded.outputs = vec![y];
    recorded.check("another reader that no output needs", 1);

    let (mut recorded, normed, y) = start();
    let again = recorded.tape.push(LeakyRelu { slope: 0.1 }, &[normed]).unwrap();
    recorded.outputs = vec![y, again];
    recorded.check("two readers that both absorb", 1);

    let mut recorded = Recorded::new();
    let x = recorded.input([13, 77]);
    let mask = recorded.tape.push(Sigmoid, &[x]).unwrap();
    let square = recorded.tape.push(Multiply, &[mask, mask]).unwrap();
    recorded.outputs = vec![square];
    recorded.check("one reader that reads it twice", 0);
}

/// The gradient of `(p + σ(q)) a` in p is kept in the gradient buffer, and what the sigmoid's gradient reads.
#[test]
fn what_has_a_lasting_place_is_not_fused() {
    for (kept, fused) in [(true, 0), (false, 1)] {
        let mut recorded = Recorded::new();
        let [p, q] = [0, 1].map(|_| recorded.parameter(Role::Trainable, [64]));
        let a = recorded.input([64]);
        let mask = recorded.tape.push(Sigmoid, &[q]).unwrap();
        let sum = recorded.tape.push(Add, &[p, mask]).unwrap();
        let masked = recorded.tape.push(Multiply, &[sum, a]).unwrap();
        let loss = recorded.weighted_sum(masked);
        match kept {
            true => recorded.tape.backward(loss).unwrap(),
            false => recorded.outputs = vec![recorded.tape.gradients(loss, &[q]).unwrap()[0].unwrap()],
        }
        recorded.check(&format!("a gradient that is kept: {kept}"), fused);
    }
}

/// What the fused operation reads later must still be there.
#[test]
fn nothing_is_fused_across_a_change_of_what_it_reads() {
    let channels = 5;
    // which of two vectors changes, and whether between the two operations
    for (changed, between, fused) in [(0, true, 0), (1, true, 1), (0, false, 1)] {
        let mut recorded = Recorded::new();
        let x = recorded.input([3, channels, 7, 11]);
        let vectors = [0, 1].map(|_| recorded.parameter(Role::Statistic, [channels]));
        let (beta, statistics) = (
            recorded.parameter(Role::Frozen, [channels]),
            recorded.parameter(Role::Frozen, [2, channels]),
        );
        let update = |recorded: &mut Recorded| {
            let op = UpdateRunningStatistic {
                row: 0,
                momentum: 0.5,
                factor: 1.0,
            };
            recorded.tape.push(op, &[vectors[changed], statistics]).unwrap();
        };
        if !between {
            update(&mut recorded);
        }
        let op = BatchNorm {
            epsilon: 1e-5,
            batch: false,
        };
        let y = recorded
            .tape
            .push(op, &[x, statistics, vectors[0], beta])
            .unwrap();
        if between {
            update(&mut recorded);
        }
        let y = recorded.tape.push(LeakyRelu { slope: 0.2 }, &[y]).unwrap();
        recorded.outputs = vec![y];
        recorded.check(
            &format!("vector {changed} changes, between them: {between}"),
            fused,
        );
    }
}

/// The mask's gradient goes to the gradient buffer, from which what it would absorb reads.
#[test]
fn no_operation_is_made_to_read_and_write_one_buffer() {
    let mut recorded = Recorded::new();
    let p = recorded.parameter(Role::Trainable, [64]);
    let gradients = recorded.tape.flat(&recorded.parameters, Flat::Gradients);
    assert_eq!(recorded.tape.shape(gradients).unwrap(), Shape::from([64]));
    let mask = recorded.tape.push(Sigmoid, &[p]).unwrap();
    let masked = recorded.tape.push(Multiply, &[mask, gradients]).unwrap();
    let loss = recorded.weighted_sum(masked);
    recorded.tape.backward(loss).unwrap();
    recorded.outputs = vec![loss];
    recorded.check("from gradients to gradients", 0);

    // with a copy of them it is fused
    let mut recorded = Recorded::new();
    let p = recorded.parameter(Role::Trainable, [64]);
    let gradients = recorded.tape.flat(&recorded.parameters, Flat::Gradients);
    let copy = recorded.tape.push(Copy, &[gradients]).unwrap();
    let mask = recorded.tape.push(Sigmoid, &[p]).unwrap();
    let masked = recorded.tape.push(Multiply, &[mask, copy]).unwrap();
    let loss = recorded.weighted_sum(masked);
    recorded.tape.backward(loss).unwrap();
    recorded.outputs = vec![loss];
    recorded.check("from a copy to gradients", 1);
}

/// The cascade's fine-tuning, separator and extractor in one: forward, triplet loss, backward, Adam.
fn cascade(name: &str) -> Recorded {
    let network = Network::new(&common::small(name, Some(Instrument::Drums), &[])).unwrap();
    let mut recorded = Recorded::new();
    recorded.parameters = network.parameters.clone();
    let mix = recorded.input([6, 1, network.recipe.front_end.bins(), 37]);
    recorded.inputs[0].iter_mut().for_each(|v| *v = v.abs());
    let embeddings = network.embed(&mut recorded.tape, mix, Mode::Train).unwrap();
    let dimensions = recorded.tape.shape(embeddings).unwrap()[1];
    let mask = recorded
        .tape
        .constant([2, dimensions], &vec![1.0; 2 * dimensions])
        .unwrap();
    let weight = recorded.tape.constant([2], &[1.0; 2]).unwrap();
    let loss = recorded
        .tape
        .push(TripletLoss { margin: 1.0 }, &[embeddings, mask, weight])
        .unwrap();
    recorded.tape.backward(loss).unwrap();
    Adam::default()
        .record(&mut recorded.tape, &recorded.parameters)
        .unwrap();
    recorded.outputs = vec![loss];
    recorded
}

#[test]
fn whole_training_steps_give_the_same_losses_gradients_and_parameters() {
    let Training {
        parameters,
        tape,
        loss,
        inputs,
        ..
    } = Training::new(0.5);
    let separator = Recorded {
        parameters,
        tape,
        inputs,
        outputs: vec![loss],
    };
    // forward six layers down and five up; backward the five layers that go two ways, and the mask
    for (what, recorded, fused) in [
        ("separator", separator, 17),
        // the extractor's last layer is bare
        ("cascade-ft", cascade("cascade-ft"), 22),
        // the separator is frozen: forward only, and nothing but the estimate needs its mask
        ("cascade", cascade("cascade"), 17),
    ] {
        recorded.check(what, fused);
        let unfused = recorded.unfused();
        let (with, without) = (recorded.plan(&recorded.tape), recorded.plan(&unfused));
        println!("{what}: {} bytes, not fused {}", with.bytes(), without.bytes());
        // what is saved is short-lived, and its memory was shared: sharing differs a little, either way
        let (bytes, before) = (with.bytes() as f64, without.bytes() as f64);
        assert!(bytes < 1.05 * before, "{what}: {bytes} {before}");
        let (with, text) = (with.dispatches() + fused, with.to_string());
        assert_eq!(with, without.dispatches());
        assert!(text.contains("encoder.0 batch_norm + leaky_relu"), "{text}");
        assert!(
            text.ends_with(&format!("{fused} passes saved by fusing operations\n")),
            "{text}"
        );
        assert!(!without.to_string().contains("saved"));
    }
}

#[test]
fn twenty_steps_of_training_are_the_same() {
    let fused = Training::new(0.5);
    let mut unfused = Training::new(0.5);
    unfused.tape.fuse(false);
    assert!(fused.run(&Device::Cpu) == unfused.run(&Device::Cpu));
    let gpu = engine::gpu();
    let (with, without) = (
        fused.run(&Device::Gpu(gpu.clone())),
        unfused.run(&Device::Gpu(gpu.clone())),
    );
    let pairs = with.0.iter().zip(&without.0);
    let worst = pairs.map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f32::max);
    println!("losses of 20 steps on the GPU, fused and not: {worst:.1e} apart at most");
    // as between the GPU and the CPU, see tests/plan.rs
    assert!(
        if gpu.traits().software {
            with == without
        } else {
            worst <= 1e-4
        },
        "{worst}"
    );
}

/// Who looks for the first number that is none sees every operation.
#[test]
fn what_is_not_fused_is_named_exactly() {
    for (fuse, name) in [
        (false, "norm batch_norm [3×5×7×11]"),
        (true, "norm batch_norm + leaky_relu [3×5×7×11]"),
    ] {
        let mut recorded = Recorded::new();
        let x = recorded.input([3, 5, 7, 11]);
        recorded.inputs[0][300] = f32::INFINITY;
        let statistics = recorded.parameter(Role::Statistic, [2, 5]);
        let vectors = [0, 1].map(|_| recorded.parameter(Role::Frozen, [5]));
        recorded.tape.set_scope("norm");
        let op = BatchNorm {
            epsilon: 1e-5,
            batch: false,
        };
        let y = recorded
            .tape
            .push(op, &[x, statistics, vectors[0], vectors[1]])
            .unwrap();
        recorded.tape.set_scope("norm");
        let y = recorded.tape.push(LeakyRelu { slope: 0.2 }, &[y]).unwrap();
        recorded.tape.fuse(fuse);
        let mut session = Session::new(&Device::Cpu, &recorded.parameters).unwrap();
        let mut program = session.compile(&recorded.tape, &[y]).unwrap();
        let mut slot = session.slot(&program).unwrap();
        slot.write(x, 0, &recorded.inputs[0]).unwrap();
        let found = session
            .find_not_finite(&mut program, Some(slot), &harness::step())
            .unwrap();
        assert_eq!(found.as_deref(), Some(name));
    }
}
