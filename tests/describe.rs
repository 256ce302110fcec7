//! Vectors of items depend on nothing but the items.

mod common;

use common::{noise, small, untrained};
use stemwise::{
    corpus::Instrument,
    describe::{DescribeError, Describer, Heard},
    gpu::{Device, Gpu, adapters},
};

const SAMPLES: usize = 6000;

/// The processor, and every adapter there is.
fn devices() -> Vec<Device> {
    let gpus = adapters();
    let gpus = gpus
        .iter()
        .map(|adapter| Device::Gpu(Gpu::open(adapter).unwrap()));
    [Device::Cpu].into_iter().chain(gpus).collect()
}

fn pcm(len: usize) -> Vec<i16> {
    noise(len).iter().map(|x| (x * 20000.0) as i16).collect()
}

/// An item gives the same bits alone, first or last, with or without others, in whole and in part batches.
fn independent(runs: &[std::path::PathBuf], stems: bool) {
    let sound = pcm(20 * SAMPLES);
    let items: Vec<Heard> = sound
        .chunks(SAMPLES)
        .map(|signal| match stems {
            true => Heard::Stems([Some(signal); 5]),
            false => Heard::Mix(signal),
        })
        .collect();
    for device in devices() {
        let mut describer = Describer::load(runs, &device).unwrap();
        for &instrument in &describer.instruments().to_vec() {
            let d = describer.dimensions(instrument).unwrap();
            let together = describer.describe_one(instrument, &items, SAMPLES).unwrap();
            assert_eq!(together.len(), 20 * d);
            let reversed: Vec<Heard> = items.iter().rev().copied().collect();
            let back = describer.describe_one(instrument, &reversed, SAMPLES).unwrap();
            for i in 0..20 {
                let row = &together[i * d..(i + 1) * d];
                assert!(row.iter().any(|&x| x != 0.0));
                assert_eq!(
                    row,
                    &back[(19 - i) * d..(20 - i) * d],
                    "{instrument} {i} on {device}"
                );
                let alone = describer
                    .describe_one(instrument, &items[i..=i], SAMPLES)
                    .unwrap();
                assert_eq!(row, alone, "{instrument} {i} on {device}");
            }
            let all = describer.describe(&items, SAMPLES).unwrap();
            let before = describer.instruments().iter().take_while(|&&i| i != instrument);
            let start: usize = before.filter_map(|&i| describer.dimensions(i)).sum();
            let own = all.chunks(all.len() / 20).flat_map(|row| &row[start..start + d]);
            assert_eq!(own.copied().collect::<Vec<_>>(), together);
            // another piece of sound is described by other numbers
            assert_ne!(together[..d], together[d..2 * d]);
        }
    }
}

#[test]
fn vectors_do_not_depend_on_their_batch() {
    let folder = tempfile::tempdir().unwrap();
    let runs = |name: &str, instruments: &[Option<Instrument>]| {
        let run = |instrument: &Option<Instrument>| {
            let file = format!("{name}-{}", instrument.map_or("all", Instrument::name));
            untrained(
                &folder.path().join(file),
                &small(name, *instrument, &[]),
                |_, _| {},
            )
        };
        instruments.iter().map(run).collect::<Vec<_>>()
    };
    independent(&runs("direct", &[None]), false);
    independent(
        &runs("cascade", &[Some(Instrument::Guitar), Some(Instrument::Bass)]),
        false,
    );
    independent(&runs("clean", &[Some(Instrument::Drums)]), true);
}

/// A mix given as one signal is heard as its stems are; the identity is of the weights, whatever the runs' order.
#[test]
fn what_describes_is_known_by_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let make = |file: &str, name: &str, instrument, set: &[&str]| {
        untrained(
            &folder.path().join(file),
            &small(name, instrument, set),
            |_, _| {},
        )
    };
    let cpu = Device::Cpu;
    let [bass, drums] = [Instrument::Bass, Instrument::Drums].map(Some);
    let b = make("b", "cascade", bass, &[]);
    let d = make("d", "cascade", drums, &[]);
    let mut both = Describer::load(&[b.clone(), d.clone()], &cpu).unwrap();
    assert_eq!(both.instruments(), [Instrument::Drums, Instrument::Bass]);
    let turned = Describer::load(&[d.clone(), b.clone()], &cpu).unwrap();
    assert_eq!(both.identity(), turned.identity());
    let other = make("other", "cascade", bass, &["seed=8"]);
    let others = Describer::load(&[other.clone(), d.clone()], &cpu).unwrap();
    assert_ne!(both.identity(), others.identity());
    // these were never trained
    let untrained = Describer::untrained(&[d.clone(), b.clone()], &cpu).unwrap();
    assert_eq!(both.identity(), untrained.identity());

    let stem = pcm(SAMPLES);
    let mix: Vec<i16> = stem.iter().map(|x| x / 4 * 2).collect();
    let half: Vec<i16> = stem.iter().map(|x| x / 4).collect();
    let stems = Heard::Stems([Some(&half), None, Some(&half), None, None]);
    assert_eq!(
        both.describe(&[Heard::Mix(&mix)], SAMPLES).unwrap(),
        both.describe(&[stems], SAMPLES).unwrap()
    );
    assert!(matches!(
        both.describe(&[Heard::Mix(&mix[1..])], SAMPLES),
        Err(DescribeError::Length { item: 0, .. })
    ));
    assert!(matches!(
        both.describe(&[Heard::Mix(&mix[..128])], 128),
        Err(DescribeError::Short { .. })
    ));

    let refused = |runs: &[&std::path::PathBuf]| {
        let runs: Vec<_> = runs.iter().map(|&run| run.clone()).collect();
        Describer::load(&runs, &cpu).err().unwrap().to_string()
    };
    let direct = make("direct", "direct", None, &[]);
    let clean = make("clean", "clean", bass, &[]);
    let separator = make("separator", "separator", bass, &[]);
    let coarse = make("coarse", "cascade", bass, &["front_end.stft_hop=64"]);
    assert!(refused(&[]).contains("no run was given"));
    assert!(refused(&[&b, &other]).contains("both describe bass"));
    assert!(refused(&[&d, &direct]).contains("given alone"));
    assert!(refused(&[&d, &clean]).contains("clean stems"));
    assert!(refused(&[&d, &coarse]).contains("spectrograms"));
    assert!(refused(&[&separator]).contains("describes nothing"));
    let mut clean = Describer::load(&[clean], &cpu).unwrap();
    let message = clean
        .describe(&[Heard::Mix(&mix)], SAMPLES)
        .unwrap_err()
        .to_string();
    assert!(message.contains("cannot describe bass in a mix"), "{message}");
}
