//! Training and validation segments of many tracks, in memory as far as it reaches.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    CorpusError, Instrument, Track,
    segment::{StemFiles, add},
    silence::SoundingStarts,
};

/// What a [`SegmentSource`] gives, and what it may cost.
#[derive(Clone, Debug)]
pub struct SegmentOptions {
    /// The instruments that segments will be asked of.
    pub targets: Vec<Instrument>,
    /// Samples in a segment.
    pub len: usize,
    /// Working rate in Hz; stems of another are resampled.
    pub rate: u32,
    /// Bytes for decoded audio. Tracks that do not fit are read from the disk at every draw.
    pub memory: u64,
}

/// Where a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the track among those that the source was made of.
    pub track: usize,
    /// First sample, at the working rate.
    pub start: u64,
}

/// A segment in which the target instrument sounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The track's number, [`Track::id`].
    pub track: u32,
    /// First sample, at the working rate.
    pub start: u64,
    /// Sum of all five instruments.
    pub mix: Vec<f32>,
    /// The target instrument alone.
    pub target: Vec<f32>,
}

/// Segments of the tracks of one split.
///
/// Samples are rounded to 16 bits, which is how the corpus stores them, whether a track is in memory or not: what
/// is drawn does not depend on the memory there is.
pub struct SegmentSource {
    options: SegmentOptions,
    tracks: Vec<Source>,
    /// By instrument: the tracks in which it sounds for long enough.
    usable: [Vec<usize>; 5],
}

struct Source {
    id: u32,
    files: StemFiles,
    /// By instrument: the whole track in 16 bits, or `None` if it is to be read from the disk.
    submixes: [Option<Vec<i16>>; 5],
    sounding: [SoundingStarts; 5],
}

impl SegmentSource {
    /// Decodes `tracks` in parallel, as far as `options.memory` reaches, and finds out where the targets sound.
    /// Beyond that memory every thread needs room for two decoded stems.
    ///
    /// `progress` is called with the tracks done and their number, from any thread.
    ///
    /// # Errors
    /// Any file that cannot be read; [`CorpusError::Invalid`] for an empty request, or if a target has no
    /// sounding segment in any track.
    pub fn new(
        tracks: &[Track],
        options: SegmentOptions,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, CorpusError> {
        if options.len == 0 || options.targets.is_empty() || tracks.is_empty() {
            let message = "segments need at least one track, one target and one sample";
            return Err(CorpusError::invalid(message));
        }
        let rate = options.rate;
        let sized = |track: &Track| -> Result<_, CorpusError> {
            let files = StemFiles::of(track)?;
            let frames = files.frames(rate)?;
            Ok((track.id, files, frames))
        };
        let sized = tracks.par_iter().map(sized).collect::<Result<Vec<_>, _>>()?;

        let mut left = options.memory;
        let planned: Vec<_> = sized
            .into_iter()
            .map(|(id, files, frames)| {
                let playing = Instrument::ALL.into_iter().filter(|&i| files.plays(i)).count() as u64;
                let cost = playing * frames * size_of::<i16>() as u64;
                let resident = cost <= left;
                left -= if resident { cost } else { 0 };
                (id, files, frames, resident)
            })
            .collect();

        let done = AtomicUsize::new(0);
        let decode = |(id, files, frames, resident)| {
            let source = Source::new(id, files, frames, resident, &options)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, tracks.len());
            Ok(source)
        };
        let tracks = planned
            .into_par_iter()
            .map(decode)
            .collect::<Result<Vec<_>, CorpusError>>()?;

        let sounds = |i: Instrument| {
            (0..tracks.len())
                .filter(|&t| tracks[t].sounding[i as usize].count() > 0)
                .collect()
        };
        let usable: [Vec<usize>; 5] = Instrument::ALL.map(sounds);
        if let Some(target) = options
            .targets
            .iter()
            .find(|&&target| usable[target as usize].is_empty())
        {
            return Err(CorpusError::invalid(format!(
                "none of {} tracks has a segment of {} samples in which {target} sounds: use shorter segments or other tracks",
                tracks.len(),
                options.len
            )));
        }
        Ok(Self {
            options,
            tracks,
            usable,
        })
    }

    /// Samples in a segment.
    pub fn segment_len(&self) -> usize {
        self.options.len
    }

    /// The indices of the tracks in which `target` has a sounding segment, ascending. Empty for an instrument
    /// that is not among the targets.
    pub fn usable(&self, target: Instrument) -> &[usize] {
        &self.usable[target as usize]
    }

    /// How many tracks are left out because `target` never sounds for long enough.
    pub fn left_out(&self, target: Instrument) -> usize {
        self.tracks.len() - self.usable(target).len()
    }

    /// How many tracks are held in memory.
    pub fn resident(&self) -> usize {
        self.tracks
            .iter()
            .filter(|track| track.submixes.iter().any(Option::is_some))
            .count()
    }

    /// Number of the track at `index`.
    pub fn track_id(&self, index: usize) -> Option<u32> {
        self.tracks.get(index).map(|track| track.id)
    }

