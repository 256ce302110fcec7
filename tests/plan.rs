//! Plans and replays: shared memory, pruning, nothing made after the first step, and what is
//! refused before it runs.

mod engine;

use engine::{
    Target,
    graphs::{large, random_graph, tiny},
    open_gpu, relative,
};
use stemwise::{
    Error,
    gpu::Device,
    kernel::{StepValues, Traits},
    ops::{
        Add, ConcatChannels, Conv2d, L1Loss, MaxPool2d, PadChannels, Reshape, Scale, SliceChannels,
        SpreadTime, Sum, UpdateRunningStatistic, slice_batch,
    },
    optim::Adam,
    shape::Shape,
    tape::{Flat, Parameters, Plan, Role, Session, Tape, Var},
};

/// Where every tensor is an output, none shares memory. So every plan that shares must give the same bits.
#[test]
fn tensors_that_share_memory_do_not_disturb_each_other() {
    let parameters = Parameters::default();
    let (mut plans, mut most_shared) = (0, 0);
    for (target, seeds) in [(Target::Cpu, 0..8), (Target::Gpu, 0..2)] {
        for seed in seeds {
            let (tape, vars, inputs) = random_graph(seed);
            let run = |outputs: &[Var]| {
                engine::evaluate(
                    target,
                    &parameters,
                    &tape,
                    outputs,
                    &inputs,
                    &StepValues::default(),
                )
                .unwrap()
            };
            let all = run(&vars);
            assert!(all.iter().flatten().all(|v| v.is_finite()));
            for (var, value) in vars.iter().zip(&all) {
                assert!(
                    run(&[*var])[0] == *value,
                    "{target}, seed {seed}: {var:?} alone differs\n{tape:?}"
                );
                plans += 1;
            }
            let halves: Vec<Var> = vars.iter().copied().step_by(2).collect();
            for (value, half) in all.iter().step_by(2).zip(run(&halves)) {
                assert!(*value == half, "{target}, seed {seed}\n{tape:?}");
            }
            let buffers = |outputs: &[Var]| Plan::for_cpu(&tape, &parameters, outputs).unwrap().buffers();
            most_shared = most_shared.max(buffers(&vars) - buffers(&vars[vars.len() - 1..]));
        }
    }
    println!("{plans} plans; sharing saves up to {most_shared} buffers");
    assert!(most_shared > 10, "nothing was shared, so nothing was tested");
}

#[test]
fn what_no_output_needs_is_left_out() {
    let (tape, vars, _) = random_graph(3);
    let parameters = Parameters::default();
    let plan = |outputs: &[Var]| Plan::for_gpu(&tape, &parameters, outputs, Traits::default()).unwrap();
    let (all, first) = (plan(&vars), plan(&vars[2..3]));
    assert_eq!(plan(&[]).operations(), 0);
    assert!(first.operations() <= 3 && first.operations() < all.operations());
    assert!(first.bytes() < all.bytes() && first.dispatches() < all.dispatches());
}

#[test]
fn a_thousand_steps_make_nothing_new() {
    let gpu = open_gpu();
    let (parameters, tape, loss) = tiny();
    let mut session = Session::new(&Device::Gpu(gpu.clone()), &parameters).unwrap();
    let mut program = session.compile(&tape, &[loss]).unwrap();
    let mut step = |session: &mut Session, step: u32| {
        session
            .run(
                &mut program,
                &[&[0.1, 0.2, 0.3]],
                &StepValues::new(42, step, 1e-3, Adam::default().betas()),
            )
            .unwrap();
        if step.is_multiple_of(50) {
            let value = session.read(&mut program, loss).unwrap();
            let recorded = session.history(0, step, 64).unwrap();
            assert_eq!(recorded.len(), 64.min(step as usize + 1));
            assert_eq!(recorded.last(), value.first());
        }
    };
    step(&mut session, 0);
    let after_one = gpu.created();
    (1..1000).for_each(|i| step(&mut session, i));
    assert_eq!(gpu.created(), after_one);
    drop((program, session));
    assert_eq!(gpu.created().bytes, 0, "something is never given back");
}

