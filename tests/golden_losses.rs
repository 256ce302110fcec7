//! The papers' losses, and supervised contrast, against what PyTorch computes in f64; see `tests/golden/README.md`.

mod engine;

use std::collections::BTreeSet;

use engine::{Target, fixture::Fixture, largest, relative};
use stemwise::{
    Error, Result,
    gpu::Device,
    kernel::StepValues,
    ops::{
        Add, BceWithLogitsLoss, ChannelMask, ContrastLoss, Conv2d, L1Loss, L2Normalise, LeakyRelu, Linear,
        MaxPool2d, MeanTime, MseLoss, Multiply, Reshape, Scale, Sum, TripletLoss, concat_batch, norm_loss,
        normalise_subspaces, slice_batch,
    },
    shape::Shape,
    tape::{Parameters, Session, Tape, Var},
};

/// The largest `‖got − want‖ / ‖want‖` of a tensor. The fixtures are f64 rounded to f32, which is 3e-8 off;
/// so f64 must be that close. In f32 PyTorch itself is up to 4e-7 off; 1e-5 leaves room for another order of
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
    fn margin(&self, case: &str) -> f32 {
        self.fixture.metadata("cases")[case]["margin"].as_f64().unwrap() as f32
    }

    fn temperature(&self, case: &str) -> f32 {
        self.fixture.metadata("cases")[case]["temperature"]
            .as_f64()
            .unwrap() as f32
    }

    fn compare(&mut self, target: Target, name: &str, got: &[f64]) {
        let want = self.fixture.truth(name);
        // what PyTorch says is exactly 0 has no scale, and must be 0
        let error = match largest(&want) > 0.0 {
            true => relative(got, &want),
            false => largest(got),
        };
        self.checks += 1;
        let worst = &mut self.worst[target as usize];
        *worst = worst.max(error);
        let most = if largest(&want) > 0.0 {
            tolerance(target)
        } else {
            0.0
        };
        if error.is_nan() || error > most {
            self.failures
                .push(format!("{name} on {target}: off by {error:.1e}"));
        }
    }

    /// Output and gradients of one case by all of `inputs`; `given` have no gradient. The loss is
    /// `Σ output · grad_output`, whose gradient in the output is `grad_output`.
    fn check(
        &mut self,
        case: &str,
        inputs: &[&str],
        given: &[&str],
        record: impl Fn(&mut Tape, &[Var]) -> Result<Var>,
    ) {
        self.used.insert(case.to_string());
        let name = |tensor: &str| format!("{case}.{tensor}");
        let mut tape = Tape::new();
        let all: Vec<String> = inputs.iter().chain(given).map(|input| name(input)).collect();
        let vars: Vec<Var> = all
            .iter()
            .map(|input| tape.input(input, self.fixture.shape(input)))
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
        let gradients = tape.gradients(loss, &vars[..inputs.len()]).unwrap();
        let gradients = gradients
            .iter()
            .map(|g| g.unwrap_or_else(|| panic!("{case}: no gradient")));
        let outputs: Vec<Var> = [output].into_iter().chain(gradients).collect();
        let values: Vec<Vec<f32>> = all.iter().map(|input| self.fixture.values(input)).collect();
        let gradients = inputs.iter().map(|i| name(&format!("grad_{i}")));
        let names: Vec<String> = [name("output")].into_iter().chain(gradients).collect();
        for target in Target::ALL {
            let step = StepValues::default();
            let got = engine::evaluate(target, &Parameters::default(), &tape, &outputs, &values, &step)
                .unwrap_or_else(|e| panic!("{case} on {target}: {e}"));
            for (name, got) in names.iter().zip(got) {
                self.compare(target, name, &got);
            }
        }
    }
}

