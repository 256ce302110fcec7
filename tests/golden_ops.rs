//! Single operations against what PyTorch computes in f64; see `tests/golden/README.md`.

mod engine;

use std::collections::BTreeSet;

use engine::{Engine, Target, fixture::Fixture, relative};
use stemwise::{
    Result,
    kernel::StepValues,
    nn::{BatchNorm2d, Build, Mode, Record},
    ops::{
        Add, Conv2d, ConvTranspose2d, L1Loss, LeakyRelu, Linear, MaxPool2d, MeanTime, MseLoss, Multiply,
        Sigmoid, SquaredNorm, Sum,
    },
    optim::Adam,
    shape::Shape,
    tape::{Flat, Parameters, Role, Tape, Var},
};

/// The largest `‖got − want‖ / ‖want‖` of a tensor. The fixtures are f64 rounded to f32, which is 3e-8 off;
/// so f64 must be that close. In f32 PyTorch itself is up to 3e-7 off; 1e-5 leaves room for another order of
/// summation, and is far below what a wrong term would do.
fn tolerance(target: Target) -> f64 {
    match target {
        Target::Reference => 1e-6,
        _ => 1e-5,
    }
}

struct Golden {
    fixture: Fixture,
    used: BTreeSet<String>,
    failures: Vec<String>,
    checks: usize,
    worst: [f64; 3],
}

impl Golden {
    fn new() -> Self {
        Golden {
            fixture: Fixture::read("ops"),
            used: BTreeSet::new(),
            failures: Vec::new(),
            checks: 0,
            worst: [0.0; 3],
        }
    }

    /// A pair of numbers of a case's geometry.
    fn pair(&self, case: &str, name: &str) -> [usize; 2] {
        let pair = &self.fixture.metadata("cases")[case][name];
        [0, 1].map(|i| pair[i].as_u64().unwrap() as usize)
    }

    fn number(&self, case: &str, name: &str) -> f64 {
        self.fixture.metadata("cases")[case][name].as_f64().unwrap()
    }

    fn compare(&mut self, target: Target, name: &str, got: &[f64]) {
        let error = relative(got, &self.fixture.truth(name));
        self.checks += 1;
        let worst = &mut self.worst[target as usize];
        *worst = worst.max(error);
        if error > tolerance(target) {
            self.failures
                .push(format!("{name} on {target}: off by {error:.1e}"));
        }
    }

    /// Output and gradients of one case. The loss is `Σ output · grad_output`, whose gradient in the
    /// output is `grad_output`.
    fn check(&mut self, case: &str, inputs: &[&str], record: impl Fn(&mut Tape, &[Var]) -> Result<Var>) {
        self.used.insert(case.to_string());
        let name = |tensor: &str| format!("{case}.{tensor}");
        let mut tape = Tape::new();
        let vars: Vec<Var> = inputs
            .iter()
            .map(|input| tape.input(input, self.fixture.shape(&name(input))))
            .collect();
        let output = record(&mut tape, &vars).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert_eq!(
            tape.shape(output).unwrap(),
            self.fixture.shape(&name("output")),
            "{case}"
        );
        let upstream = self.fixture.values(&name("grad_output"));
        let upstream = tape.constant(tape.shape(output).unwrap(), &upstream).unwrap();
        let product = tape.push(Multiply, &[output, upstream]).unwrap();
        let loss = tape.push(Sum, &[product]).unwrap();
        let gradients = tape.gradients(loss, &vars).unwrap();
        let mut outputs = vec![output];
        outputs.extend(
            gradients
                .iter()
                .map(|g| g.unwrap_or_else(|| panic!("{case}: no gradient"))),
        );
        let values: Vec<Vec<f32>> = inputs
            .iter()
            .map(|input| self.fixture.values(&name(input)))
            .collect();
        let names = std::iter::once(name("output")).chain(inputs.iter().map(|i| name(&format!("grad_{i}"))));
        let names: Vec<String> = names.collect();
        for target in Target::ALL {
            let got = engine::evaluate(
                target,
                &Parameters::default(),
                &tape,
                &outputs,
                &values,
                &StepValues::default(),
            );
            for (name, got) in names
                .iter()
                .zip(got.unwrap_or_else(|e| panic!("{case} on {target}: {e}")))
            {
                self.compare(target, name, &got);
            }
        }
    }

