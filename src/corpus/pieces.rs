//! The sound of one split's pieces, by instrument and in 16 bits, whether it comes from a store or a folder.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rayon::prelude::*;

use super::{
    Catalogue, Corpus, CorpusError, Excerpt, Instrument, Mix, Piece, PieceOptions, SeparatedStems,
    SoundingStarts, Split, Store, StoredTrack, TempoClasses, Track,
    segment::{SCALE, StemFiles, to_pcm16},
    source::tempo,
    split::track_name,
};

/// Pieces of which any excerpt can be read, on any thread.
///
/// Samples are 16-bit, which is how corpora store them; what exceeds full scale is cut to it. They are the same from
/// a store as from the folder that it was made of, in memory or not: what is drawn does not depend on where it
/// comes from.
pub struct Pieces {
    catalogue: Catalogue,
    audio: Audio,
}

enum Audio {
    Stored(Arc<Store>, Split),
    Decoded(Vec<Decoded>),
}

struct Decoded {
    rate: u32,
    files: StemFiles,
    /// By instrument: the whole track, or `None` if it does not play or is to be read from the disk.
    submixes: [Option<Vec<i16>>; 5],
    resident: bool,
}

impl Pieces {
    pub(super) fn of_store(
        store: &Arc<Store>,
        split: Split,
        options: &PieceOptions,
        classes: &TempoClasses,
    ) -> Result<Self, CorpusError> {
        let (len, root) = (options.segment_len, store.root().display());
        if store.rate() != options.rate {
            return Err(CorpusError::invalid(format!(
                "{root} was prepared at {} Hz, but {} Hz are asked for: prepare the corpus again with --rate {}",
                store.rate(),
                options.rate,
                options.rate
            )));
        }
        let tracks = store.split(split);
        let piece = |track: &StoredTrack| {
            let starts = |i| SoundingStarts::of(track.quiet(i), len);
            let sounding = Instrument::ALL.map(starts);
            if sounding.iter().any(Option::is_none) {
                return Err(CorpusError::invalid(format!(
                    "segments of {len} samples are too short for {root}: use {} or more, or the corpus itself",
                    4 * track.quiet(Instrument::Drums).least()
                )));
            }
            Ok(Piece {
                id: track.id,
                work: track.work.clone(),
                frames: track.frames,
                tempo: track.tempo,
                sounding: sounding.map(Option::unwrap_or_default),
            })
        };
        let pieces = tracks.par_iter().map(piece).collect::<Result<Vec<_>, _>>()?;
        Ok(Pieces {
            catalogue: catalogue(&root, split, pieces, len, classes)?,
            audio: Audio::Stored(store.clone(), split),
        })
    }

    pub(super) fn of_folder(
        corpus: &Corpus,
        split: Split,
        options: &PieceOptions,
        classes: &TempoClasses,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, CorpusError> {
        let (tracks, rate) = (corpus.split(split), options.rate);
        let sized = |track: &Track| {
            let files = StemFiles::of(track)?;
            let frames = files.frames(rate)?;
            Ok((files, frames))
        };
        let sized = tracks
            .par_iter()
            .map(sized)
            .collect::<Result<Vec<_>, CorpusError>>()?;
        let mut budget = Budget(options.memory);
        let planned: Vec<_> = tracks
            .iter()
            .zip(sized)
            .map(|(track, (files, frames))| {
                let playing = Instrument::ALL.into_iter().filter(|&i| files.plays(i));
                let resident = budget.takes(playing.count(), frames);
                (track, files, frames, resident)
            })
            .collect();
        let done = AtomicUsize::new(0);
        let decode = |(track, files, frames, resident): (&Track, StemFiles, u64, bool)| {
            let made = decoded(track, files, frames, resident, options)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, tracks.len());
            Ok(made)
        };
        let (pieces, audio) = planned
            .into_par_iter()
            .map(decode)
            .collect::<Result<(Vec<_>, Vec<_>), CorpusError>>()?;
        Ok(Pieces {
            catalogue: catalogue(
                &corpus.root().display(),
                split,
                pieces,
                options.segment_len,
                classes,
            )?,
            audio: Audio::Decoded(audio),
        })
    }