#[test]
fn losses_are_what_pytorch_computes() {
    let mut golden = Golden {
        fixture: Fixture::read("losses"),
        used: BTreeSet::new(),
        failures: Vec::new(),
        checks: 0,
        worst: [0.0; 3],
    };
    for case in [
        "triplet",
        "triplet_one",
        "triplet_subspaces",
        "triplet_same",
        "triplet_inactive",
        "triplet_weighted",
        "triplet_left_out",
    ] {
        let margin = golden.margin(case);
        golden.check(case, &["embeddings"], &["mask", "weight"], |tape, vars| {
            tape.push(TripletLoss { margin }, vars)
        });
    }
    for case in ["norm_loss", "norm_loss_large", "norm_loss_silent"] {
        golden.check(case, &["f", "bias"], &["sounds"], |tape, vars| {
            norm_loss(tape, vars[0], vars[1], vars[2])
        });
    }
    golden.check("l2_normalise", &["x"], &[], |tape, vars| {
        tape.push(L2Normalise, vars)
    });
    golden.check("bce_with_logits", &["input"], &["target"], |tape, vars| {
        tape.push(BceWithLogitsLoss, vars)
    });
    for case in ["contrast", "contrast_warm", "contrast_some", "contrast_none"] {
        let temperature = golden.temperature(case);
        golden.check(case, &["vectors"], &["labels"], |tape, vars| {
            let count = tape.shape(vars[1]).unwrap()[1];
            let unit = normalise_subspaces(tape, vars[0], count)?;
            tape.push(ContrastLoss { temperature }, &[unit, vars[1]])
        });
    }
    let margin = golden.margin("stage");
    golden.check(
        "stage",
        &["x", "conv", "conv_bias", "linear", "linear_bias", "norm_bias"],
        &["mask", "weight", "sounds", "stems", "vectors"],
        |tape, vars| stage(tape, vars, margin),
    );
    println!(
        "{} comparisons of {} cases; worst in f64, f32, on the GPU: {:?}",
        golden.checks,
        golden.used.len(),
        golden.worst
    );
    assert!(golden.failures.is_empty(), "{}", golden.failures.join("\n"));
    let cases = golden.fixture.metadata("cases").as_object().unwrap();
    let cases: BTreeSet<String> = cases.keys().cloned().collect();
    assert_eq!(golden.used, cases, "a golden case that nothing compares with");
}

