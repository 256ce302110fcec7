//! From a file of music to the segments that models hear.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{Header, LibraryError, Subspace, phase::Phase};
use crate::{
    audio::{AudioError, AudioReader, Resampler, frames_at},
    corpus::SeparatedStems,
};

/// What is heard of a file, in order.
pub(super) enum Part {
    /// The next segment with sound.
    Segment {
        /// Its first sample in the music.
        start: u64,
        /// Of the music; or of each stem, one behind the other.
        samples: Vec<i16>,
    },
    /// The channels cancel one another: what was heard so far counts for nothing, and all comes anew from one channel.
    Anew,
}

/// What a file turned out to be.
pub(super) struct Heard {
    /// Its length.
    pub seconds: f64,
    /// The channel that was heard, if not all of them were.
    pub channel: Option<usize>,
}

/// Reads the file `path` and hands over its segments as `header` has them, those with sound, one after another; of a library
/// of separated stems these, in the place of the music. `None` if `stop` was set, or `on_part` returned false, which ends
/// the reading.
pub(super) fn hear(
    path: &Path,
    header: &Header,
    stop: &AtomicBool,
    on_part: &mut dyn FnMut(Part) -> bool,
) -> Result<Option<Heard>, LibraryError> {
    let form = (header.rate, header.segment);
    let Some(folder) = &header.stems else {
        return Ok(hear_music(path, form, stop, on_part)?);
    };
    let stems = Stems::read(path, folder, header)?;
    let on_part = &mut |part| {
        on_part(match part {
            Part::Segment { start, .. } => Part::Segment {
                start,
                samples: stems.segment(start as usize, header.segment),
            },
            Part::Anew => Part::Anew,
        })
    };
    Ok(hear_music(path, form, stop, on_part)?)
}

/// The stems of a song, whole, in the order of the header's instruments.
struct Stems(Vec<Vec<i16>>);

impl Stems {
    fn read(song: &Path, folder: &Path, header: &Header) -> Result<Self, LibraryError> {
        let stems = SeparatedStems::open(folder)?;
        let name = song.file_stem().unwrap_or_default().to_string_lossy();
        let frames = frames_at(song, header.rate)?;
        let stem = |subspace: &Subspace| {
            let samples = stems.whole(&name, subspace.instrument, header.rate, frames)?;
            Ok(samples.into_iter().map(pcm16).collect())
        };
        let stems = header.subspaces.iter().map(stem);
        Ok(Stems(stems.collect::<Result<_, LibraryError>>()?))
    }

    /// A segment of each, one behind the other.
    fn segment(&self, start: usize, length: usize) -> Vec<i16> {
        let mut samples = Vec::with_capacity(self.0.len() * length);
        for stem in &self.0 {
            let end = samples.len() + length;
            samples.extend(stem.iter().skip(start).take(length));
            samples.resize(end, 0);
        }
        samples
    }
}

/// A sample in 16 bits; what exceeds full scale is cut to it.
fn pcm16(sample: f32) -> i16 {
    (sample * 32768.0).round() as i16 // saturates
}

fn hear_music(
    path: &Path,
    (rate, length): (u32, usize),
    stop: &AtomicBool,
    on_part: &mut dyn FnMut(Part) -> bool,
) -> Result<Option<Heard>, AudioError> {
    let Some((seconds, phase)) = segments(path, (rate, length), None, stop, on_part)? else {
        return Ok(None);
    };
    if !phase.cancelled() {
        let channel = None;
        return Ok(Some(Heard { seconds, channel }));
    }
    let channel = Some(phase.loudest());
    if !on_part(Part::Anew) {
        return Ok(None);
    }
    let heard = segments(path, (rate, length), channel, stop, on_part)?;
    Ok(heard.map(|(seconds, _)| Heard { seconds, channel }))
}