#[test]
fn a_tensor_past_the_binding_limit_is_named_before_anything_is_allocated() {
    let parameters = Parameters::default();
    let (tape, sum) = large(6, 5_000_000);
    let plan = Plan::for_gpu(&tape, &parameters, &[sum], Traits::default()).unwrap();
    plan.check_limits("test", 1 << 30, 1 << 28).unwrap();
    // [6, 2, 5 000 000] past the binding limit, past the buffer limit; then the input itself
    for (buffer, binding, bytes, said) in [
        (
            1 << 30,
            128 << 20,
            240_000_000,
            ["concat_channels", "binding", "batch of 3"],
        ),
        (
            128 << 20,
            1 << 30,
            240_000_000,
            ["concat_channels", "buffer", "batch of 3"],
        ),
        (
            1 << 30,
            100 << 20,
            120_000_000,
            ["'spectrogram'", "binding", "test takes at most"],
        ),
    ] {
        let error = plan.check_limits("test", buffer, binding).unwrap_err();
        let message = error.to_string();
        assert!(said.iter().all(|what| message.contains(what)), "{message}");
        match error {
            Error::TensorTooLarge {
                bytes: needed, limit, ..
            } => {
                assert_eq!((needed, limit), (bytes, buffer.min(binding)));
            }
            other => panic!("{other:?}"),
        }
    }

    // the same through a session
    let gpu = open_gpu();
    let limit = gpu.limits().binding.min(gpu.limits().buffer);
    let len = (limit / 16 + 64) as usize;
    if 4 * len < u32::MAX as usize / 4 {
        let (tape, sum) = large(2, len);
        let mut session = Session::new(&Device::Gpu(gpu.clone()), &parameters).unwrap();
        let before = gpu.created();
        let refused = session.compile(&tape, &[sum]).map(|_| ());
        assert!(
            matches!(refused, Err(Error::TensorTooLarge { .. })),
            "{refused:?}"
        );
        assert_eq!(gpu.created(), before);
    }
}

#[test]
fn inputs_of_the_wrong_length_are_refused() {
    let (parameters, tape, loss) = tiny();
    for device in [Device::Cpu, Device::Gpu(engine::gpu())] {
        let mut session = Session::new(&device, &parameters).unwrap();
        let mut program = session.compile(&tape, &[loss]).unwrap();
        let mut refused = |inputs: &[&[f32]]| {
            session
                .run(&mut program, inputs, &StepValues::default())
                .unwrap_err()
        };
        for (inputs, given, expected) in [
            (vec![], 0, 1),
            (vec![[0.0; 3].as_slice(); 2], 2, 1),
            (vec![[0.0; 4].as_slice()], 4, 3),
        ] {
            match refused(&inputs) {
                Error::Length {
                    given: g,
                    expected: e,
                    ..
                } => assert_eq!((g, e), (given, expected), "{device}"),
                other => panic!("{device}: {other:?}"),
            }
        }
        assert!(refused(&[&[0.0; 2]]).to_string().contains("'x'"));
        let wrong = session.set_flat(Flat::Parameters, &[0.0; 3]);
        assert!(
            matches!(wrong, Err(Error::Length { given: 3, .. })),
            "{device}: {wrong:?}"
        );
    }
    let mut tape = Tape::new();
    assert!(matches!(
        tape.constant([3], &[0.0; 2]),
        Err(Error::Length {
            given: 2,
            expected: 3,
            ..
        })
    ));
}

#[test]
fn shapes_that_do_not_fit_are_refused_when_recorded() {
    let mut tape = Tape::new();
    let a = tape.input("a", [2, 3, 5, 7]);
    let b = tape.input("b", [2, 3, 7, 5]);
    let weight = tape.input("weight", [4, 2, 3, 3]);
    let bias = tape.input("bias", [4]);
    let conv = Conv2d {
        stride: [1, 1],
        padding: [1, 1],
    };
    for (result, op, shapes) in [
        (tape.push(Add, &[a, b]), "add", ["2×3×5×7", "2×3×7×5"]),
        (tape.push(L1Loss, &[a, b]), "l1_loss", ["2×3×5×7", "2×3×7×5"]),
        (
            tape.push(ConcatChannels, &[a, b]),
            "concat_channels",
            ["2×3×5×7", "2×3×7×5"],
        ),
        (
            tape.push(conv, &[a, weight, bias]),
            "conv2d",
            ["2×3×5×7", "4×2×3×3"],
        ),
        (
            tape.push(
                Reshape {
                    shape: Shape::from([2, 9]),
                },
                &[a],
            ),
            "reshape",
            ["2×3×5×7", "2×9"],
        ),
    ] {
        match result {
            Err(Error::Shape { op: named, message }) => {
                assert_eq!(named, op);
                assert!(
                    shapes.iter().all(|shape| message.contains(shape)),
                    "{op}: {message}"
                );
            }
            other => panic!("{op}: {other:?}"),
        }
    }
}

