//! Weights that go out to other programs, and that come in from them.

mod common;

use std::{fs, path::Path};

use common::{
    EXPORT, SMALL,
    program::{command, done, refused, text},
    small,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use stemwise::{
    corpus::Instrument,
    describe::{Describer, Heard},
    gpu::Device,
    train::{
        Checkpoint, Network,
        exchange::{self, ExportOptions},
    },
};

/// Weights go out to others and come back: the same numbers, and what does not fit is named.
#[test]
fn weights_go_out_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = small("clean", Some(Instrument::Bass), &[]);
    let run = common::untrained(&folder.path().join("run"), &recipe, |_, _| {});
    let out = folder.path().join("out");
    let files = exchange::export(&run, &out, EXPORT).unwrap();
    let card = fs::read_to_string(&files.card).unwrap();
    let hash = blake3_of(&files.weights);
    assert!(
        card.contains("license: cc-by-4.0") && card.contains(&hash) && card.contains("clean of bass"),
        "{card}"
    );
    assert!(
        exchange::export(&run, &out, EXPORT).is_err(),
        "the folder is taken"
    );

    let back = exchange::import(&files.weights, &recipe, &folder.path().join("back")).unwrap();
    let (a, b) = (
        Checkpoint::read(&run.join("last.safetensors")).unwrap(),
        Checkpoint::read(&back.run.last()).unwrap(),
    );
    for parameter in Network::new(&recipe).unwrap().parameters.iter() {
        let of = |c: &Checkpoint| c.tensor(&parameter.name, &parameter.shape).unwrap();
        assert_eq!(of(&a), of(&b), "{}", parameter.name);
    }
    assert!(a.weights() == b.weights() && !a.weights().is_empty());

    let refused = |recipe| {
        let error = exchange::import(&files.weights, &recipe, &folder.path().join("no")).unwrap_err();
        assert!(!folder.path().join("no").exists());
        error.to_string()
    };
    let wide = refused(small("clean", Some(Instrument::Bass), &["network.width=0.25"]));
    assert!(
        wide.contains("'encoder.0.conv.weight' is [2, 1, 5, 5] instead of [4, 1, 5, 5]"),
        "{wide}"
    );
    let other = refused(small("separator", Some(Instrument::Bass), &[]));
    assert!(
        other.contains("'encoder.5.norm.weight' is missing") && other.contains("more"),
        "{other}"
    );
}

/// In 16-bit floats they take half the room, and describe as before: each weight is off by up to 2⁻¹¹ of itself, and so
/// is what a layer gives, so that the vectors of length one that ten layers give are off by some thousandths.
#[test]
fn half_the_bits_describe_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = small("contrast", None, &["data.pieces=2"]);
    let run = common::untrained(&folder.path().join("run"), &recipe, |_, _| {});
    let exported = |name: &str, half: bool| {
        let options = ExportOptions { half, ..EXPORT };
        exchange::export(&run, &folder.path().join(name), options).unwrap()
    };
    let (whole, half) = (exported("whole", false), exported("half", true));
    let size = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        (bytes.len() - 8 - header) as f64
    };
    let bytes = fs::read(&half.weights).unwrap();
    for (name, tensor) in SafeTensors::deserialize(&bytes).unwrap().iter() {
        // a variance may be too small or too large for 16 bits
        let wanted = match name.contains("running_") {
            true => Dtype::F32,
            false => Dtype::F16,
        };
        assert_eq!(tensor.dtype(), wanted, "{name}");
    }
    let ratio = size(&half.weights) / size(&whole.weights);
    assert!((0.5..0.55).contains(&ratio), "{ratio}");
    let card = fs::read_to_string(&half.card).unwrap();
    assert!(
        card.contains("16-bit floats") && card.contains(&blake3_of(&half.weights)),
        "{card}"
    );

    let sound: Vec<i16> = common::noise(22_050)
        .iter()
        .map(|x| (x * 20_000.0) as i16)
        .collect();
    let describe = |place: &Path| {
        let mut describer = Describer::load(&[place.into()], &Device::Cpu).unwrap();
        describer.describe(&[Heard::Mix(&sound)], sound.len()).unwrap()
    };
    let of_run = describe(&run);
    assert!(
        describe(&whole.weights) == of_run,
        "an exported file is the run's equal"
    );
    let of_half = describe(&half.weights);
    let dimensions = recipe.network.dimensions;
    for (a, b) in of_run.chunks(dimensions).zip(of_half.chunks(dimensions)) {
        let off: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!(off > 0.0 && off < 0.01, "{off}");
    }
}