/// The segments of one channel, or of the mean of all; of that no more once they cancel one another.
fn segments(
    path: &Path,
    (rate, length): (u32, usize),
    channel: Option<usize>,
    stop: &AtomicBool,
    on_part: &mut dyn FnMut(Part) -> bool,
) -> Result<Option<(f64, Phase)>, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let (own, channels) = (reader.rate(), reader.channels());
    // it may be another file by now
    let channel = channel.map(|channel| channel.min(channels - 1));
    let mut phase = Phase::new(channels, channel, own, length, rate);
    let mut resampler = Resampler::new(own, rate)?;
    let mut cutter = Cutter {
        length,
        count: 0,
        before: Vec::new(),
        rest: Vec::with_capacity(length),
        on_segment: &mut |start, samples| on_part(Part::Segment { start, samples }),
    };
    let (mut frames, mut signal, mut resampled) = (0, Vec::new(), Vec::new());
    while let Some(chunk) = reader.next_chunk()? {
        if stop.load(Relaxed) {
            return Ok(None);
        }
        signal.clear();
        phase.push(chunk, &mut signal);
        frames += signal.len() as u64;
        if phase.cancelled() {
            continue; // which channel is the loudest remains to be heard
        }
        resampled.clear();
        resampler.push(&signal, &mut resampled)?;
        if !cutter.push(&resampled, &phase.sounding) {
            return Ok(None);
        }
    }
    phase.finish();
    if !phase.cancelled() {
        resampled.clear();
        resampler.finish(&mut resampled)?;
        if !(cutter.push(&resampled, &phase.sounding) && cutter.finish(&phase.sounding)) {
            return Ok(None);
        }
    }
    Ok(Some((frames as f64 / f64::from(own), phase)))
}

struct Cutter<'a> {
    length: usize,
    /// Whole segments so far.
    count: usize,
    /// The segment before.
    before: Vec<i16>,
    /// What is not yet a segment.
    rest: Vec<i16>,
    /// Takes a segment and its first sample.
    on_segment: &'a mut dyn FnMut(u64, Vec<i16>) -> bool,
}

impl Cutter<'_> {
    /// `sounding` says which segments sound, as far as it is known: the others are taken to.
    fn push(&mut self, samples: &[f32], sounding: &[bool]) -> bool {
        for &x in samples {
            self.rest.push(pcm16(x));
            if self.rest.len() == self.length {
                let sounds = sounding.get(self.count).is_none_or(|&sounds| sounds);
                let start = (self.count * self.length) as u64;
                if sounds && !self.hand_over(start, &self.rest.clone()) {
                    return false;
                }
                self.count += 1;
                std::mem::swap(&mut self.before, &mut self.rest);
                self.rest.clear();
            }
        }
        true
    }

    /// Hands over the last segment, if there is one.
    fn finish(mut self, sounding: &[bool]) -> bool {
        let (length, rest) = (self.length, self.rest.len());
        let mut last = std::mem::take(&mut self.rest);
        if self.before.is_empty() && rest > 0 {
            last.resize(length, 0);
        } else if 2 * rest >= length {
            last = [&self.before[rest..], &last].concat();
        } else {
            return true;
        }
        let of = sounding.get(self.count.saturating_sub(1)..).unwrap_or_default();
        let sounds = of.is_empty() || of.contains(&true);
        let start = (self.count * length + rest).saturating_sub(length) as u64;
        !sounds || self.hand_over(start, &last)
    }

    fn hand_over(&mut self, start: u64, segment: &[i16]) -> bool {
        let constant = segment.windows(2).all(|pair| pair[0] == pair[1]);
        constant || (self.on_segment)(start, segment.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first samples of the segments of a ramp.
    fn starts(samples: usize) -> Vec<(i16, i16)> {
        let mut found = Vec::new();
        let mut on_segment = |start: u64, segment: Vec<i16>| {
            assert_eq!((segment.len(), start), (100, segment[0] as u64));
            found.push((segment[0], segment[99]));
            true
        };
        let mut cutter = Cutter {
            length: 100,
            count: 0,
            before: Vec::new(),
            rest: Vec::new(),
            on_segment: &mut on_segment,
        };
        let ramp: Vec<f32> = (0..samples).map(|i| i as f32 / 32768.0).collect();
        assert!(ramp.chunks(33).all(|chunk| cutter.push(chunk, &[])) && cutter.finish(&[]));
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
