//! Separation of files, with models whose result is known.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use common::{identity, noise, recipe, untrained};
use stemwise::{
    audio::{AudioReader, SampleFormat, WavWriter},
    corpus::Instrument,
    gpu::Device,
    separate::{
        Outputs, Report, SeparateError, Separators, WindowOptions, separate_file, separate_signal, sweep,
    },
};
use tempfile::TempDir;

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: they share the count.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const WINDOWS: WindowOptions = WindowOptions {
    frames: 128,
    overlap: 64,
};

fn load(models: &[PathBuf]) -> Separators {
    Separators::load(models, &Device::Cpu, WINDOWS).unwrap()
}

fn write(path: &Path, rate: u32, channels: u16, samples: &[f32]) {
    let mut writer = WavWriter::create(path, rate, channels, SampleFormat::Float32).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

fn read(path: &Path) -> (u32, usize, Vec<f32>) {
    let mut reader = AudioReader::open(path).unwrap();
    let (rate, channels, mut samples) = (reader.rate(), reader.channels(), Vec::new());
    while let Some(chunk) = reader.next_chunk().unwrap() {
        samples.extend_from_slice(chunk);
    }
    (rate, channels, samples)
}

fn into(stems: &Path) -> Outputs<'_> {
    Outputs {
        stems,
        spectra: None,
        overwrite: false,
    }
}

fn separate(separators: &mut Separators, folder: &TempDir, song: &Path) -> Report {
    let out = folder.path().join("out");
    let outputs = Outputs {
        overwrite: true,
        ..into(&out)
    };
    separate_file(separators, song, outputs, &mut |_, _| {}).unwrap()
}

/// Without what aliases: the mean of neighbours.
fn smooth(samples: &[f32], channels: usize) -> Vec<f32> {
    let mut out = samples.to_vec();
    for _ in 0..8 {
        for i in channels..out.len() {
            out[i] = 0.5 * (out[i] + out[i - channels]);
        }
    }
    out
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_mask_of_ones_gives_the_song_back_without_seams() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), identity);
    let mut separators = load(&[model]);
    let song = folder.path().join("song.wav");
    // around the ends of frames and windows: 128 frames begin 64 × 128 samples apart
    for samples in [
        1, 127, 128, 129, 8_191, 8_192, 16_127, 16_128, 16_255, 16_256, 16_383, 16_384, 24_448, 50_000,
    ] {
        let mono = noise(samples);
        write(&song, 44_100, 1, &mono);
        let report = separate(&mut separators, &folder, &song);
        let (rate, channels, stem) = read(&report.stems[0].path);
        assert_eq!((rate, channels), (44_100, 1));
        let difference = largest_difference(&stem, &mono);
        assert!(difference < 2e-6, "{samples} samples: {difference}");
        assert!(report.remainder.unwrap() < -100.0, "{report:?}");
        assert!(report.stems[0].level.unwrap().abs() < 0.01, "{report:?}");
    }
}

#[test]
fn stereo_and_odd_rates_come_back_as_they_were() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), identity);
    let mut separators = load(&[model]);
    let song = folder.path().join("song.wav");
    for (rate, channels) in [(44_100, 2), (48_000, 2), (22_050, 1), (32_000, 3), (8_000, 2)] {
        let frames = 30_001;
        let samples = smooth(&noise(frames * channels), channels);
        write(&song, rate, channels as u16, &samples);
        let report = separate(&mut separators, &folder, &song);
        assert_eq!((report.rate, report.channels), (rate, channels));
        assert!((report.seconds - frames as f64 / f64::from(rate)).abs() < 1e-9);
        let (found_rate, found_channels, stem) = read(&report.stems[0].path);
        assert_eq!((found_rate, found_channels), (rate, channels));
        // the ends ring where the song begins and ends abruptly
        let inner = 2_000 * channels..(frames - 2_000) * channels;
        assert_eq!(stem.len(), samples.len());
        let difference = largest_difference(&stem[inner.clone()], &samples[inner]);
        let limit = if rate == 44_100 { 2e-6 } else { 2e-3 };
        assert!(difference < limit, "{rate} Hz, {channels} channels: {difference}");
    }
}

#[test]
fn the_window_hardly_matters() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), |_, _| {});
    let song = folder.path().join("song.wav");
    write(&song, 44_100, 1, &noise(60_000));
    let mut stems = Vec::new();
    for windows in [
        WindowOptions {
            frames: 512,
            overlap: 64,
        },
        WINDOWS,
    ] {
        let mut separators = Separators::load(std::slice::from_ref(&model), &Device::Cpu, windows).unwrap();
        let report = separate(&mut separators, &folder, &song);
        stems.push(read(&report.stems[0].path).2);
    }
    let decibels = distance(&stems[1], &stems[0]);
    assert!(decibels < -30.0, "{decibels}");
}

