//! What goes wrong with a device comes back as a typed error that says what to do, and never as a panic.

mod engine;

use std::sync::Arc;

use engine::open_gpu;
use stemwise::{
    Error, Result,
    gpu::{Access, Bound, Choice, Device, Gpu, choose},
    kernel::{Binding, Dispatch, Kernels, Shader, Slot, StepValues, flat_grid},
    ops::{Scale, Sigmoid},
    shape::Shape,
    tape::{Case, Cpu, Flat, Gradient, Io, Op, Parameters, Real, Role, Session, Tape, Var},
};

/// `2 · weight` with the weight a parameter: a session, its tape and the output.
fn small(gpu: &Arc<Gpu>) -> (Session, Tape, Var) {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let id = parameters
        .add("weight", Shape::from([5]), Role::Trainable, vec![1.0; 5])
        .unwrap();
    let weight = tape.parameter(&parameters, id).unwrap();
    let double = tape.push(Scale { factor: 2.0 }, &[weight]).unwrap();
    (
        Session::new(&Device::Gpu(gpu.clone()), &parameters).unwrap(),
        tape,
        double,
    )
}

fn is_lost<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::DeviceLost { .. }))
}

#[test]
fn a_lost_device_is_a_typed_error_everywhere() {
    let gpu = open_gpu();
    let (mut session, tape, double) = small(&gpu);
    let mut program = session.compile(&tape, &[double]).unwrap();
    session.replay(&mut program, &StepValues::default()).unwrap();
    assert_eq!(session.read(&mut program, double).unwrap(), [2.0; 5]);
    // one replay in flight
    session.replay(&mut program, &StepValues::default()).unwrap();

    gpu.simulate_loss();
    // twice: the error stays
    for _ in 0..2 {
        assert!(is_lost(session.replay(&mut program, &StepValues::default())));
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
    session.replay(&mut program, &StepValues::default()).unwrap();
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

/// An operation from outside the crate, with these dispatches, which says of itself what is given.
#[derive(Debug, Clone)]
struct Foreign {
    kernels: fn(&Io<'_>) -> Kernels,
    grows: bool,
    view: bool,
}

impl Op for Foreign {
    const NAME: &'static str = "foreign";

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(match self.grows {
            true => Shape::from([2 * inputs[0].len()]),
            false => inputs[0],
        })
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, _: Cpu<'_, T>) {}

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        (self.kernels)(io)
    }

    fn cases() -> Vec<Case> {
        Vec::new()
    }

    fn is_view(&self) -> bool {
        self.view
    }
}

fn foreign(kernels: fn(&Io<'_>) -> Kernels) -> Foreign {
    Foreign {
        kernels,
        grows: false,
        view: false,
    }
}

/// The output of an operation on `1 … 5`, with nothing behind it.
fn applied(gpu: &Arc<Gpu>, op: Foreign) -> Result<Vec<f32>> {
    let mut tape = Tape::new();
    let x = tape.input("x", [5]);
    let y = tape.push(op, &[x])?;
    let z = tape.push(Scale { factor: 2.0 }, &[y])?;
    let mut session = Session::new(&Device::Gpu(gpu.clone()), &Parameters::default())?;
    let mut program = session.compile(&tape, &[z])?;
    session.run(
        &mut program,
        &[&[1.0, 2.0, 3.0, 4.0, 5.0]],
        &StepValues::default(),
    )?;
    session.read(&mut program, z)
}

const COPY: &str = "\
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&out) { out[id.x] = x[id.x]; }
}";

/// Only kernels that the crate's own operations made of their shapes run without checks.
#[test]
fn kernels_from_outside_are_checked() {
    let gpu = open_gpu();
    let unchecked = || gpu.created().unchecked;
    let own = |io: &Io<'_>| {
        let bindings = [Binding::Read(Slot::Input(0)), Binding::Write(Slot::Output)];
        let shader = Shader {
            name: "test/copy",
            source: COPY,
        };
        Dispatch::new(shader, bindings, flat_grid(io.output.len())).into()
    };
    assert_eq!(applied(&gpu, foreign(own)).unwrap(), [2.0, 4.0, 6.0, 8.0, 10.0]);
    // `Scale` alone
    assert_eq!(unchecked(), 1);

    // a kernel of the crate with another grid and other parameters is whoever's who made them
    let borrowed = |io: &Io<'_>| {
        let mut kernels = Sigmoid.gpu(io);
        kernels.dispatches[0].params[0] = u32::MAX;
        kernels.dispatches[0].groups = [64, 1, 1];
        kernels
    };
    assert_eq!(applied(&gpu, foreign(borrowed)).unwrap().len(), 5);
    // and so is one that was asked for with shapes that are not there
    let lied = |io: &Io<'_>| {
        let larger = Shape::from([1 << 20]);
        Sigmoid.gpu(&Io {
            inputs: &[larger],
            output: larger,
            ..*io
        })
    };
    assert_eq!(applied(&gpu, foreign(lied)).unwrap().len(), 5);
    assert_eq!(unchecked(), 1);

    // what nothing can check is for the crate alone
    let matrices = |_: &Io<'_>| {
        let source = "enable wgpu_cooperative_matrix;\n@compute @workgroup_size(1) fn main() {}";
        let shader = Shader {
            name: "test/matrices",
            source,
        };
        Dispatch::new(shader, [Binding::Write(Slot::Output)], [1, 1, 1]).into()
    };
    let refused = applied(&gpu, foreign(matrices)).unwrap_err();
    assert!(
        matches!(&refused, Error::Shader { message, .. } if message.contains("own")),
        "{refused}"
    );
    gpu.check().unwrap();
}