#[test]
fn losses_refuse_what_does_not_fit() {
    let mut tape = Tape::new();
    let embeddings = tape.input("embeddings", [6, 10]);
    let mask = tape.input("mask", [2, 10]);
    let weight = tape.input("weight", [2]);
    let biases = [2, 3].map(|count| tape.input("bias", [count]));
    let sounds = tape.input("sounds", [6, 3]);
    let labels = [[6, 5], [6, 3], [4, 5]].map(|shape| tape.input("labels", shape));
    let mut contrast = |temperature, labels| {
        tape.push(ContrastLoss { temperature }, &[embeddings, labels])
            .map(|_| ())
    };
    assert!(contrast(0.1, labels[0]).is_ok());
    let contrasts = [
        contrast(0.1, labels[1]),
        contrast(0.1, labels[2]),
        contrast(0.0, labels[0]),
    ];
    let [three, four, cold] = contrasts;
    let mut triplet = |margin, given: [Var; 3]| tape.push(TripletLoss { margin }, &given).map(|_| ());
    assert!(triplet(0.2, [embeddings, mask, weight]).is_ok());
    for (refused, says) in [
        (triplet(0.2, [mask, mask, weight]), "2×10"),
        (triplet(0.2, [embeddings, embeddings, weight]), "6×10"),
        (triplet(0.2, [embeddings, mask, biases[1]]), "[3]"),
        (triplet(f32::NAN, [embeddings, mask, weight]), "NaN"),
        // three sub-spaces of ten dimensions; two sub-spaces, three labels
        (
            norm_loss(&mut tape, embeddings, biases[1], sounds).map(|_| ()),
            "3 sub-spaces",
        ),
        (
            norm_loss(&mut tape, embeddings, biases[0], sounds).map(|_| ()),
            "6×2",
        ),
        (tape.push(L2Normalise, &[weight]).map(|_| ()), "[2]"),
        (three, "[6×3]"),
        (four, "[4×5]"),
        (cold, "temperature of 0"),
        (
            normalise_subspaces(&mut tape, embeddings, 3).map(|_| ()),
            "3 sub-spaces",
        ),
        (slice_batch(&mut tape, embeddings, 4, 3).map(|_| ()), "4..7"),
        (concat_batch(&mut tape, mask, sounds).map(|_| ()), "6×3"),
    ] {
        match refused {
            Err(Error::Shape { message, .. }) => assert!(message.contains(says), "{message}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

/// A small Direct-Reconst: the items of two triplets through one network, both conditionings, and a weighted
/// sum of every loss.
fn stage(tape: &mut Tape, vars: &[Var], margin: f32) -> Result<Var> {
    let &[
        x,
        conv,
        conv_bias,
        linear,
        linear_bias,
        norm_bias,
        mask,
        weight,
        sounds,
        stems,
        vectors,
    ] = vars
    else {
        panic!("eleven tensors");
    };
    let (stride, padding) = ([1; 2], [1; 2]);
    let features = tape.push(Conv2d { stride, padding }, &[x, conv, conv_bias])?;
    let features = tape.push(LeakyRelu::RELU, &[features])?;
    let pool = MaxPool2d {
        kernel: [2; 2],
        stride: [2; 2],
        padding: [0; 2],
    };
    let features = tape.push(pool, &[features])?;
    let mean = tape.push(MeanTime, &[features])?;
    let size = tape.shape(mean).unwrap();
    let shape = Shape::from([size[0], size[1] * size[2]]);
    let flat = tape.push(Reshape { shape }, &[mean])?;
    let f = tape.push(Linear, &[flat, linear, linear_bias])?;

    let triplet = tape.push(TripletLoss { margin }, &[f, mask, weight])?;
    let norm = norm_loss(tape, f, norm_bias, sounds)?;
    let kept = tape.push(ChannelMask { start: 2, count: 2 }, &[features])?;
    let reconstruction = tape.push(L1Loss, &[kept, stems])?;
    let anchors = slice_batch(tape, f, 0, 2)?;
    let sub = tape.push(ChannelMask { start: 3, count: 3 }, &[anchors])?;
    let vectors = tape.push(L2Normalise, &[vectors])?;
    let regression = tape.push(MseLoss, &[sub, vectors])?;
    let mut loss = triplet;
    for (factor, other) in [(0.1, norm), (0.5, reconstruction), (2.0, regression)] {
        let weighted = tape.push(Scale { factor }, &[other])?;
        loss = tape.push(Add, &[loss, weighted])?;
    }
    Ok(loss)
}

/// Equation 7 of Hashizume et al. by hand, of a triplet's three members. With the bias 0, `σ(log n) = n / (1 + n)`: a
/// sub-space of norm n costs `log(1 + 1/n)` where its instrument sounds, and `log(1 + n)` where it does not.
#[test]
fn the_norm_loss_of_a_triplet_by_hand() {
    // anchor, positive, negative: norms by sub-space, of two numbers each, and what sounds
    let norms = [
        [1.0, 5.0, 1.0, 3.0, 1.0],
        [0.5, 10.0, 2.0, 1.0, 1.0],
        [4.0, 1.0, 1.0, 0.25, 13.0],
    ];
    let sounds = [
        [1.0, 1.0, 0.0, 0.0, 1.0],
        [0.0, 1.0, 1.0, 1.0, 0.0],
        [1.0, 0.0, 0.0, 0.0, 1.0],
    ];
    // 3-4-5: of length n at 0.6 n and 0.8 n
    let embedding: Vec<f32> = norms
        .as_flattened()
        .iter()
        .flat_map(|n| [0.6 * n, -0.8 * n])
        .collect();
    let costs = norms.as_flattened().iter().zip(sounds.as_flattened());
    let costs = costs.map(|(&n, &sounds)| (1.0 + if sounds == 1.0 { 1.0 / n } else { n }).ln());
    let wanted = costs.sum::<f32>() / 15.0;
    // the first member alone: log 2 · 1.2 · 2 · 4 · 2
    assert!((2f32 * 1.2 * 2.0 * 4.0 * 2.0).ln() < 15.0 * wanted);

    let mut tape = Tape::new();
    let f = tape.input("f", [3, 10]);
    let bias = tape.input("bias", [5]);
    let sounding = tape.input("sounding", [3, 5]);
    let loss = norm_loss(&mut tape, f, bias, sounding).unwrap();
    let mut session = Session::new(&Device::Cpu, &Parameters::default()).unwrap();
    let mut program = session.compile(&tape, &[loss]).unwrap();
    let inputs = [&embedding[..], &[0.0; 5], sounds.as_flattened()];
    session
        .run(&mut program, &inputs, &StepValues::default())
        .unwrap();
    let found = session.read(&mut program, loss).unwrap()[0];
    assert!((found - wanted).abs() < 1e-6, "{found}, not {wanted}");
}
