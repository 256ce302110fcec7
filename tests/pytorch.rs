//! Checkpoints of every network, loaded by PyTorch: the same outputs.
//!
//! Needs a Python with torch and safetensors, which `STEMWISE_PYTHON` names; without it there is nothing to compare with.

mod common;

use std::{env, fs, process::Command};

use common::{noise, small};
use safetensors::{Dtype, tensor::TensorView};
use stemwise::{
    corpus::Instrument,
    gpu::Device,
    kernel::StepValues,
    nn::Mode,
    tape::{Session, Tape, Var},
    train::{Checkpoint, Network},
};

const ITEMS: usize = 2;
const FRAMES: usize = 70;

#[test]
fn checkpoints_load_in_pytorch() {
    let Some(python) = env::var_os("STEMWISE_PYTHON") else {
        eprintln!("STEMWISE_PYTHON names no Python with torch: skipped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "separator",
        "separator-joint",
        "clean",
        "cascade-ft",
        "direct",
        "direct-reconst",
        "h25",
        "contrast",
    ] {
        let of_one = !name.starts_with("direct") && !["separator-joint", "h25", "contrast"].contains(&name);
        let recipe = small(name, of_one.then_some(Instrument::Bass), &["front_end.mels=40"]);
        // weights that no initialisation gives, so that nothing agrees by chance
        let run = common::untrained(&folder.path().join(name), &recipe, |_, values| {
            let noise = noise(values.len());
            values
                .iter_mut()
                .zip(noise)
                .for_each(|(value, noise)| *value += 0.2 * noise);
        });
        let checkpoint = run.join("last.safetensors");
        let network = Network::new(&recipe).unwrap();
        let mut session = Session::new(&Device::Cpu, &network.parameters).unwrap();
        Checkpoint::read(&checkpoint)
            .unwrap()
            .restore_weights(&mut session)
            .unwrap();

        let shape = [ITEMS, 1, recipe.front_end.bins(), FRAMES];
        let magnitude: Vec<f32> = noise(shape.iter().product())
            .iter()
            .map(|x| 4.0 * x.abs())
            .collect();
        let mut outputs: Vec<(String, Vec<usize>, Vec<f32>)> =
            vec![("magnitude".into(), shape.to_vec(), magnitude.clone())];
        let mut run = |tape: &Tape, vars: &[Var]| {
            let mut program = session.compile(tape, vars).unwrap();
            session
                .run(&mut program, &[&magnitude], &StepValues::default())
                .unwrap();
            vars.iter()
                .map(|&var| session.read(&mut program, var).unwrap())
                .collect::<Vec<_>>()
        };
        if recipe.model.embeds() {
            let mut tape = Tape::new();
            let input = tape.input("magnitude", shape);
            let embedding = network.embed(&mut tape, input, Mode::Evaluate).unwrap();
            let values = run(&tape, &[embedding]).remove(0);
            outputs.push(("embedding".into(), vec![ITEMS, recipe.dimensions()], values));
        }
        if !network.recipe.separates().is_empty() {
            let (tape, masks) = network.separation_step(ITEMS, FRAMES).unwrap();
            for (i, values) in run(&tape, &masks).into_iter().enumerate() {
                outputs.push((format!("mask.{i}"), shape.to_vec(), values));
            }
        }
        let bytes: Vec<Vec<u8>> = outputs
            .iter()
            .map(|(.., values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let views = outputs.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (
                name.as_str(),
                TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        });
        let expected = folder.path().join(format!("{name}.safetensors"));
        fs::write(&expected, safetensors::serialize(views, None).unwrap()).unwrap();
        let output = Command::new(&python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/golden/load_checkpoint.py"
            ))
            .args([&checkpoint, &expected])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        println!("{name}: {}", text(&output.stdout).trim());
        assert!(
            output.status.success(),
            "{name}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
}