/// What an operation says of its memory is held against what is there.
#[test]
fn operations_that_bind_what_is_not_there_are_refused() {
    let gpu = open_gpu();
    fn dispatch(binding: Binding) -> Kernels {
        let shader = Shader {
            name: "test/copy",
            source: COPY,
        };
        Dispatch::new(shader, [Binding::Read(Slot::Input(0)), binding], [1, 1, 1]).into()
    }
    let refused = |op| match applied(&gpu, op) {
        Err(Error::Tape(message)) => assert!(message.contains("foreign"), "{message}"),
        other => panic!("{other:?}"),
    };
    refused(foreign(|_| dispatch(Binding::Write(Slot::Input(1)))));
    refused(foreign(|_| dispatch(Binding::Write(Slot::Input(0)))));
    refused(foreign(|_| dispatch(Binding::Write(Slot::Scratch(0)))));
    refused(foreign(|_| {
        let mut kernels = dispatch(Binding::Write(Slot::Output));
        kernels.dispatches[0].groups = [70_000, 1, 1];
        kernels
    }));
    // nothing at all, which would leave the result as it was
    refused(foreign(|_| Kernels::default()));
    // a view that is larger than what it views
    refused(Foreign {
        grows: true,
        view: true,
        ..foreign(|_| Kernels::default())
    });
    gpu.check().unwrap();
}

/// A read past the end of a buffer is refused before the API panics.
#[test]
fn reads_past_the_end_are_refused() {
    let gpu = open_gpu();
    let (buffer, through) = (gpu.buffer("short", 4).unwrap(), gpu.readback(4).unwrap());
    for (offset, len) in [(0, 5), (1, 4), (usize::MAX, 1)] {
        let read = gpu.read(&buffer, offset, &through, &mut vec![0.0; len]);
        assert!(
            matches!(read, Err(Error::Length { .. })),
            "{offset}, {len}: {read:?}"
        );
    }
    gpu.read(&buffer, 4, &through, &mut []).unwrap();
    assert!(matches!(
        gpu.buffer("huge", usize::MAX),
        Err(Error::TensorTooLarge { .. })
    ));
}
