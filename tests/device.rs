//! What goes wrong with a device comes back as a typed error that says what to do, and never as a panic.

mod engine;

use std::sync::Arc;

use engine::open_gpu;
use stemwise::{
    Error,
    gpu::{Access, Bound, Choice, Device, Gpu, choose},
    kernel::{Binding, Dispatch, Shader, Slot, StepValues},
    ops::Scale,
    shape::Shape,
    tape::{Flat, Parameters, Role, Session, Tape, Var},
};

/// `2 · weight` with the weight a parameter: a session, its tape and the output.
fn small(gpu: &Arc<Gpu>) -> (Session, Tape, Var) {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let id = parameters
        .add("weight", Shape::from([5]), Role::Trainable, vec![1.0; 5])
        .unwrap();
    let weight = tape.parameter(&parameters, id);
    let double = tape.push(Scale { factor: 2.0 }, &[weight]).unwrap();
    (
        Session::new(&Device::Gpu(gpu.clone()), &parameters).unwrap(),
        tape,
        double,
    )
}

fn is_lost<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::DeviceLost { .. }))
}

#[test]
fn a_lost_device_is_a_typed_error_everywhere() {
    let gpu = open_gpu();
    let (mut session, tape, double) = small(&gpu);
    let mut program = session.compile(&tape, &[double]).unwrap();
    session
        .run::<&[f32]>(&mut program, &[], &StepValues::default())
        .unwrap();
    assert_eq!(session.read(&mut program, double).unwrap(), [2.0; 5]);
    // one replay in flight
    session
        .run::<&[f32]>(&mut program, &[], &StepValues::default())
        .unwrap();

    gpu.simulate_loss();
    // twice: the error stays
    for _ in 0..2 {
        assert!(is_lost(session.run::<&[f32]>(
            &mut program,
            &[],
            &StepValues::default()
        )));
        assert!(is_lost(session.read(&mut program, double)));
        assert!(is_lost(session.flat(Flat::Parameters)));
        assert!(is_lost(session.set_flat(Flat::Parameters, &[0.0; 64])));
        assert!(is_lost(session.compile(&tape, &[double])));
        assert!(is_lost(Session::new(
            session.device(),
            &session.parameters().clone()
        )));
        assert!(is_lost(gpu.buffer("after", 8)));
        assert!(is_lost(gpu.check()));
    }
    let message = gpu.check().unwrap_err().to_string();
    assert!(
        message.contains(gpu.name()) && message.contains("resume"),
        "{message}"
    );
}

#[test]
fn losing_one_device_leaves_another_alone() {
    let (one, other) = (open_gpu(), open_gpu());
    one.simulate_loss();
    let (mut session, tape, double) = small(&other);
    let mut program = session.compile(&tape, &[double]).unwrap();
    session
        .run::<&[f32]>(&mut program, &[], &StepValues::default())
        .unwrap();
    assert_eq!(session.read(&mut program, double).unwrap(), [2.0; 5]);
}

#[test]
fn a_buffer_past_the_limit_is_refused_before_the_driver_sees_it() {
    let gpu = open_gpu();
    let before = gpu.created();
    let limit = gpu.limits().buffer;
    match gpu.buffer("spectrogram", (limit / 4 + 1) as usize) {
        Err(Error::TensorTooLarge {
            tensor,
            bytes,
            limit: said,
            adapter,
            ..
        }) => {
            assert!(
                tensor.contains("spectrogram") && adapter == gpu.name(),
                "{tensor} on {adapter}"
            );
            assert!(bytes > limit && said == limit);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(gpu.created(), before);
    gpu.check().unwrap();
}

fn broken(source: &'static str) -> Dispatch {
    let bindings = [Binding::Write(Slot::Output)];
    Dispatch::new(
        Shader {
            name: "test/broken",
            source,
        },
        bindings,
        [1, 1, 1],
    )
}

#[test]
fn a_broken_shader_is_named() {
    let gpu = open_gpu();
    let buffer = gpu.buffer("output", 8).unwrap();
    let bound = [Bound {
        buffer: &buffer,
        offset: 0,
        len: 8,
        access: Access::Write,
    }];
    let good = "@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n\
                override VALUE: f32 = 1.0;\n\
                @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { out[i] = VALUE; }";
    for (dispatch, what) in [
        (broken("fn main( {"), "syntax"),
        (broken("#import shared/nothing"), "import"),
        (broken("@compute @workgroup_size(1) fn other() {}"), "entry point"),
        (
            broken("@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }"),
            "type",
        ),
        (broken(good).constant("UNKNOWN", 1.0), "constant"),
        (broken("@compute @workgroup_size(4096) fn main() {}"), "workgroup"),
        (
            broken(
                "@group(0) @binding(7) var<storage, read_write> out: array<f32>;\n\
                 @compute @workgroup_size(1) fn main() { out[0] = 1.0; }",
            ),
            "binding",
        ),
    ] {
        match gpu.prepare(&dispatch, &bound) {
            Err(Error::Shader { shader, message }) => {
                assert!(
                    shader.contains("test/broken") && !message.is_empty(),
                    "{what}: {shader}: {message}"
                );
            }
            other => panic!("{what}: {other:?}"),
        }
    }

    // none of this broke the device
    let ready = gpu.prepare(&broken(good).constant("VALUE", 3.0), &bound).unwrap();
    gpu.wait(&gpu.submit([&ready]).unwrap()).unwrap();
    let mut values = [0.0; 8];
    gpu.read(&buffer, 0, &gpu.readback(8).unwrap(), &mut values)
        .unwrap();
    assert_eq!(values, [3.0; 8]);
}

#[test]
fn a_bind_group_that_does_not_fit_is_a_validation_error() {
    let gpu = open_gpu();
    let buffer = gpu.buffer("output", 8).unwrap();
    let dispatch = broken(
        "@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n\
         @compute @workgroup_size(1) fn main() { out[0] = 1.0; }",
    );
    let past_the_end = [Bound {
        buffer: &buffer,
        offset: 0,
        len: 9,
        access: Access::Write,
    }];
    assert!(matches!(
        gpu.prepare(&dispatch, &past_the_end),
        Err(Error::Validation { .. })
    ));
    gpu.check().unwrap();
}

#[test]
fn without_an_adapter_the_cpu_is_chosen() {
    assert_eq!(choose(&[], None).unwrap(), Choice::Cpu);
    assert_eq!(choose(&[], Some("cpu")).unwrap(), Choice::Cpu);
    let message = choose(&[], Some("0")).unwrap_err().to_string();
    assert!(
        message.contains("'0'") && message.contains("mesa-vulkan-drivers"),
        "{message}"
    );
    assert!(matches!(Device::open(Some("CPU")), Ok(Device::Cpu)));
}

#[test]
fn a_device_that_is_not_there_is_named() {
    match Device::open(Some("no such card")) {
        Err(Error::NoSuchDevice { asked, available, .. }) => {
            assert!(
                asked == "no such card" && available.contains("cpu"),
                "{asked}: {available}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Whichever thread polls the device may be the one that is told that another's read is done.
#[test]
fn reads_from_several_threads_all_end() {
    let gpu = open_gpu();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let gpu = &gpu;
            scope.spawn(move || {
                let buffer = gpu.buffer("shared", 16).unwrap();
                let through = gpu.readback(16).unwrap();
                for i in 0..5000 {
                    let written = [(thread * 10_000 + i) as f32; 16];
                    gpu.write(&buffer, 0, &written);
                    let mut values = [0.0; 16];
                    gpu.read(&buffer, 0, &through, &mut values).unwrap();
                    assert_eq!(values, written);
                }
            });
        }
    });
}