/// Weights as others save them: in half the width, or in twice.
#[test]
fn weights_of_other_widths_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = small("clean", Some(Instrument::Bass), &[]);
    // numbers that all of these hold
    let coarse = |_: &str, values: &mut [f32]| {
        values
            .iter_mut()
            .for_each(|value| *value = half::bf16::from_f32(*value).to_f32());
    };
    let run = common::untrained(&folder.path().join("run"), &recipe, coarse);
    let files = exchange::export(&run, &folder.path().join("out"), EXPORT).unwrap();
    let bytes = fs::read(&files.weights).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let path = folder.path().join("foreign.safetensors");
    let as_others = |dtype: Dtype, change: &dyn Fn(&str, f32) -> f64| {
        let tensors = whole.iter().map(|(name, tensor)| {
            let values = tensor
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes));
            let data: Vec<u8> = values
                .map(|value| change(name, value))
                .flat_map(|value| match dtype {
                    Dtype::F16 => half::f16::from_f64(value).to_le_bytes().to_vec(),
                    Dtype::BF16 => half::bf16::from_f64(value).to_le_bytes().to_vec(),
                    Dtype::F64 => value.to_le_bytes().to_vec(),
                    _ => (value as i64).to_le_bytes().to_vec(),
                })
                .collect();
            (name.to_string(), tensor.shape().to_vec(), data)
        });
        let tensors: Vec<_> = tensors.collect();
        let views = tensors.iter().map(|(name, shape, data)| {
            (
                name.as_str(),
                TensorView::new(dtype, shape.clone(), data).unwrap(),
            )
        });
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    };
    let import = |to: &str| {
        let (path, out) = (path.to_str().unwrap(), folder.path().join(to));
        let mut command = command([
            "import",
            path,
            "--recipe",
            "clean",
            "--instrument",
            "bass",
            "--out",
        ]);
        command.arg(&out);
        for setting in SMALL {
            command.args(["--set", setting]);
        }
        (command.output().unwrap(), out)
    };
    let same = |_: &str, value: f32| f64::from(value);
    let before = Checkpoint::read(&run.join("last.safetensors")).unwrap();
    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F64] {
        as_others(dtype, &same);
        let (output, out) = import(&format!("{dtype:?}"));
        done(&output);
        let note = text(&output.stderr);
        assert!(note.contains(&format!("({dtype:?}) were converted")), "{note}");
        let after = Checkpoint::read(&out.join("last.safetensors")).unwrap();
        for parameter in Network::new(&recipe).unwrap().parameters.iter() {
            let of = |c: &Checkpoint| c.tensor(&parameter.name, &parameter.shape).unwrap();
            let pairs = of(&before).into_iter().zip(of(&after));
            // 11 bits of the smallest numbers of all, which only 16-bit floats round
            let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(
                off <= if dtype == Dtype::F16 { 2f32.powi(-25) } else { 0.0 },
                "{dtype:?}: {off}"
            );
        }
    }
    let spoilt = |with: f64| {
        move |name: &str, value: f32| match name {
            "encoder.1.conv.weight" => with,
            _ => f64::from(value),
        }
    };
    for (dtype, with, says) in [
        (Dtype::F64, 1e300, "beyond what 32-bit floats hold"),
        (Dtype::F16, f64::NAN, "NaN"),
        (
            Dtype::I64,
            0.0,
            "whole numbers (I64), no weights: save it as float32",
        ),
    ] {
        as_others(dtype, &spoilt(with));
        let (output, out) = import("no");
        refused(&output, 1, &["foreign.safetensors", says]);
        assert!(!out.exists());
    }

    // what was killed before its weights were written is done again, and what was trained is kept
    as_others(Dtype::F16, &same);
    let (output, out) = import("killed");
    done(&output);
    let whole = fs::read(out.join("last.safetensors")).unwrap();
    refused(&import("killed").0, 1, &["there is a run already"]);
    fs::remove_file(out.join("last.safetensors")).unwrap();
    fs::write(out.join(".partial-x"), "half").unwrap();
    done(&import("killed").0);
    assert!(fs::read(out.join("last.safetensors")).unwrap() == whole);
    assert!(!out.join(".partial-x").exists());
}

