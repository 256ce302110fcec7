//! Getting ready: pipelines compiled on several processors, and those that are kept on disk.

mod engine;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use engine::{adapter, open_gpu};
use stemwise::{
    Error, Result,
    gpu::{Device, Gpu, Options},
    kernel::{Binding, Dispatch, Kernels, Shader, Slot, StepValues, flat_grid},
    ops::{Scale, Sigmoid},
    shape::Shape,
    tape::{Case, Cpu, Gradient, Io, Op, Parameters, Real, Role, Session, Tape},
};

/// An operation whose kernel does not compile, or is not found.
#[derive(Debug, Clone)]
struct Broken(Shader);

impl Op for Broken {
    const NAME: &'static str = "broken";

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        at.none()
    }

    fn cpu<T: Real>(&self, _: Cpu<'_, T>) {}

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let bindings = [Binding::Read(Slot::Input(0)), Binding::Write(Slot::Output)];
        Dispatch::new(self.0, bindings, flat_grid(io.output.len())).into()
    }

    fn cases() -> Vec<Case> {
        Vec::new()
    }
}

const fn broken(name: &'static str, source: &'static str) -> Broken {
    Broken(Shader { name, source })
}

/// Found by the API's validation, which takes its time; by its parser; by the preprocessor, at once.
const BROKEN: [Broken; 3] = [
    broken(
        "test/of a type",
        "@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }",
    ),
    broken("test/of syntax", "fn main( {"),
    broken("test/of an import", "#import shared/nothing"),
];

/// Whole operations before, between and after these broken ones, and what compiling that gives.
fn compile(gpu: &Arc<Gpu>, broken: &[&Broken]) -> Result<()> {
    let (mut parameters, mut tape) = (Parameters::default(), Tape::new());
    let id = parameters.add("weight", Shape::from([5]), Role::Frozen, vec![0.5; 5])?;
    let mut var = tape.parameter(&parameters, id).unwrap();
    var = tape.push(Scale { factor: 2.0 }, &[var])?;
    for &broken in broken {
        var = tape.push(broken.clone(), &[var])?;
        var = tape.push(Sigmoid, &[var])?;
    }
    var = tape.push(Scale { factor: 3.0 }, &[var])?;
    let mut session = Session::new(&Device::Gpu(gpu.clone()), &parameters)?;
    let mut program = session.compile(&tape, &[var])?;
    session.replay(&mut program, &StepValues::default())?;
    session.read(&mut program, var).map(|_| ())
}

#[test]
fn the_first_broken_shader_of_a_program_is_named() {
    let gpu = open_gpu();
    let [a, b, c] = &BROKEN;
    for order in [[a, b, c], [c, b, a], [b, c, a], [a, c, b]] {
        // compiled alone, no thread can be before another
        let alone = compile(&open_gpu(), &order[..1]).unwrap_err().to_string();
        assert!(alone.contains(order[0].0.name), "{alone}");
        for _ in 0..5 {
            match compile(&gpu, &order) {
                Err(error @ Error::Shader { .. }) => assert_eq!(error.to_string(), alone),
                other => panic!("{other:?}"),
            }
        }
    }
    // none of this broke the device
    compile(&gpu, &[]).unwrap();
}

#[test]
fn what_is_compiled_ahead_is_compiled_once() {
    let gpu = open_gpu();
    let dispatch = |factor: u32| {
        let source = "@group(0) @binding(0) var<storage, read_write> out: array<f32>;\n\
             override FACTOR: f32 = 1.0;\n\
             @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { out[i] *= FACTOR; }";
        let name = "test/factor";
        let bindings = [Binding::Write(Slot::Output)];
        Dispatch::new(Shader { name, source }, bindings, [1, 1, 1]).constant("FACTOR", factor)
    };
    let all: Vec<Dispatch> = (0..12).map(|i| dispatch(i % 6)).collect();
    gpu.compile(&all);
    assert_eq!(gpu.created().pipelines, 6);
    gpu.compile(&all[..8]);
    // from many threads at once, of which each has errors of its own to look after
    thread::scope(|scope| {
        for i in 0..4 {
            let (gpu, all) = (&gpu, &all);
            scope.spawn(move || {
                compile(gpu, &[&BROKEN[i % 3]]).unwrap_err();
                gpu.compile(all);
            });
        }
    });
    gpu.check().unwrap();
    let buffer = gpu.buffer("out", 8).unwrap();
    let bound = [stemwise::gpu::Bound {
        buffer: &buffer,
        offset: 0,
        len: 8,
        access: stemwise::gpu::Access::Write,
    }];
    let before = gpu.created().pipelines;
    for dispatch in &all {
        gpu.prepare(dispatch, &bound).unwrap();
    }
    assert_eq!(gpu.created().pipelines, before);
}

