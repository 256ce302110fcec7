//! The separator U-Net against what PyTorch computes in f64: forward, gradients, running statistics, ten
//! steps of Adam, evaluation. See `tests/golden/README.md`.

mod engine;

use std::collections::BTreeMap;

use engine::{Compiled, Engine, Target, absolute, fixture::Fixture, largest, relative};
use stemwise::{
    kernel::StepValues,
    models::{Separated, Separator, SeparatorConfig},
    nn::{Build, Mode, Record},
    ops::L1Loss,
    optim::Adam,
    tape::{Flat, Parameters, Role, Tape, Var},
};

const LEARNING_RATE: f32 = 1e-3;
const STEPS: u32 = 10;

/// The largest `‖got − want‖ / ‖want‖` of a tensor. The fixtures are f64 rounded to f32, 3e-8 off. In f32,
/// PyTorch itself is up to 1e-5 off (gradients that went through all norms), in another order of summation
/// than ours; 1e-4 is ten times that.
fn tolerance(target: Target) -> f64 {
    match target {
        Target::Reference => 1e-6,
        _ => 1e-4,
    }
}

/// What ten steps may move a bias before a norm in f32. The norm cancels such a bias, so its true gradient
/// is 0 and a computed one is rounding noise; but Adam divides noise by its own size, and moves up to the
/// learning rate a step. The running mean follows the bias. In f64 the noise is far below Adam's ε.
fn drift(target: Target) -> f64 {
    match target {
        Target::Reference => 1e-6,
        _ => f64::from(STEPS) * f64::from(LEARNING_RATE),
    }
}

/// Whether a batch norm cancels this bias.
fn is_cancelled(name: &str) -> bool {
    name.ends_with("conv.bias") && name != "decoder.5.deconv.bias"
}

struct Net {
    parameters: Parameters,
    train: Tape,
    trained: Separated,
    loss: Var,
    evaluate: Tape,
    evaluated: Separated,
    inputs: [Vec<f32>; 2],
}

impl Net {
    fn new(fixture: &Fixture) -> Self {
        let channels = &fixture.metadata("config")["encoder_channels"];
        let channels = std::array::from_fn(|i| channels[i].as_u64().unwrap() as usize);
        let mut parameters = Parameters::default();
        let config = SeparatorConfig {
            channels,
            dropout: 0.0,
        };
        let separator = Separator::new(&config, &mut Build::new(&mut parameters, 0)).unwrap();
        let shape = fixture.shape("input.mix");

        let mut train = Tape::new();
        let (mix, target) = (train.input("mix", shape), train.input("target", shape));
        let trained = separator
            .record(&mut Record::new(&mut train, &parameters, Mode::Train), mix)
            .unwrap();
        let loss = train.push(L1Loss, &[trained.estimate, target]).unwrap();
        train.backward(loss).unwrap();
        Adam::default().record(&mut train, &parameters).unwrap();

        let mut evaluate = Tape::new();
        let mix = evaluate.input("mix", shape);
        let evaluated = separator
            .record(&mut Record::new(&mut evaluate, &parameters, Mode::Evaluate), mix)
            .unwrap();
        let inputs = ["input.mix", "input.target"].map(|name| fixture.values(name));
        Net {
            parameters,
            train,
            trained,
            loss,
            evaluate,
            evaluated,
            inputs,
        }
    }

    fn step(&self, engine: &mut Engine, program: &mut Compiled, step: u32) -> f64 {
        let values = StepValues::new(0, step, LEARNING_RATE, Adam::default().betas());
        engine.run(program, &self.inputs, &values).unwrap();
        engine.read(program, self.loss).unwrap()[0]
    }

    fn estimate(&self, engine: &mut Engine, evaluation: &mut Compiled) -> Vec<f64> {
        engine
            .run(evaluation, &self.inputs[..1], &StepValues::default())
            .unwrap();
        engine.read(evaluation, self.evaluated.estimate).unwrap()
    }
}

/// The worst error of each group of tensors, and what was too large.
#[derive(Default)]
struct Report {
    groups: BTreeMap<&'static str, (usize, f64)>,
    failures: Vec<String>,
}