    /// A random place at which `target` sounds: every usable track is as likely as another, and so is every
    /// such place in it. A pure function of `(target, seed, step, index)`.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if `target` is not among the targets.
    pub fn draw_place(
        &self,
        target: Instrument,
        seed: u64,
        step: u64,
        index: u64,
    ) -> Result<Place, CorpusError> {
        let usable = self.targeted(target)?;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&step.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24] = target as u8;
        let mut rng = ChaCha8Rng::from_seed(key);
        let track = usable[rng.random_range(0..usable.len() as u64) as usize];
        self.sounding_place(target, track, |count| rng.random_range(0..count))
    }

    /// The place that `pick` chooses among the given number of those at which `target` sounds in a track.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if there is none, or `pick` exceeds their number.
    pub fn sounding_place(
        &self,
        target: Instrument,
        track: usize,
        pick: impl FnOnce(u64) -> u64,
    ) -> Result<Place, CorpusError> {
        let starts = self
            .tracks
            .get(track)
            .map(|t| &t.sounding[target as usize])
            .filter(|s| s.count() > 0);
        let start = starts.and_then(|starts| starts.nth(pick(starts.count())));
        let start = start
            .ok_or_else(|| CorpusError::invalid(format!("{target} has no such place in track {track}")))?;
        Ok(Place { track, start })
    }

    /// The segment at [`SegmentSource::draw_place`].
    ///
    /// # Errors
    /// As that, or a file that cannot be read.
    pub fn draw(&self, target: Instrument, seed: u64, step: u64, index: u64) -> Result<Segment, CorpusError> {
        self.segment(target, self.draw_place(target, seed, step, index)?)
    }

    /// `count` places, always the same, spread evenly over all those at which `target` sounds in all tracks;
    /// fewer only if there are fewer.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if `target` is not among the targets.
    pub fn validation_segments(&self, target: Instrument, count: usize) -> Result<Vec<Place>, CorpusError> {
        let usable = self.targeted(target)?;
        let starts = |track: usize| &self.tracks[track].sounding[target as usize];
        let total: u64 = usable.iter().map(|&track| starts(track).count()).sum();
        let count = (count as u64).min(total);
        let (mut places, mut tracks, mut before) = (Vec::new(), usable.iter().copied(), 0);
        let mut track = tracks.next();
        for i in 0..count {
            // The middle of the i-th of `count` equal parts.
            let wanted = ((2 * u128::from(i) + 1) * u128::from(total) / (2 * u128::from(count))) as u64;
            while let Some(t) = track {
                if let Some(start) = starts(t).nth(wanted - before) {
                    places.push(Place { track: t, start });
                    break;
                }
                before += starts(t).count();
                track = tracks.next();
            }
        }
        Ok(places)
    }

    /// The segment at a place.
    ///
    /// # Errors
    /// As [`SegmentSource::submix`].
    pub fn segment(&self, target: Instrument, place: Place) -> Result<Segment, CorpusError> {
        let mut mix = vec![0.0; self.options.len];
        let mut wanted = Vec::new();
        for instrument in Instrument::ALL {
            let submix = self.submix(instrument, place)?;
            add(&mut mix, &submix);
            if instrument == target {
                wanted = submix;
            }
        }
        Ok(Segment {
            track: self.tracks[place.track].id,
            start: place.start,
            mix,
            target: wanted,
        })
    }

    /// One instrument alone at a place, sounding or not; silence beyond the end of the track.
    ///
    /// # Errors
    /// A file that cannot be read; [`CorpusError::Invalid`] if there is no such track.
    pub fn submix(&self, instrument: Instrument, place: Place) -> Result<Vec<f32>, CorpusError> {
        let (len, rate) = (self.options.len, self.options.rate);
        let Some(track) = self.tracks.get(place.track) else {
            return Err(CorpusError::invalid(format!(
                "no track {} of {}",
                place.track,
                self.tracks.len()
            )));
        };
        if let Some(whole) = &track.submixes[instrument as usize] {
            let start = place.start.min(whole.len() as u64) as usize;
            let end = whole.len().min(start.saturating_add(len));
            let mut samples: Vec<f32> = whole[start..end].iter().map(|&x| f32::from(x) / SCALE).collect();
            samples.resize(len, 0.0);
            return Ok(samples);
        }
        let mut samples = track.files.range(instrument, place.start, len, rate)?;
        samples.iter_mut().for_each(|x| *x = quantise(*x));
        Ok(samples)
    }

    fn targeted(&self, target: Instrument) -> Result<&[usize], CorpusError> {
        match self.usable(target) {
            [] => Err(CorpusError::invalid(format!(
                "{target} is not among the targets of these segments"
            ))),
            usable => Ok(usable),
        }
    }
}

impl Source {
    fn new(
        id: u32,
        files: StemFiles,
        frames: u64,
        resident: bool,
        options: &SegmentOptions,
    ) -> Result<Self, CorpusError> {
        let mut submixes = <[Option<Vec<i16>>; 5]>::default();
        let mut sounding = <[SoundingStarts; 5]>::default();
        for instrument in Instrument::ALL {
            let targeted = options.targets.contains(&instrument);
            if !files.plays(instrument) || !(resident || targeted) {
                continue;
            }
            let mut samples = files.whole(instrument, frames, options.rate)?;
            samples.iter_mut().for_each(|x| *x = quantise(*x));
            if targeted {
                sounding[instrument as usize] = SoundingStarts::find(&samples, options.len);
            }
            if resident {
                submixes[instrument as usize] = to_i16(&samples);
            }
        }
        Ok(Self {
            id,
            files,
            submixes,
            sounding,
        })
    }
}

const SCALE: f32 = 32768.0;

/// The nearest multiple of the 16-bit step; not clipped, as a sum of stems may exceed full scale.
fn quantise(x: f32) -> f32 {
    (x * SCALE).round() / SCALE
}

/// Quantised samples as integers, or `None` if one exceeds full scale: then they stay on the disk.
fn to_i16(samples: &[f32]) -> Option<Vec<i16>> {
    let convert = |&x: &f32| {
        let x = x * SCALE;
        (x >= f32::from(i16::MIN) && x <= f32::from(i16::MAX)).then_some(x as i16)
    };
    samples.iter().map(convert).collect()
}