/// A device that keeps its pipelines in a folder; `None` where the API cannot.
fn keeping(folder: &Path) -> Option<Arc<Gpu>> {
    let adapter = adapter();
    if !adapter.features.pipeline_cache {
        eprintln!("{adapter} has no pipeline cache: skipped");
        return None;
    }
    let options = Options {
        pipelines: Some(folder.into()),
        ..Options::default()
    };
    Some(Gpu::open_with(&adapter, options).unwrap())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The line that a file begins with, then the hash of the rest.
fn is_whole(path: &Path) -> bool {
    let file = fs::read(path).unwrap();
    let begin = file.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let (hash, content) = file[begin..].split_at(32);
    blake3::hash(content).as_bytes() == hash && content.windows(4).any(|w| w == b"WGPU")
}

#[test]
fn pipelines_are_kept_and_what_is_damaged_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    // which is made
    let folder = folder.path().join("pipelines");
    let Some(gpu) = keeping(&folder) else { return };
    compile(&gpu, &[]).unwrap();
    drop(gpu);
    let [path] = &files(&folder)[..] else {
        panic!("{:?}", files(&folder))
    };
    assert!(is_whole(path));
    let kept = fs::read(path).unwrap();

    // nothing new, nothing written
    let modified = || fs::metadata(path).unwrap().modified().unwrap();
    let before = modified();
    let gpu = keeping(&folder).unwrap();
    compile(&gpu, &[]).unwrap();
    drop(gpu);
    assert!(fs::read(path).unwrap() != kept || modified() == before);

    let mut flipped = kept.clone();
    flipped[kept.len() / 2] ^= 0x40;
    let another = String::from_utf8_lossy(&kept).contains(env!("CARGO_PKG_VERSION"));
    assert!(another, "the file says which version wrote it");
    let at = kept
        .windows(5)
        .position(|w| w == env!("CARGO_PKG_VERSION").as_bytes());
    let mut foreign = kept.clone();
    foreign[at.unwrap()] = b'9';
    // as another version would have written it: whole
    let begin = kept.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let hash = blake3::hash(&foreign[begin + 32..]);
    foreign[begin..begin + 32].copy_from_slice(hash.as_bytes());
    // as ours, and of another device for wgpu
    let mut device = kept.clone();
    let header = kept.windows(8).position(|w| w == b"WGPUPLCH").unwrap();
    device[header + 20] ^= 0xff;
    let hash = blake3::hash(&device[begin + 32..]);
    device[begin..begin + 32].copy_from_slice(hash.as_bytes());
    for (what, damaged) in [
        ("truncated", kept[..kept.len() - 7].to_vec()),
        ("cut to its beginning", kept[..60].to_vec()),
        ("empty", Vec::new()),
        ("flipped", flipped),
        ("of something else", b"not pipelines at all".repeat(100)),
        ("of another version", foreign),
        ("of another device", device),
    ] {
        fs::write(path, &damaged).unwrap();
        let gpu = keeping(&folder).unwrap();
        compile(&gpu, &[]).unwrap();
        gpu.check().unwrap();
        drop(gpu);
        assert!(is_whole(path), "{what}");
        assert_ne!(fs::read(path).unwrap(), damaged, "{what}");
    }
}

#[test]
fn devices_that_store_at_once_leave_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    if keeping(folder.path()).is_none() {
        return;
    }
    for _ in 0..3 {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let gpu = keeping(folder.path()).unwrap();
                    compile(&gpu, &[]).unwrap();
                });
            }
        });
        let files = files(folder.path());
        assert!(files.len() == 1 && is_whole(&files[0]), "{files:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    let Some(gpu) = keeping(&file.join("below")) else {
        return;
    };
    compile(&gpu, &[]).unwrap();
    drop(gpu);
    assert_eq!(fs::read(&file).unwrap(), b"");
}

#[test]
fn where_variants_come_from_is_checked() {
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stemwise"));
        command.args(arguments).env_remove("STEMWISE_DEVICE");
        match variable {
            Some(value) => command.env("STEMWISE_TUNE", value),
            None => command.env_remove("STEMWISE_TUNE"),
        };
        let output = command.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), message)
    };
    let separate = [
        "separate", "song.wav", "--model", "run", "--out", "stems", "--device", "cpu",
    ];
    for (arguments, variable, what) in [
        (
            [&separate[..], &["--tune", "perhaps"]].concat(),
            None,
            "exhaustive",
        ),
        (separate.to_vec(), Some("perhaps"), "STEMWISE_TUNE is 'perhaps'"),
        (vec!["train", "--resume", "run", "--tune", "on"], None, "--resume"),
    ] {
        let (code, message) = run(&arguments, variable);
        assert!(code == Some(2) && message.contains(what), "{code:?} {message}");
    }
    // these go on to look for the run
    for (arguments, variable) in [
        ([&separate[..], &["--tune", "on"]].concat(), Some("perhaps")),
        (separate.to_vec(), Some("Off")),
        (separate.to_vec(), Some("")),
    ] {
        let (code, message) = run(&arguments, variable);
        assert!(code == Some(1) && message.contains("run"), "{code:?} {message}");
    }
}
