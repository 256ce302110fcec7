//! Every operation on every case: GPU and f32 CPU against the f64 reference, gradients against central
//! differences, and convolutions against loops that share nothing with the crate.

mod engine;

use std::{collections::BTreeMap, env};

use engine::{
    Engine, Target, guarded,
    harness::{self, Loss, Recorded},
    largest, naive, nmse, noise, widen,
};
use stemwise::{
    Error, Result,
    kernel::{self, Traits},
    ops::{self, Conv2d, Conv2dWeightGradient, ConvTranspose2d, Copy, NotFinite},
    shape::Shape,
    tape::{Case, Parameters, Plan, Tape},
};

/// Elements of each input whose derivative is checked.
const SAMPLES: usize = 24;

/// The largest error of a derivative, relative to the largest derivative by the same input.
const DERIVATIVE_TOLERANCE: f64 = 1e-6;

/// Steps of the central differences: the wide ones round less, the narrow ones cross no kink that lies
/// close (a maximum over near neighbours, a rectifier behind a norm).
const WIDTHS: [f64; 3] = [1e-3, 1e-4, 1e-5];

/// Cases, checks and the worst error of one operation, by its name.
#[derive(Default)]
struct Table(BTreeMap<&'static str, (usize, usize, f64)>);

impl Table {
    fn note(&mut self, case: &Case, errors: impl IntoIterator<Item = f64>) {
        let row = self.0.entry(case.name()).or_default();
        row.0 += 1;
        for error in errors {
            row.1 += 1;
            row.2 = row.2.max(error);
        }
    }

    /// Cases and checks.
    fn totals(&self) -> (usize, usize) {
        self.0
            .values()
            .fold((0, 0), |(cases, checks), row| (cases + row.0, checks + row.1))
    }

    fn print(&self, title: &str) {
        println!("{title}");
        for (op, (cases, checks, worst)) in &self.0 {
            println!("  {op:<26} {cases:>3} cases {checks:>4} checks  worst {worst:8.1e}");
        }
    }
}

/// Names operations, separated by commas, whose kernels alone are run: for a driver that takes long to compile them all.
const ONLY: &str = "STEMWISE_TEST_OPS";

/// The cases whose kernels are run.
fn cases() -> Vec<Case> {
    let only = env::var(ONLY).ok();
    let wanted = |case: &Case| match &only {
        Some(names) => names.split(',').any(|name| name == case.name()),
        None => true,
    };
    ops::cases().into_iter().filter(wanted).collect()
}

/// Compares a target with the reference, forward and backward; returns cases and gradient checks.
fn compare(target: Target) -> (usize, usize) {
    let (mut forward, mut backward) = (Table::default(), Table::default());
    let mut failures = Vec::new();
    for case in self::cases() {
        let mut judge = |table: &mut Table,
                         compute: fn(&Case, Target) -> Result<Vec<Vec<f64>>>,
                         what: &str| {
            let both = compute(&case, target).and_then(|got| Ok((got, compute(&case, Target::Reference)?)));
            let (got, want) = match both {
                Ok(both) => both,
                Err(error) => return failures.push(format!("{what} of {}: {error}", case.label())),
            };
            let errors: Vec<f64> = got.iter().zip(&want).map(|(got, want)| nmse(got, want)).collect();
            if errors.iter().any(|&error| error > case.class.nmse()) {
                let errors: Vec<String> = errors.iter().map(|error| format!("{error:.1e}")).collect();
                failures.push(format!("{what} of {}: NMSE {}", case.label(), errors.join(", ")));
            }
            table.note(&case, errors);
        };
        judge(&mut forward, harness::results, "output");
        if !case.differentiable.is_empty() {
            judge(&mut backward, harness::gradients, "gradient");
        }
    }
    forward.print(&format!("{target} against cpu f64, NMSE of the output"));
    backward.print(&format!("{target} against cpu f64, NMSE of the gradients"));
    let (cases, checks) = (forward.totals().0, backward.totals().1);
    println!("{target}: {cases} cases, {checks} gradient checks");
    assert!(
        failures.is_empty(),
        "{target}: {} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    (cases, checks)
}

#[test]
fn gpu_follows_the_reference() {
    let (cases, checks) = compare(Target::Gpu);
    assert_eq!(cases, self::cases().len());
    assert!(checks > 0);
}

/// A device runs only the kernels for its own kind. Here those for both kinds run on the test adapter, and all
/// variants that it has, and in buffers that show every read and write out of bounds.
#[test]
fn kernels_of_both_kinds_of_device_and_all_variants_stay_in_bounds() {
    let gpu = engine::gpu();
    let kind = |software| Traits {
        software,
        ..gpu.traits()
    };
    let mut failures = Vec::new();
    let mut tables: BTreeMap<&str, Table> = BTreeMap::new();
    for case in self::cases().iter().filter(|case| guarded::has_kernels(case)) {
        let label = case.label();
        let want = harness::results(case, Target::Reference).unwrap();
        let pinned = |name| {
            let pinned = Some(name);
            (
                name,
                Traits {
                    pinned,
                    ..kind(false)
                },
            )
        };
        let kinds = [("software", kind(true)), ("hardware", kind(false))];
        let variants = case.variants(gpu.traits()).into_iter().map(pinned);
        for (what, traits) in kinds.into_iter().chain(variants) {
            let (got, touched) = match guarded::run(&gpu, case, traits) {
                Ok(done) => done,
                Err(error) => {
                    failures.push(format!("{label} for {what}: {error}"));
                    continue;
                }
            };
            let error = nmse(&got, &want[0][..got.len()]);
            let rounded = if what == "matrices-f16" { HALF_NMSE } else { 0.0 };
            if error > case.class.nmse() + rounded || !touched.is_empty() {
                failures.push(format!(
                    "{label} for {what}: NMSE {error:.1e}, touched {touched:?}"
                ));
            }
            tables.entry(what).or_default().note(case, [error]);
        }
    }
    for (what, table) in &tables {
        table.print(&format!(
            "kernels for {what} in guarded buffers, NMSE of the output"
        ));
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    // both kinds, and more variants than one
    assert!(
        tables.len() > 3 || env::var_os(ONLY).is_some(),
        "{:?}",
        tables.keys()
    );
}

/// Rounding to a 16-bit float, which has 11 bits, is off by 2⁻¹² on the mean at most: squared 6e-8 of the NMSE, of both
/// operands of a product twice that; sums in which much cancels show more of it.
const HALF_NMSE: f64 = 1e-6;

/// Where kernel and reference round, they agree but where the 32 bits before fall on the two sides of a middle: rarely.
/// One that did not round, or rounded otherwise, would be off by more than this.
const TIES_NMSE: f64 = 1e-8;

/// Every kernel that reads or writes tensors in 16 bits, as the rewriting of its shader makes it.
#[test]
fn kernels_in_16_bits_follow_the_reference_that_rounds() {
    let mut tables: BTreeMap<&str, (Table, Table)> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut rounded = 0;
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    for case in self::cases() {
        let label = case.label();
        let (recorded, loss) = harness::in_halves(&case).unwrap_or_else(|e| panic!("{label}: {e}"));
        let Recorded {
            parameters,
            mut tape,
            leaves,
            inputs,
            output,
        } = recorded;
        // what is changed in place is in 32 bits, as is what 16 cannot hold
        let too_large = inputs.iter().flatten().any(|value| value.abs() > 65_504.0);
        if !case.mutates().is_empty() || too_large {
            continue;
        }
        let wanted: Vec<_> = case.differentiable.iter().map(|&i| leaves[i]).collect();
        let gradients = tape
            .gradients(loss, &wanted)
            .unwrap_or_else(|e| panic!("{label}: {e}"));
        let outputs: Vec<_> = [output]
            .into_iter()
            .chain(gradients.into_iter().flatten())
            .collect();
        let plan = Plan::for_gpu(&tape, &parameters, &outputs, engine::gpu().traits()).unwrap();
        rounded += plan.narrowed();
        let on = |target, variant| {
            let done = Engine::new(target, &parameters).and_then(|mut engine| {
                engine.pin(variant);
                let mut program = engine.compile(&tape, &outputs)?;
                engine.run(&mut program, &inputs, &harness::step())?;
                outputs
                    .iter()
                    .map(|&var| engine.read(&mut program, var))
                    .collect()
            });
            done.unwrap_or_else(|e: Error| panic!("{label} on {target}, {variant:?}: {e}"))
        };
        let want: Vec<Vec<f64>> = on(Target::Reference, None);
        // pipelines take long to compile: the variants are those of an operation's first cases
        let seen = cases.entry(case.name()).or_insert(0);
        *seen += 1;
        let variants = plan.variants().into_iter().filter(|_| *seen <= 3).map(Some);
        for variant in [None].into_iter().chain(variants) {
            let got = on(Target::Gpu, variant);
            let errors: Vec<f64> = got.iter().zip(&want).map(|(got, want)| nmse(got, want)).collect();
            // the reference's transforms have tables of their own, which nothing rounds
            let own_tables = case.name().contains("stft");
            let rounded = match variant {
                Some("matrices-f16") => HALF_NMSE,
                _ if own_tables => HALF_NMSE,
                _ => TIES_NMSE,
            };
            if errors.iter().any(|&error| error > rounded + case.class.nmse()) {
                failures.push(format!("{label}, {variant:?}: NMSE {errors:?}"));
            }
            let (forward, backward) = tables.entry(variant.unwrap_or("default")).or_default();
            forward.note(&case, errors[..1].iter().copied());
            backward.note(&case, errors[1..].iter().copied());
        }
    }
    for (variant, (forward, backward)) in &tables {
        let title =
            |what| format!("gpu in 16 bits, {variant}, against cpu f64 that rounds, NMSE of the {what}");
        forward.print(&title("output"));
        backward.print(&title("gradients"));
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(rounded > self::cases().len() || env::var_os(ONLY).is_some());
}

/// The scaled loss relies on it: what 16 bits cannot hold is infinite. (A driver that rounds toward zero would give
/// 65,504 and clip gradients instead; none was seen.)
#[test]
fn what_is_too_large_for_16_bits_is_infinite() {
    for target in Target::ALL {
        let mut tape = Tape::new();
        tape.narrow(true);
        let x = tape.input("x", [5]);
        let rounded = tape.push(harness::Round, &[x]).unwrap();
        let outputs = [
            tape.push(Copy, &[rounded]).unwrap(),
            tape.push(NotFinite, &[rounded]).unwrap(),
        ];
        let inputs = [vec![65_504.0, 65_519.0, 65_520.0, -1e5, 1e30]];
        let none = Parameters::default();
        let got = engine::evaluate(target, &none, &tape, &outputs, &inputs, &harness::step()).unwrap();
        let infinite = f64::INFINITY;
        assert_eq!(
            got[0],
            [65_504.0, 65_504.0, infinite, -infinite, infinite],
            "{target}"
        );
        assert_eq!(got[1], [3.0], "{target}");
    }
}

#[test]
fn f32_on_the_cpu_follows_the_reference() {
    compare(Target::Cpu);
}

#[test]
fn gradients_are_the_central_differences() {
    let mut table = Table::default();
    let mut failures = Vec::new();
    for case in ops::cases().iter().filter(|case| !case.differentiable.is_empty()) {
        let label = case.label();
        let gradients =
            harness::gradients(case, Target::Reference).unwrap_or_else(|e| panic!("{label}: {e}"));
        let mut loss = Loss::of(case).unwrap_or_else(|e| panic!("{label}: {e}"));
        let mut errors = Vec::new();
        for (&input, gradient) in case.differentiable.iter().zip(&gradients) {
            let scale = largest(gradient).max(f64::MIN_POSITIVE);
            for index in samples(gradient.len()) {
                let error = WIDTHS
                    .iter()
                    .map(|&h| (loss.derivative(input, index, h).unwrap() - gradient[index]).abs() / scale)
                    .fold(f64::INFINITY, f64::min);
                if error > DERIVATIVE_TOLERANCE {
                    failures.push(format!("{label}, input {input}[{index}]: off by {error:.1e}"));
                }
                errors.push(error);
            }
        }
        table.note(case, errors);
    }
    table.print("gradient against central differences, relative to the largest");
    let (cases, checks) = table.totals();
    println!("{cases} cases, {checks} derivatives");
    assert!(
        failures.is_empty(),
        "{} of {checks}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// All elements if they are few, else the first, the last and some between.
fn samples(len: usize) -> Vec<usize> {
    if len <= SAMPLES {
        return (0..len).collect();
    }
    let between = |i: usize| (kernel::uniform([len as u32, 5], 0, 0, i as u32) * len as f32) as usize;
    let mut chosen = vec![0, len - 1];
    chosen.extend((2..SAMPLES).map(|i| between(i).min(len - 1)));
    chosen
}

#[test]
fn every_operation_has_cases_of_odd_sizes() {
    let mut odd: BTreeMap<&str, usize> = ops::names().into_iter().map(|name| (name, 0)).collect();
    for case in ops::cases() {
        // a size that no tile or workgroup divides; the history and the scaler have one size only
        let recorded = harness::alone(&case).unwrap();
        let shapes = recorded
            .leaves
            .iter()
            .chain([&recorded.output])
            .map(|&var| recorded.tape.shape(var).unwrap());
        let is_odd = shapes
            .flat_map(|s| s.dims().to_vec())
            .any(|d| d > 1 && d % 2 == 1);
        if let Some(count) = odd.get_mut(case.name()) {
            *count += usize::from(is_odd || ["record", "update_loss_scale"].contains(&case.name()));
        }
    }
    println!("{} operations, {} cases", odd.len(), ops::cases().len());
    let few: Vec<_> = odd.iter().filter(|(_, count)| **count < 2).collect();
    assert!(few.is_empty(), "fewer than two cases of odd sizes: {few:?}");
}

/// Big image, channels of the small image, kernel, stride, padding.
type Layer = (naive::Dims, usize, naive::Pair, naive::Pair, naive::Pair);

const LAYERS: [Layer; 6] = [
    ([2, 3, 9, 7], 5, [5, 5], [2, 2], [2, 2]),
    ([1, 1, 33, 10], 16, [5, 5], [2, 2], [2, 2]),
    ([3, 18, 4, 3], 35, [5, 5], [2, 2], [2, 2]),
    ([2, 4, 7, 11], 3, [3, 4], [1, 2], [1, 0]),
    ([2, 2, 13, 9], 1, [4, 2], [3, 1], [0, 1]),
    ([3, 7, 5, 3], 9, [1, 1], [1, 1], [0, 0]),
];

#[test]
fn convolutions_follow_their_definitions() {
    let (mut checks, mut worst) = (0, [0.0f64; 3]);
    for (big, channels, kernel, stride, padding) in LAYERS {
        let geometry = naive::Geometry {
            kernel,
            stride,
            padding,
        };
        let out = |axis: usize| (big[axis + 2] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1;
        let small = [big[0], channels, out(0), out(1)];
        let weight = [channels, big[1], kernel[0], kernel[1]];
        let shapes = [
            big.into(),
            small.into(),
            weight.into(),
            [channels].into(),
            [big[1]].into(),
        ];
        let values: Vec<Vec<f32>> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape): (usize, &Shape)| noise(i as u32, shape.len()))
            .collect();
        let [x, y, w, b, b_big] = [0, 1, 2, 3, 4].map(|i| widen(&values[i]));
        let want = [
            naive::conv2d(&x, big, &w, &b, small, geometry),
            naive::conv_transpose2d(&y, small, &w, &b_big, big, geometry),
            naive::conv2d_weight_gradient(&x, big, &y, small, geometry),
        ];

        let mut tape = Tape::new();
        let [x, y, w, b, b_big] = [0, 1, 2, 3, 4].map(|i| tape.input("tensor", shapes[i]));
        let outputs = [
            tape.push(Conv2d { stride, padding }, &[x, w, b]).unwrap(),
            tape.push(
                ConvTranspose2d {
                    stride,
                    padding,
                    output: [big[2], big[3]],
                },
                &[y, w, b_big],
            )
            .unwrap(),
            tape.push(
                Conv2dWeightGradient {
                    stride,
                    padding,
                    kernel,
                },
                &[x, y],
            )
            .unwrap(),
        ];
        for (i, (target, tolerance)) in [
            (Target::Reference, 1e-24),
            (Target::Cpu, 1e-12),
            (Target::Gpu, 1e-12),
        ]
        .into_iter()
        .enumerate()
        {
            let got = engine::evaluate(
                target,
                &Parameters::default(),
                &tape,
                &outputs,
                &values,
                &harness::step(),
            );
            for (k, (got, want)) in got.unwrap().iter().zip(&want).enumerate() {
                let error = nmse(got, want);
                assert!(
                    error <= tolerance,
                    "{target}, output {k} of {big:?} to {small:?}: {error:.1e}"
                );
                worst[i] = worst[i].max(error);
                checks += 1;
            }
        }
    }
    println!("{checks} convolutions against seven loops; worst NMSE in f64, f32, on the GPU: {worst:?}");
}