/// The network as drawn, on a transform whose hop is half a window: its masks are about a half and differ everywhere.
#[test]
fn the_last_samples_are_no_louder_than_the_mix() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), |_, _| {});
    let mut separators = load(&[model]);
    for remainder in [0, 1, 64, 100, 120, 124, 126, 127] {
        for frames in [1, 9, 150] {
            let mix = noise(128 * frames + remainder);
            let stem = separate_signal(&mut separators, &mix).unwrap().remove(0);
            let peak = largest_difference(&stem, &vec![0.0; mix.len()]);
            assert!(peak < 0.5, "{frames} hops and {remainder} samples: {peak}");
        }
    }
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|x| f64::from(x * x)).sum()
}

/// How far `a` lies from `b`, in dB of `b`.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    10.0 * (energy(&difference) / energy(b)).log10()
}

/// With more context than the network sees (252 frames on either side), windows are one pass to the last digits: all
/// of them begin on its grid, and the last one ends where the song does, whatever the song's length.
#[test]
fn windows_with_enough_context_are_one_pass() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let recipe = common::small("separator", Some(Instrument::Bass), &["network.width=0.0625"]);
    // masks from 0 to 1 instead of around a half
    let lively = |name: &str, values: &mut [f32]| {
        if name == "decoder.5.deconv.weight" {
            values.iter_mut().for_each(|x| *x *= 20.0);
        }
    };
    let model = untrained(&folder.path().join("model"), &recipe, lively);
    let open = |frames, overlap| {
        let options = WindowOptions { frames, overlap };
        Separators::load(std::slice::from_ref(&model), &Device::Cpu, options).unwrap()
    };
    let (mut whole, mut ample, mut few) = (open(10_000, 0), open(1408, 704), open(256, 128));
    for frames in [
        1408, 1409, 1410, 1439, 1471, 1472, 1473, 2111, 2112, 2113, 2114, 2119, 2143,
    ] {
        let mix = noise(128 * (frames - 1) + 77);
        let [expected, ample, few] =
            [&mut whole, &mut ample, &mut few].map(|s| separate_signal(s, &mix).unwrap().remove(0));
        let end = mix.len() - 128 * 64..;
        let found = [
            distance(&ample, &expected),
            distance(&ample[end.clone()], &expected[end.clone()]),
            distance(&few, &expected),
            distance(&few[end.clone()], &expected[end]),
        ];
        println!("{frames} frames: {found:.1?} dB");
        assert!(
            found[0] < -100.0 && found[1] < -100.0,
            "{frames} frames: {found:?}"
        );
        assert!(found[2] < -40.0 && found[3] < -40.0, "{frames} frames: {found:?}");
    }
}

#[test]
fn several_models_and_what_they_leave() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let half = |name: &str, values: &mut [f32]| match name {
        "decoder.5.deconv.weight" | "decoder.5.deconv.bias" => values.fill(0.0), // sigmoid(0) = ½
        _ => {}
    };
    let model =
        |instrument: Instrument| untrained(&folder.path().join(instrument.name()), &recipe(instrument), half);
    let (bass, drums, piano) = (
        model(Instrument::Bass),
        model(Instrument::Drums),
        model(Instrument::Piano),
    );
    let song = folder.path().join("song.wav");
    write(&song, 44_100, 2, &noise(40_000));

    let report = separate(&mut load(std::slice::from_ref(&bass)), &folder, &song);
    assert!((report.remainder.unwrap() + 6.02).abs() < 0.05, "{report:?}");
    let report = separate(&mut load(&[bass.clone(), drums.clone()]), &folder, &song);
    assert_eq!(report.stems.len(), 2);
    assert!(report.remainder.unwrap() < -100.0, "{report:?}");
    assert!(report.stems[1].path.ends_with("song/drums.wav"));
    let report = separate(&mut load(&[bass.clone(), drums, piano]), &folder, &song);
    assert!((report.remainder.unwrap() + 6.02).abs() < 0.05, "{report:?}");

    let load = |models: &[PathBuf]| Separators::load(models, &Device::Cpu, WINDOWS).err().unwrap();
    let twin = untrained(&folder.path().join("twin"), &recipe(Instrument::Bass), half);
    assert!(matches!(
        load(&[bass.clone(), twin]),
        SeparateError::SameInstrument { .. }
    ));
    let coarse = common::small("separator", Some(Instrument::Guitar), &["front_end.stft_hop=64"]);
    let coarse = untrained(&folder.path().join("coarse"), &coarse, half);
    assert!(matches!(load(&[bass, coarse]), SeparateError::FrontEnd { .. }));
    assert!(matches!(load(&[]), SeparateError::NoModel));
}

#[test]
fn a_silent_song_has_silent_stems() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), |_, _| {});
    let song = folder.path().join("song.wav");
    write(&song, 44_100, 1, &[0.0; 20_000]);
    let report = separate(&mut load(&[model]), &folder, &song);
    assert_eq!((report.remainder, report.stems[0].level), (None, None));
    assert!(read(&report.stems[0].path).2.iter().all(|&x| x == 0.0));
}