    fn convolutions(&mut self) {
        for case in ["conv2d_k5x5_s2_p2", "conv2d_k3x4_s1x2_p1x0", "conv2d_k1x1"] {
            let op = Conv2d {
                stride: self.pair(case, "stride"),
                padding: self.pair(case, "padding"),
            };
            self.check(case, &["input", "weight", "bias"], |tape, vars| {
                tape.push(op.clone(), vars)
            });
        }
        for case in [
            "conv_transpose2d_k5x5_s2_p2_op0x1",
            "conv_transpose2d_k3x3_s1_p1",
            "conv_transpose2d_k4x3_s3x2_p0x1",
        ] {
            let shape = self.fixture.shape(&format!("{case}.output"));
            let (stride, padding) = (self.pair(case, "stride"), self.pair(case, "padding"));
            let op = ConvTranspose2d {
                stride,
                padding,
                output: [shape[2], shape[3]],
            };
            self.check(case, &["input", "weight", "bias"], |tape, vars| {
                tape.push(op.clone(), vars)
            });
        }
    }

    fn others(&mut self) {
        let slope = self.number("leaky_relu", "slope") as f32;
        self.check("leaky_relu", &["input"], |tape, vars| {
            tape.push(LeakyRelu { slope }, vars)
        });
        self.check("sigmoid", &["input"], |tape, vars| tape.push(Sigmoid, vars));
        self.check("mean_last_axis", &["input"], |tape, vars| {
            tape.push(MeanTime, vars)
        });
        self.check("linear", &["input", "weight", "bias"], |tape, vars| {
            tape.push(Linear, vars)
        });
        self.check("l1_loss", &["input", "target"], |tape, vars| {
            tape.push(L1Loss, vars)
        });
        self.check("mse_loss", &["input", "target"], |tape, vars| {
            tape.push(MseLoss, vars)
        });
        for case in ["max_pool2d_k2_s2", "max_pool2d_k3_s2_p1"] {
            let pool = MaxPool2d {
                kernel: self.pair(case, "kernel"),
                stride: self.pair(case, "stride"),
                padding: self.pair(case, "padding"),
            };
            self.check(case, &["input"], |tape, vars| tape.push(pool.clone(), vars));
        }
    }
}

#[test]
fn operations_compute_what_pytorch_computes() {
    let mut golden = Golden::new();
    golden.convolutions();
    golden.others();
    batch_norm(&mut golden, Mode::Train);
    batch_norm(&mut golden, Mode::Evaluate);
    adam(&mut golden);
    clip(&mut golden, "clip_grad_norm_above");
    clip(&mut golden, "clip_grad_norm_below");
    println!(
        "{} comparisons of {} cases; worst in f64, f32, on the GPU: {:?}",
        golden.checks,
        golden.used.len(),
        golden.worst
    );
    assert!(golden.failures.is_empty(), "{}", golden.failures.join("\n"));
    let cases: BTreeSet<String> = golden
        .fixture
        .metadata("cases")
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(golden.used, cases, "a golden case that nothing compares with");
}

/// A sum of products, one per pair: its gradient in each left tensor is the right one.
fn dot(tape: &mut Tape, pairs: &[(Var, Var)]) -> Var {
    let sums: Vec<Var> = pairs
        .iter()
        .map(|&(a, b)| {
            let product = tape.push(Multiply, &[a, b]).unwrap();
            tape.push(Sum, &[product]).unwrap()
        })
        .collect();
    sums.into_iter()
        .reduce(|a, b| tape.push(Add, &[a, b]).unwrap())
        .unwrap()
}

fn batch_norm(golden: &mut Golden, mode: Mode) {
    let case = if mode == Mode::Train {
        "batch_norm_train"
    } else {
        "batch_norm_eval"
    };
    golden.used.insert(case.to_string());
    let name = |tensor: &str| format!("{case}.{tensor}");
    let shape = golden.fixture.shape(&name("input"));
    let mut parameters = Parameters::default();
    let layer = BatchNorm2d::new(&mut Build::new(&mut parameters, 0).at(case), shape[1]).unwrap();
    let mut tape = Tape::new();
    let input = tape.input("input", shape);
    let output = layer
        .record(&mut Record::new(&mut tape, &parameters, mode), input)
        .unwrap();
    let upstream = tape
        .constant(shape, &golden.fixture.values(&name("grad_output")))
        .unwrap();
    let loss = dot(&mut tape, &[(output, upstream)]);
    let gradient = tape.gradients(loss, &[input]).unwrap()[0].expect("the input has a gradient");
    tape.backward(loss).unwrap();
    let values = [golden.fixture.values(&name("input"))];
    for target in Target::ALL {
        let mut engine = Engine::new(target, &parameters).unwrap();
        engine
            .load(&parameters, |name| golden.fixture.values(name))
            .unwrap();
        let mut program = engine.compile(&tape, &[output, gradient]).unwrap();
        engine.run(&mut program, &values, &StepValues::default()).unwrap();
        golden.compare(
            target,
            &name("output"),
            &engine.read(&mut program, output).unwrap(),
        );
        golden.compare(
            target,
            &name("grad_input"),
            &engine.read(&mut program, gradient).unwrap(),
        );
        for tensor in ["weight", "bias"] {
            let got = engine
                .tensor(Flat::Gradients, &parameters, &name(tensor))
                .unwrap();
            golden.compare(target, &name(&format!("grad_{tensor}")), &got);
        }
        for tensor in ["running_mean", "running_var"] {
            let got = engine
                .tensor(Flat::Statistics, &parameters, &name(tensor))
                .unwrap();
            // evaluation leaves them as they were
            let after = if mode == Mode::Train {
                format!("{tensor}_after")
            } else {
                tensor.to_string()
            };
            golden.compare(target, &name(&after), &got);
        }
    }
}