#[test]
fn a_program_of_another_session_is_refused() {
    let (parameters, tape, loss) = tiny();
    for device in [Device::Cpu, Device::Gpu(engine::gpu())] {
        let mut home = Session::new(&device, &parameters).unwrap();
        let mut program = home.compile(&tape, &[loss]).unwrap();
        for other in [Device::Cpu, Device::Gpu(engine::gpu())] {
            let mut foreign = Session::new(&other, &parameters).unwrap();
            let run = foreign.run(&mut program, &[&[0.0; 3]], &StepValues::default());
            assert!(matches!(run, Err(Error::Tape(_))), "{device} on {other}: {run:?}");
            assert!(
                matches!(foreign.read(&mut program, loss), Err(Error::Tape(_))),
                "{device} on {other}"
            );
        }
        home.run(&mut program, &[&[0.0; 3]], &StepValues::default())
            .unwrap();
        // and a tensor that was not named an output
        let unnamed = home
            .compile(&tape, &[])
            .and_then(|mut program| home.read(&mut program, loss));
        assert!(matches!(unnamed, Err(Error::Tape(_))), "{unnamed:?}");
    }
}

/// Two tapes, and clones of one that went on differently, have no tensor in common but what is recorded in both.
#[test]
fn a_tensor_of_another_tape_is_refused_everywhere() {
    let mut tape = Tape::new();
    let x = tape.input("x", [3]);
    let mut clone = tape.clone();
    let mut twin = Tape::new();
    twin.input("x", [3]);
    let own = tape.push(Scale { factor: 2.0 }, &[x]).unwrap();
    // at the same place, of the same shape
    let foreign = clone.push(Scale { factor: 2.0 }, &[x]).unwrap();
    assert_eq!(clone.shape(x).unwrap(), Shape::from([3]));

    fn refused<T>(result: stemwise::Result<T>) {
        assert!(matches!(result, Err(Error::Tape(_))));
    }
    refused(twin.shape(x));
    refused(twin.push(Add, &[x, x]));
    refused(Tape::new().shape(x));
    refused(tape.shape(foreign));
    refused(tape.push(Add, &[own, foreign]));
    refused(tape.gradients(foreign, &[x]));
    let loss = tape.push(Sum, &[own]).unwrap();
    refused(tape.gradients(loss, &[foreign]));
    let foreign_loss = clone.push(Sum, &[foreign]).unwrap();
    refused(tape.backward(foreign_loss));
    let none = Parameters::default();
    refused(Plan::for_cpu(&tape, &none, &[foreign]));
    let mut session = Session::new(&Device::Cpu, &none).unwrap();
    let mut program = session.compile(&tape, &[own]).unwrap();
    session
        .run(&mut program, &[&[1.0, 2.0, 3.0]], &StepValues::default())
        .unwrap();
    refused(session.read(&mut program, foreign));
    assert_eq!(session.read(&mut program, own).unwrap(), [2.0, 4.0, 6.0]);
}