#[test]
fn memory_does_not_grow_with_the_song() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), |_, _| {});
    let mut separators = load(&[model]);
    let song = folder.path().join("song.wav");
    let mut peak = |seconds: usize| {
        write(&song, 48_000, 2, &noise(seconds * 96_000));
        let before = NOW.load(Relaxed);
        PEAK.store(before, Relaxed);
        separate(&mut separators, &folder, &song);
        PEAK.load(Relaxed) - before
    };
    peak(1); // compiles the model
    let (short, long) = (peak(12), peak(72));
    // 60 s more are 11 MB of samples at each end; vectors that doubled may differ by one step
    assert!(
        long < short + (1 << 18),
        "{short} bytes for 12 s, {long} for 72 s"
    );
}

/// What is in a folder of songs, below it.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .min_depth(1)
        .into_iter()
        .flatten()
        .map(|entry| entry.into_path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), identity);
    let mut separators = load(&[model]);
    let (song, out) = (folder.path().join("song.wav"), folder.path().join("out"));
    write(&song, 44_100, 1, &noise(1000));
    let left = |name: &str| {
        let path = out.join(name).join(".partial-a1b2c3");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "half").unwrap();
    };
    let stem = out.join("song").join("bass.wav");
    left("song");
    separate(&mut separators, &folder, &song);
    assert_eq!(below(&out.join("song")), std::slice::from_ref(&stem));
    // even where there is nothing to do
    left("song");
    let error = separate_file(&mut separators, &song, into(&out), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, SeparateError::Exists { .. }));
    assert_eq!(below(&out.join("song")), std::slice::from_ref(&stem));
    left("another");
    sweep(&out);
    assert_eq!(below(&out), [out.join("song"), stem]);
}

#[test]
fn a_separation_that_is_stopped_leaves_nothing() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), identity);
    let mut separators = load(&[model]);
    separators.stop_at(&STOP);
    let (song, out) = (folder.path().join("song.wav"), folder.path().join("out"));
    write(&song, 44_100, 1, &noise(100_000));
    let mut heard = 0;
    let stopped = separate_file(&mut separators, &song, into(&out), &mut |_, _| {
        heard += 1;
        STOP.store(heard >= 10, Relaxed);
    });
    assert!(matches!(stopped, Err(SeparateError::Interrupted)), "{stopped:?}");
    assert_eq!(below(&out), [] as [PathBuf; 0]);
    STOP.store(false, Relaxed);
    separate(&mut separators, &folder, &song);
}

/// The program on a song of a quarter of an hour, once it writes.
#[cfg(unix)]
fn at_work(model: &Path, song: &Path, out: &Path) -> std::process::Child {
    let options = ["--device", "cpu", "--model"].map(std::ffi::OsStr::new);
    let arguments = [std::ffi::OsStr::new("separate"), song.as_os_str()]
        .into_iter()
        .chain(options);
    let arguments = arguments.chain([model.as_os_str(), "--out".as_ref(), out.as_os_str()]);
    let child = common::program::command(arguments)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while !below(out).iter().any(|path| path.is_file()) {
        assert!(begun.elapsed().as_secs() < 60, "it does not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

#[cfg(unix)]
#[test]
fn signals_end_the_program_with_nothing_left() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = untrained(&folder.path().join("model"), &recipe(Instrument::Bass), identity);
    let (song, out) = (folder.path().join("song.wav"), folder.path().join("out"));
    write(&song, 8_000, 1, &noise(900 * 8_000));
    let signal = |child: &std::process::Child, name: &str| {
        let id = child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &id])
            .status();
        assert!(sent.unwrap().success());
    };
    for name in ["INT", "TERM"] {
        let child = at_work(&model, &song, &out);
        signal(&child, name);
        let told = std::time::Instant::now();
        let output = child.wait_with_output().unwrap();
        let seconds = told.elapsed().as_secs_f64();
        common::program::refused(&output, 1, &["stopping", "stopped in", "nothing was written"]);
        // a window of this network takes a fraction of a second; the song takes half a minute
        assert!(seconds < 5.0, "{name}: {seconds} s");
        assert_eq!(below(&out), [] as [PathBuf; 0], "{name}");
    }
    let child = at_work(&model, &song, &out);
    signal(&child, "KILL");
    assert!(!child.wait_with_output().unwrap().status.success());
    assert!(!below(&out).is_empty());
    let short = folder.path().join("short.wav");
    write(&short, 8_000, 1, &noise(8_000));
    let (model, short, folder) = (
        model.to_str().unwrap(),
        short.to_str().unwrap(),
        out.to_str().unwrap(),
    );
    let arguments = [
        "separate", short, "--device", "cpu", "--model", model, "--out", folder,
    ];
    common::program::done(&common::program::stemwise(&arguments));
    assert_eq!(
        below(&out),
        [out.join("short"), out.join("short").join("bass.wav")]
    );
}