impl Report {
    fn note(&mut self, group: &'static str, name: &str, error: f64, allowed: f64) {
        let row = self.groups.entry(group).or_default();
        *row = (row.0 + 1, row.1.max(error));
        if error.is_nan() || error > allowed {
            self.failures
                .push(format!("{name}: off by {error:.1e}, allowed {allowed:.1e}"));
        }
    }
}

fn follow(name: &str, target: Target) {
    let fixture = Fixture::read(name);
    let net = Net::new(&fixture);
    let allowed = tolerance(target);
    let mut report = Report::default();
    let mut engine = Engine::new(target, &net.parameters).unwrap();
    engine
        .load(&net.parameters, |name| fixture.values(&format!("param.{name}")))
        .unwrap();
    let expected = fixture.names().filter(|name| name.starts_with("param.")).count();
    assert_eq!(net.parameters.iter().count(), expected, "tensors of the network");

    let outputs = [net.trained.mask, net.trained.estimate, net.loss];
    let mut training = engine.compile(&net.train, &outputs).unwrap();
    let mut evaluation = engine.compile(&net.evaluate, &[net.evaluated.estimate]).unwrap();

    let mut losses = vec![net.step(&mut engine, &mut training, 0)];
    for (var, name) in outputs
        .into_iter()
        .zip(["output.mask", "output.estimate", "loss"])
    {
        let got = engine.read(&mut training, var).unwrap();
        report.note("output", name, relative(&got, &fixture.truth(name)), allowed);
    }
    for parameter in net.parameters.iter() {
        let name = &parameter.name;
        if parameter.role == Role::Statistic {
            let got = engine.tensor(Flat::Statistics, &net.parameters, name).unwrap();
            let error = relative(&got, &fixture.truth(&format!("after1.{name}")));
            report.note("running statistics after one step", name, error, allowed);
            continue;
        }
        let got = engine.tensor(Flat::Gradients, &net.parameters, name).unwrap();
        let want = fixture.truth(&format!("grad.{name}"));
        if is_cancelled(name) {
            // sums of the same terms as the weight's gradient, which cancel: its scale is theirs
            let scale = largest(&fixture.truth(&format!("grad.{}", name.replace("bias", "weight"))));
            report.note(
                "gradients of cancelled biases",
                name,
                absolute(&got, &want) / scale,
                allowed,
            );
        } else {
            report.note("gradients", name, relative(&got, &want), allowed);
        }
    }

    losses.extend((1..STEPS).map(|step| net.step(&mut engine, &mut training, step)));
    report.note(
        "ten losses",
        "losses",
        relative(&losses, &fixture.truth("adam10.losses")),
        allowed,
    );
    for parameter in net.parameters.iter() {
        let name = &parameter.name;
        let got = engine.tensor(parameter.flat(), &net.parameters, name).unwrap();
        let want = fixture.truth(&format!("adam10.{name}"));
        if is_cancelled(name) || name.ends_with("running_mean") {
            report.note(
                "cancelled biases and means after ten",
                name,
                absolute(&got, &want),
                drift(target),
            );
        } else {
            report.note(
                "parameters and variances after ten",
                name,
                relative(&got, &want),
                allowed,
            );
        }
    }

    // the drift of biases reaches the estimate, through running means that follow it too slowly
    let want = fixture.truth("eval.estimate");
    let error = relative(&net.estimate(&mut engine, &mut evaluation), &want);
    report.note("evaluation after own ten steps", "eval", error, drift(target));
    engine
        .load(&net.parameters, |name| fixture.values(&format!("adam10.{name}")))
        .unwrap();
    let error = relative(&net.estimate(&mut engine, &mut evaluation), &want);
    report.note("evaluation of PyTorch's ten steps", "eval", error, allowed);

    println!("{name} on {target}");
    for (group, (tensors, worst)) in &report.groups {
        println!("  {group:<40} {tensors:>3} tensors, worst {worst:8.1e}");
    }
    assert!(
        report.failures.is_empty(),
        "{name} on {target}:\n{}",
        report.failures.join("\n")
    );
}

#[test]
fn in_f64() {
    follow("unet_65x37", Target::Reference);
    follow("unet_33x21", Target::Reference);
}

#[test]
fn in_f32_on_the_cpu() {
    follow("unet_65x37", Target::Cpu);
    follow("unet_33x21", Target::Cpu);
}

#[test]
fn on_the_gpu() {
    follow("unet_65x37", Target::Gpu);
    follow("unet_33x21", Target::Gpu);
}