fn adam(golden: &mut Golden) {
    golden.used.insert("adam".to_string());
    let initial = golden.fixture.values("adam.initial");
    let (size, steps) = (initial.len(), golden.number("adam", "steps") as usize);
    let betas = &golden.fixture.metadata("cases")["adam"]["betas"];
    let [beta1, beta2] = [0, 1].map(|i| betas[i].as_f64().unwrap());
    let epsilon = golden.number("adam", "eps") as f32;
    let rate = golden.number("adam", "lr") as f32;
    let optimizer = Adam {
        beta1,
        beta2,
        epsilon,
        max_norm: None,
    };

    let mut parameters = Parameters::default();
    let id = parameters
        .add("p", Shape::from([size]), Role::Trainable, initial.clone())
        .unwrap();
    let mut tape = Tape::new();
    let (p, gradient) = (
        tape.parameter(&parameters, id).unwrap(),
        tape.input("gradient", [size]),
    );
    let loss = dot(&mut tape, &[(p, gradient)]);
    tape.backward(loss).unwrap();
    optimizer.record(&mut tape, &parameters).unwrap();
    let (gradients, params) = (
        golden.fixture.values("adam.grads"),
        golden.fixture.truth("adam.params"),
    );
    for target in Target::ALL {
        let mut engine = Engine::new(target, &parameters).unwrap();
        let mut program = engine.compile(&tape, &[]).unwrap();
        let mut all = Vec::new();
        for step in 0..steps {
            let values = StepValues::new(0, step as u32, rate, optimizer.betas());
            engine
                .run(
                    &mut program,
                    &[gradients[step * size..][..size].to_vec()],
                    &values,
                )
                .unwrap();
            let now = engine.tensor(Flat::Parameters, &parameters, "p").unwrap();
            assert_eq!(
                now[size - 1],
                f64::from(initial[size - 1]),
                "moved without a gradient"
            );
            all.extend(now);
        }
        assert_eq!(all.len(), params.len());
        golden.compare(target, "adam.params", &all);
        for (flat, name) in [(Flat::FirstMoment, "exp_avg"), (Flat::SecondMoment, "exp_avg_sq")] {
            let got = engine.tensor(flat, &parameters, "p").unwrap();
            golden.compare(target, &format!("adam.{name}"), &got);
        }
    }
}

/// Clipping is a part of Adam. With β₁ = 0 the first moment is the clipped gradient.
fn clip(golden: &mut Golden, case: &str) {
    golden.used.insert(case.to_string());
    let max_norm = Some(golden.number(case, "max_norm") as f32);
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let (mut pairs, mut values) = (Vec::new(), Vec::new());
    for tensor in ["a", "b"] {
        let name = format!("{case}.grad_{tensor}");
        let shape = golden.fixture.shape(&name);
        let id = parameters
            .add(tensor, shape, Role::Trainable, vec![0.0; shape.len()])
            .unwrap();
        pairs.push((tape.parameter(&parameters, id).unwrap(), tape.input(&name, shape)));
        values.push(golden.fixture.values(&name));
    }
    let loss = dot(&mut tape, &pairs);
    tape.backward(loss).unwrap();
    let gradients = tape.flat(&parameters, Flat::Gradients);
    let squared = tape.push(SquaredNorm, &[gradients]).unwrap();
    let optimizer = Adam {
        beta1: 0.0,
        max_norm,
        ..Adam::default()
    };
    optimizer.record(&mut tape, &parameters).unwrap();
    for target in Target::ALL {
        let mut engine = Engine::new(target, &parameters).unwrap();
        let mut program = engine.compile(&tape, &[squared]).unwrap();
        engine
            .run(
                &mut program,
                &values,
                &StepValues::new(0, 0, 0.1, optimizer.betas()),
            )
            .unwrap();
        let norm = engine.read(&mut program, squared).unwrap()[0].sqrt();
        golden.compare(target, &format!("{case}.norm"), &[norm]);
        for tensor in ["a", "b"] {
            let got = engine.tensor(Flat::FirstMoment, &parameters, tensor).unwrap();
            golden.compare(target, &format!("{case}.clipped_{tensor}"), &got);
        }
    }
}