/// Checkpoints of the papers' authors: a prefix before all, batch norm's counts, a sixth norm that nothing uses.
#[test]
fn weights_come_in_under_the_names_of_the_authors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.safetensors");
    for (name, instrument, prefix, linear) in [
        ("separator", Some(Instrument::Bass), "module.", ""),
        ("clean", Some(Instrument::Bass), "extractor.", "to1d.to1d."),
        ("direct-reconst", None, "module.net.", "to1d."),
    ] {
        let recipe = small(name, instrument, &[]);
        let run = common::untrained(&folder.path().join(name), &recipe, |_, _| {});
        let ours = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        let several = name == "direct-reconst";
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for parameter in Network::new(&recipe).unwrap().parameters.iter() {
            let values = ours.tensor(&parameter.name, &parameter.shape).unwrap();
            tensors.push((
                format!("{prefix}{}", theirs(&parameter.name, several, linear)),
                parameter.shape.dims().to_vec(),
                values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ));
        }
        let norm = if several {
            "encoder.conv6.conv.bn"
        } else {
            "conv6.conv.1"
        };
        if name != "separator" {
            for leaf in ["weight", "bias", "running_mean", "running_var"] {
                tensors.push((format!("{prefix}{norm}.{leaf}"), vec![1], vec![0; 4]));
            }
        }
        let write = |tensors: &[(String, Vec<usize>, Vec<u8>)]| {
            let count = (format!("{prefix}{norm}.num_batches_tracked"), 7i64.to_le_bytes());
            let views = tensors
                .iter()
                .map(|(name, shape, data)| (name.clone(), Dtype::F32, shape.clone(), data.as_slice()));
            let views = views.chain([(count.0, Dtype::I64, Vec::new(), count.1.as_slice())]);
            let views =
                views.map(|(name, dtype, shape, data)| (name, TensorView::new(dtype, shape, data).unwrap()));
            fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        };
        write(&tensors);
        let out = folder.path().join(format!("{name} back"));
        let back = exchange::import(&path, &recipe, &out).unwrap();
        let back = Checkpoint::read(&back.run.last()).unwrap();
        for parameter in Network::new(&recipe).unwrap().parameters.iter() {
            let of = |c: &Checkpoint| c.tensor(&parameter.name, &parameter.shape).unwrap();
            assert_eq!(of(&ours), of(&back), "{}", parameter.name);
        }
        // what is left over, or missing, is named
        let missing = tensors.remove(0).0;
        tensors.push((format!("{prefix}extra"), vec![1], vec![0; 4]));
        write(&tensors);
        let error = exchange::import(&path, &recipe, &folder.path().join("no")).unwrap_err();
        let text = error.to_string();
        assert!(missing.contains("conv1.conv.0.weight"), "{missing}");
        assert!(
            text.contains("'encoder.0.conv.weight' is missing")
                && text.contains(&format!("'{prefix}extra' is unknown")),
            "{text}"
        );
    }
}

/// A tensor's name in the authors' code; of `several` decoders, encoder and decoders have names of their own.
fn theirs(ours: &str, several: bool, linear: &str) -> String {
    let parts: Vec<&str> = ours.split('.').collect();
    match parts[..] {
        ["linear", leaf] => format!("{linear}fc1.{leaf}"),
        ["encoder", i, part, leaf] => {
            let i: usize = i.parse().unwrap();
            let part = match (part, several) {
                ("conv", _) => "0",
                (_, true) => "bn",
                (_, false) => "1",
            };
            let prefix = if several { "encoder." } else { "" };
            format!("{prefix}conv{}.conv.{part}.{leaf}", i + 1)
        }
        [.., "decoder", i, part, leaf] => {
            let i: usize = i.parse().unwrap();
            let prefix = match parts[0] {
                "decoders" => format!("decoder_{}.", Instrument::ALL[parts[1].parse::<usize>().unwrap()]),
                _ => String::new(),
            };
            let part = if part == "deconv" { "a" } else { "b.0" };
            format!("{prefix}deconv{}_{part}.{leaf}", 6 - i)
        }
        _ => ours.to_string(),
    }
}

fn blake3_of(path: &Path) -> String {
    // the file's own bytes, hashed by the library that the card names
    blake3::hash(&fs::read(path).unwrap()).to_hex().to_string()
}
