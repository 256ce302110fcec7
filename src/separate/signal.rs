//! Separation of what is in memory.

use super::{SeparateError, Separators, windows::Windows};
use crate::audio::{IstftStream, StftStream};

/// Samples that go in at a time.
const CHUNK: usize = 1 << 16;

/// The stems of a signal at the models' rate, as long as it is, in the order of [`Separators::instruments`].
///
/// # Errors
/// What the device gives, and [`SeparateError::Interrupted`].
pub fn separate_signal(separators: &mut Separators, mix: &[f32]) -> Result<Vec<Vec<f32>>, SeparateError> {
    let stft = separators.stft().clone();
    let count = separators.instruments().len();
    let mut windows = Windows::new(separators, 1);
    let mut transform = StftStream::new(stft.clone());
    let mut inverses: Vec<IstftStream> = (0..count).map(|_| IstftStream::new(stft.clone())).collect();
    let mut stems = vec![Vec::with_capacity(mix.len()); count];
    let mut run = |windows: &mut Windows, last: bool| {
        let mut bins = Vec::new();
        windows.separate(separators, last, &mut |_, mixture, masks| {
            for ((inverse, stem), mask) in inverses.iter_mut().zip(&mut stems).zip(masks) {
                bins.clear();
                bins.extend(mixture.iter().zip(*mask).map(|(x, m)| x * m));
                inverse.push(&bins, stem);
            }
        })
    };
    for chunk in mix.chunks(CHUNK) {
        transform.push(chunk, |frame| windows.push(0, frame));
        run(&mut windows, false)?;
    }
    let samples = transform.finish_closed(|frame| windows.push(0, frame));
    run(&mut windows, true)?;
    for (inverse, stem) in inverses.into_iter().zip(&mut stems) {
        inverse.finish(samples, stem)?;
    }
    Ok(stems)
}