/// The same of named tensors: an id goes with its parameters, and a tape with a session of the same ones.
#[test]
fn parameters_of_another_model_are_refused() {
    let add = |parameters: &mut Parameters, name: &str, shape: Shape| {
        let values = vec![1.0; shape.len()];
        parameters.add(name, shape, Role::Trainable, values).unwrap()
    };
    let (mut ours, mut theirs) = (Parameters::default(), Parameters::default());
    let weight = add(&mut ours, "weight", Shape::from([3]));
    let clone = ours.clone();
    assert_eq!(clone.get(weight).unwrap().name, "weight");
    let bias = add(&mut theirs, "bias", Shape::from([3]));
    assert!(ours.get(bias).is_err() && Parameters::default().get(bias).is_err());
    let mut tape = Tape::new();
    assert!(tape.parameter(&ours, bias).is_err());

    let w = tape.parameter(&ours, weight).unwrap();
    let loss = tape.push(Sum, &[w]).unwrap();
    // neither read nor only its gradient written
    for backward in [false, true] {
        if backward {
            tape.backward(loss).unwrap();
        }
        for parameters in [&theirs, &Parameters::default()] {
            let plan = Plan::for_cpu(&tape, parameters, &[]);
            assert!(matches!(plan, Err(Error::Tape(_))), "{backward}");
        }
        Plan::for_cpu(&tape, &ours, &[loss]).unwrap();
    }
    assert!(
        ours.add("weight", Shape::SCALAR, Role::Frozen, vec![0.0])
            .is_err()
    );
    assert_eq!(
        ours.find("weight").unwrap().shape,
        Shape::from([3]),
        "the first is kept"
    );
}

/// Settings of operations so large that counting with them would overflow.
#[test]
fn sizes_that_cannot_be_counted_are_refused() {
    const HUGE: usize = usize::MAX / 2 + 1;
    let mut tape = Tape::new();
    let x = tape.input("x", [1, 2, 9, 9]);
    let w = tape.input("w", [1, 2, 3, 3]);
    let statistics = tape.input("statistics", [2, 3]);
    let empty = tape.input("empty", [0, 4]);
    let window = |stride, padding| Conv2d {
        stride: [stride; 2],
        padding: [padding; 2],
    };
    let pool = |stride, padding| MaxPool2d {
        kernel: [2, 2],
        stride: [stride; 2],
        padding: [padding; 2],
    };
    // 3 × this is 1 in 64 bits
    let inverse = 0xAAAA_AAAA_AAAA_AAAB;
    let (start, count) = (HUGE, HUGE);
    for (what, result) in [
        ("padding", tape.push(window(1, HUGE), &[x, w])),
        ("stride", tape.push(window(1 << 32, 0), &[x, w])),
        ("pooling", tape.push(pool(2, HUGE), &[x])),
        ("pooling's stride", tape.push(pool(1 << 32, 0), &[x])),
        ("slice", tape.push(SliceChannels { start, count }, &[x])),
        (
            "channels",
            tape.push(
                PadChannels {
                    before: HUGE,
                    after: HUGE,
                },
                &[x],
            ),
        ),
        ("frames", tape.push(SpreadTime { frames: HUGE }, &[statistics])),
        (
            "shape",
            tape.push(
                Reshape {
                    shape: Shape::from([3, inverse, 162]),
                },
                &[x],
            ),
        ),
        ("nothing", tape.push(Scale { factor: 1.0 }, &[empty])),
    ] {
        assert!(matches!(result, Err(Error::Shape { .. })), "{what}: {result:?}");
    }
    assert!(slice_batch(&mut tape, x, HUGE, HUGE).is_err());
    assert!(Tape::new().constant([3, inverse], &[0.0]).is_err());
    let running = tape.push(
        UpdateRunningStatistic {
            row: 2,
            momentum: 0.1,
            factor: 1.0,
        },
        &[x, statistics],
    );
    assert!(running.is_err());
    // steps up to the last that is counted
    for step in [0, i32::MAX as u32, u32::MAX] {
        let values = StepValues::new(0, step, 1.0, [0.9, 0.999]);
        assert!(
            values.first_correction > 0.09 && values.second_correction > 0.0009,
            "{step}"
        );
    }
}

/// Deep graphs through the kernels, forward and backward, against the reference.
#[test]
fn random_graphs_follow_the_reference() {
    let parameters = Parameters::default();
    for seed in 10..12 {
        let (tape, vars, inputs) = random_graph(seed);
        let run = |target| {
            engine::evaluate(target, &parameters, &tape, &vars, &inputs, &StepValues::default()).unwrap()
        };
        for (gpu, reference) in run(Target::Gpu).iter().zip(run(Target::Reference)) {
            assert!(relative(gpu, &reference) < 1e-4, "seed {seed}");
        }
    }
}
