//! How well tempo is found in sound: the mixes of a store's pieces beside what their MIDI files say.
//!
//! `cargo run --release --example tempo -- STORE [EVERY]` takes all pieces, or each so manieth. Right is what is within 4 % of
//! the written tempo, its half or its double; a constant 120 stands beside it.

use std::{env, error::Error};

use rayon::prelude::*;
use stemwise::corpus::{Instrument, Store, StoredTrack, estimate_tempo};

/// Relative error that still is right.
const NEAR: f64 = 0.04;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let root = arguments.next().ok_or("give a store")?;
    let every = arguments.next().map_or(Ok(1), |every| every.parse::<usize>())?;
    let store = Store::open(root)?;
    let tracks = store.tracks().iter().step_by(every.max(1));
    let written: Vec<(&StoredTrack, f64)> = tracks.filter_map(|track| Some((track, track.tempo?))).collect();
    let compared = written.par_iter().map(|&(track, tempo)| {
        let mut mix = vec![0.0f32; track.frames as usize];
        for samples in Instrument::ALL.into_iter().filter_map(|i| track.samples(i)) {
            mix.iter_mut()
                .zip(samples)
                .for_each(|(sum, &x)| *sum += f32::from(x) / 32768.0);
        }
        let found = estimate_tempo(&mix, store.rate())?;
        Ok((track.name(), tempo, found))
    });
    let compared: Vec<(String, f64, Option<f64>)> =
        compared.collect::<Result<_, stemwise::corpus::CorpusError>>()?;
    for (name, tempo, found) in compared.iter().filter(|(_, tempo, found)| !right(*tempo, *found)) {
        println!(
            "{name}: {tempo:.1} written, {} found",
            found.map_or("none".into(), |t| format!("{t:.1}"))
        );
    }
    let share = |of: &dyn Fn(Option<f64>) -> Option<f64>| {
        let hits = compared
            .iter()
            .filter(|(_, tempo, found)| right(*tempo, of(*found)));
        100.0 * hits.count() as f64 / compared.len().max(1) as f64
    };
    println!(
        "of {} pieces: found in the sound {:.1} %, a constant 120 {:.1} %",
        compared.len(),
        share(&|found| found),
        share(&|_| Some(120.0))
    );
    Ok(())
}

/// Whether a tempo is that which is written, its half or its double.
fn right(written: f64, found: Option<f64>) -> bool {
    let near = |found: f64| {
        [0.5, 1.0, 2.0]
            .iter()
            .any(|times| (found / (times * written) - 1.0).abs() <= NEAR)
    };
    found.is_some_and(near)
}