    /// The same pieces, some of whose instruments sound as another program separated them; the others are silent. Which
    /// segments there are, and where an instrument sounds, remains what the clean stems say. `progress` is called with the
    /// pieces decoded and their number, from any thread.
    ///
    /// # Errors
    /// As [`SeparatedStems::whole`].
    pub fn with_stems(
        self,
        stems: &SeparatedStems,
        instruments: &[Instrument],
        options: &PieceOptions,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, CorpusError> {
        let (pieces, split, rate) = (self.catalogue.pieces(), self.catalogue.split(), options.rate);
        let mut budget = Budget(options.memory);
        let plan = |piece: &Piece| {
            let files = stems.files(
                Some(split),
                &track_name(piece.id),
                instruments,
                rate,
                piece.frames,
            )?;
            Ok((piece.frames, files, budget.takes(instruments.len(), piece.frames)))
        };
        let planned = pieces.iter().map(plan).collect::<Result<Vec<_>, CorpusError>>()?;
        let done = AtomicUsize::new(0);
        let decode = |(frames, files, resident): (u64, StemFiles, bool)| {
            let mut submixes = <[Option<Vec<i16>>; 5]>::default();
            for &instrument in instruments.iter().filter(|_| resident) {
                let mut samples = files.whole(instrument, frames, rate)?;
                submixes[instrument as usize] = Some(to_pcm16(&mut samples).0);
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, pieces.len());
            Ok(Decoded {
                rate,
                files,
                submixes,
                resident,
            })
        };
        let decoded = planned
            .into_par_iter()
            .map(decode)
            .collect::<Result<Vec<_>, CorpusError>>()?;
        Ok(Pieces {
            audio: Audio::Decoded(decoded),
            ..self
        })
    }

    /// What a [`Sampler`](super::Sampler) draws from.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// How many pieces are read at the speed of memory: all of a store, and of a folder those that fitted.
    pub fn resident(&self) -> usize {
        match &self.audio {
            Audio::Stored(store, split) => store.split(*split).len(),
            Audio::Decoded(tracks) => tracks.iter().filter(|track| track.resident).count(),
        }
    }

    /// Reads `out.len()` samples of an instrument from the excerpt's start on: silence where it does not play, and
    /// beyond its end.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if there is no such piece; a file that cannot be read.
    pub fn read(&self, excerpt: Excerpt, out: &mut [i16]) -> Result<(), CorpusError> {
        let Excerpt {
            piece,
            instrument,
            start,
        } = excerpt;
        let missing = || {
            let count = self.catalogue.pieces().len();
            CorpusError::invalid(format!("no piece {piece} of {count}"))
        };
        let sound = match &self.audio {
            Audio::Stored(store, split) => {
                let track = store.split(*split).get(piece as usize).ok_or_else(missing)?;
                let range = within(start, out.len(), track.frames);
                track.excerpt(instrument, range.start, (range.end - range.start) as usize)
            }
            Audio::Decoded(tracks) => {
                let track = tracks.get(piece as usize).ok_or_else(missing)?;
                if !track.resident {
                    let mut samples = track.files.range(instrument, start, out.len(), track.rate)?;
                    out.copy_from_slice(&to_pcm16(&mut samples).0);
                    return Ok(());
                }
                let whole = track.submixes[instrument as usize].as_deref();
                whole.map(|whole| {
                    let range = within(start, out.len(), whole.len() as u64);
                    &whole[range.start as usize..range.end as usize]
                })
            }
        };
        let sound = sound.unwrap_or_default();
        let (start, silence) = out.split_at_mut(sound.len());
        start.copy_from_slice(sound);
        silence.fill(0);
        Ok(())
    }
}

impl Pieces {
    /// What is heard of a mix for `len` samples: the sum of its stems, of which nothing is cut.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn mix(&self, mix: &Mix, len: usize) -> Result<Vec<f32>, CorpusError> {
        let (mut sum, mut stem) = (vec![0.0; len], vec![0; len]);
        for excerpt in mix.sources.into_iter().flatten() {
            self.read(excerpt, &mut stem)?;
            sum.iter_mut()
                .zip(&stem)
                .for_each(|(sum, &x)| *sum += f32::from(x) / SCALE);
        }
        Ok(sum)
    }
}

/// Bytes that are left for decoded audio.
struct Budget(u64);

impl Budget {
    /// Whether so many instruments of 16-bit samples fit, and takes their memory if so.
    fn takes(&mut self, instruments: usize, frames: u64) -> bool {
        let cost = instruments as u64 * frames * size_of::<i16>() as u64;
        let fits = cost <= self.0;
        self.0 -= if fits { cost } else { 0 };
        fits
    }
}

/// The part of `start..start + len` that is within a piece.
fn within(start: u64, len: usize, frames: u64) -> Range<u64> {
    let start = start.min(frames);
    start..frames.min(start.saturating_add(len as u64))
}

fn catalogue(
    root: &dyn std::fmt::Display,
    split: Split,
    pieces: Vec<Piece>,
    segment_len: usize,
    classes: &TempoClasses,
) -> Result<Catalogue, CorpusError> {
    if pieces.is_empty() {
        let message =
            format!("{root} has no tracks in '{split}': training needs the splits train and validation");
        return Err(CorpusError::invalid(message));
    }
    Catalogue::new(split, pieces, segment_len, classes)
}

fn decoded(
    track: &Track,
    files: StemFiles,
    frames: u64,
    resident: bool,
    options: &PieceOptions,
) -> Result<(Piece, Decoded), CorpusError> {
    let mut submixes = <[Option<Vec<i16>>; 5]>::default();
    let mut sounding = <[SoundingStarts; 5]>::default();
    for instrument in Instrument::ALL.into_iter().filter(|&i| files.plays(i)) {
        let mut samples = files.whole(instrument, frames, options.rate)?;
        // where it sounds is found in the samples that will be heard
        let (submix, _) = to_pcm16(&mut samples);
        let i = instrument as usize;
        sounding[i] = SoundingStarts::find(&samples, options.segment_len);
        submixes[i] = resident.then_some(submix);
    }
    let piece = Piece {
        id: track.id,
        work: track.work(),
        frames,
        tempo: tempo(track),
        sounding,
    };
    let rate = options.rate;
    Ok((
        piece,
        Decoded {
            rate,
            files,
            submixes,
            resident,
        },
    ))
}
