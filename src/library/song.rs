//! From a file of music to the segments that models hear.

use std::path::Path;

use crate::audio::{AudioError, AudioReader, Resampler};

/// Least difference of the highest and lowest sample of a segment with sound: of 1e-4, full scale being 1.
const SOUND: i32 = 4;

/// Reads the file `path` and hands over its segments of `length` samples at `rate` Hz, those with sound, one after
/// another. Returns its length in seconds; `None` if `on_segment` returned false, which ends the reading.
pub(super) fn segments(
    path: &Path,
    rate: u32,
    length: usize,
    on_segment: &mut dyn FnMut(Vec<i16>) -> bool,
) -> Result<Option<f64>, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let (own, channels) = (reader.rate(), reader.channels());
    let mut resampler = Resampler::new(own, rate)?;
    let mut cutter = Cutter {
        length,
        before: Vec::new(),
        rest: Vec::with_capacity(length),
        on_segment,
    };
    let (mut frames, mut mono, mut resampled) = (0, Vec::new(), Vec::new());
    while let Some(chunk) = reader.next_chunk()? {
        let scale = 1.0 / channels as f32;
        mono.clear();
        mono.extend(
            chunk
                .chunks_exact(channels)
                .map(|frame| frame.iter().sum::<f32>() * scale),
        );
        frames += mono.len() as u64;
        resampled.clear();
        resampler.push(&mono, &mut resampled)?;
        if !cutter.push(&resampled) {
            return Ok(None);
        }
    }
    resampled.clear();
    resampler.finish(&mut resampled)?;
    let whole = cutter.push(&resampled) && cutter.finish();
    Ok(whole.then_some(frames as f64 / f64::from(own)))
}

struct Cutter<'a> {
    length: usize,
    /// The segment before.
    before: Vec<i16>,
    /// What is not yet a segment.
    rest: Vec<i16>,
    on_segment: &'a mut dyn FnMut(Vec<i16>) -> bool,
}

impl Cutter<'_> {
    fn push(&mut self, samples: &[f32]) -> bool {
        for &x in samples {
            self.rest.push((x * 32768.0).round() as i16); // saturates
            if self.rest.len() == self.length {
                if !self.hand_over(&self.rest.clone()) {
                    return false;
                }
                std::mem::swap(&mut self.before, &mut self.rest);
                self.rest.clear();
            }
        }
        true
    }

    /// Hands over the last segment, if there is one.
    fn finish(mut self) -> bool {
        let (length, rest) = (self.length, self.rest.len());
        let mut last = std::mem::take(&mut self.rest);
        if self.before.is_empty() && rest > 0 {
            last.resize(length, 0);
        } else if 2 * rest >= length {
            last = [&self.before[rest..], &last].concat();
        } else {
            return true;
        }
        self.hand_over(&last)
    }

    fn hand_over(&mut self, segment: &[i16]) -> bool {
        let (low, high) = segment
            .iter()
            .fold((i16::MAX, i16::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        i32::from(high) - i32::from(low) < SOUND || (self.on_segment)(segment.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first samples of the segments of a ramp.
    fn starts(samples: usize) -> Vec<(i16, i16)> {
        let mut found = Vec::new();
        let mut on_segment = |segment: Vec<i16>| {
            assert_eq!(segment.len(), 100);
            found.push((segment[0], segment[99]));
            true
        };
        let mut cutter = Cutter {
            length: 100,
            before: Vec::new(),
            rest: Vec::new(),
            on_segment: &mut on_segment,
        };
        let ramp: Vec<f32> = (0..samples).map(|i| i as f32 / 32768.0).collect();
        assert!(ramp.chunks(33).all(|chunk| cutter.push(chunk)) && cutter.finish());
        found
    }

    #[test]
    fn a_rest_of_half_a_segment_ends_with_the_music() {
        assert_eq!(starts(200), [(0, 99), (100, 199)]);
        assert_eq!(starts(249), [(0, 99), (100, 199)]);
        assert_eq!(starts(250), [(0, 99), (100, 199), (150, 249)]);
        assert_eq!(starts(299), [(0, 99), (100, 199), (199, 298)]);
        assert_eq!(starts(60), [(0, 0)], "filled up with silence");
        assert_eq!(starts(0), []);
    }
}
