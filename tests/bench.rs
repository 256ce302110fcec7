//! `stemwise bench` and `stemwise tune`: what they print, write and refuse.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// Small enough for a debug build: eighth of the channels, one small image.
const SMALL: [&str; 8] = [
    "--batch", "1", "--bins", "33", "--frames", "21", "--width", "0.125",
];

fn stemwise(arguments: &[&str], cache: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stemwise"));
    command.args(arguments).env("XDG_CACHE_HOME", cache);
    command.output().unwrap()
}

/// The measurements of a device.
fn bench(device: &str, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let json = ["--json", file.to_str().unwrap()];
    let arguments = [
        &["bench", "--device", device, "--samples", "1"],
        &SMALL[..],
        &json[..],
        more,
    ]
    .concat();
    let output = stemwise(&arguments, folder.path());
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("GFLOP/s") && printed.contains("weight gradient"),
        "{printed}"
    );
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Layers and directions.
fn check(measured: &Value, count: usize) {
    let ceiling = &measured["ceiling"];
    assert!(ceiling["gflops"].as_f64().unwrap() > 0.0 && ceiling["gigabytes"].as_f64().unwrap() > 0.0);
    let rows = measured["rows"].as_array().unwrap();
    let of = |key: &str| rows.iter().filter(|row| row[key] == true).count();
    assert_eq!((of("default"), of("winner") >= count), (count, true), "{rows:?}");
    assert!(rows.iter().all(|row| row["seconds"].as_f64().unwrap() > 0.0));
    assert!(rows.iter().all(|row| row["flops"].as_u64().unwrap() > 0));
}

#[test]
fn the_cpu_has_one_row_for_each_layer_and_direction() {
    let measured = bench("cpu", &[]);
    // twelve layers in three directions, without the gradient of the first one's input
    check(&measured, 35);
    assert_eq!(measured["rows"].as_array().unwrap().len(), 35);
}

#[test]
fn a_gpu_has_one_row_for_each_variant() {
    // any adapter that there is; the software driver where there is no GPU
    let measured = bench("0", &["--layer", "encoder.1"]);
    check(&measured, 3);
    let rows = measured["rows"].as_array().unwrap().iter();
    let variants: BTreeSet<_> = rows.map(|row| row["variant"].as_str().unwrap()).collect();
    assert!(
        variants.len() > 3 && variants.contains("register-tiles"),
        "{variants:?}"
    );
}

#[test]
fn tuning_is_remembered() {
    let cache = tempfile::tempdir().unwrap();
    let tune = |budget: &str| {
        let arguments = "tune separator --instrument bass --device 0 --set network.width=0.03 --set training.batch=1 --set data.segment_seconds=0.5 --set training.validation_seconds=0 --budget";
        let arguments: Vec<&str> = arguments.split(' ').chain([budget]).collect();
        let output = stemwise(&arguments, cache.path());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let choices = |text: &str| -> usize {
        let before = text.split(" choices in").next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let nothing = tune("0");
    assert!(nothing.contains("0 of 34 operations measured"), "{nothing}");
    assert_eq!(choices(&nothing), 0);
    let some = choices(&tune("10"));
    assert!(some > 0);
    let later = tune("0");
    assert!(later.contains("0 of 34 operations measured"), "{later}");
    assert_eq!(choices(&later), some);
}

#[test]
fn what_cannot_be_measured_is_misuse() {
    let cache = tempfile::tempdir().unwrap();
    for (arguments, what) in [
        (&["--layer", "nothing"][..], "encoder.0 to 5"),
        (&["--batch", "0"], "--batch 0"),
        (&["--batch", "60000"], "smaller batch"),
        (&["--width", "nan"], "--width NaN"),
        (&["--samples", "0"], "1..=1000"),
        (&["separator"], "use --dump DIR RECIPE"),
        (&["--preset", "tiny"], "use --dump DIR RECIPE"),
        (&["--dump", "never-made"], "--device"),
    ] {
        let arguments = [&["bench", "--device", "cpu"], arguments].concat();
        let output = stemwise(&arguments, cache.path());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && message.contains(what),
            "{message}"
        );
    }
}

/// Every file of a folder by its name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

#[test]
fn kernels_of_a_recipe_are_dumped_alike_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let dump = |name: &str| {
        let target = folder.path().join(name);
        let arguments = [
            "bench",
            "--dump",
            target.to_str().unwrap(),
            "separator",
            "--preset",
            "tiny",
        ];
        (stemwise(&arguments, folder.path()), target)
    };
    let (output, first) = dump("first");
    assert!(output.status.success(), "{output:?}");
    let dumped = files(&first);
    assert_eq!(dumped, files(&dump("second").1));

    let manifest: Value = serde_json::from_slice(&dumped["manifest.json"]).unwrap();
    let kernels = manifest["kernels"].as_array().unwrap();
    for kernel in kernels {
        assert_eq!(kernel["entry"], "main");
        for ending in ["wgsl", "spv", "metal", "hlsl"] {
            let file = format!("{}.{ending}", kernel["name"].as_str().unwrap());
            assert!(!dumped[&file].is_empty(), "{file}");
        }
    }
    assert_eq!(dumped.len(), 1 + 4 * kernels.len());
    let names: BTreeSet<&str> = kernels.iter().map(|k| k["name"].as_str().unwrap()).collect();
    let plans = manifest["plans"].as_array().unwrap();
    let training = plans[0]["operations"].as_array().unwrap();
    assert_eq!((plans[0]["plan"].as_str(), plans.len()), (Some("training"), 2));
    for launch in training.iter().flat_map(|o| o["dispatches"].as_array().unwrap()) {
        assert!(names.contains(launch["kernel"].as_str().unwrap()), "{launch}");
        assert!(launch["floats_written"].as_u64().unwrap() > 0, "{launch}");
    }
    // the first convolution, one channel to two, 5 × 5: as many multiply-adds as its output has elements, times 25
    let convolution = training.iter().find(|o| o["name"] == "conv2d").unwrap();
    let elements: u64 = convolution["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .product();
    assert_eq!(convolution["multiply_adds"].as_u64().unwrap(), 25 * elements);
    assert_eq!(
        convolution["dispatches"][0]["floats_written"].as_u64().unwrap(),
        elements
    );

    let (again, _) = dump("first");
    let message = String::from_utf8_lossy(&again.stderr);
    assert!(
        !again.status.success() && message.contains("is not empty"),
        "{message}"
    );
}
