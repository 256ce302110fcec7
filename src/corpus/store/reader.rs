//! A finished store, mapped.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use memmap2::Mmap;
use rayon::prelude::*;

use super::{
    folder::LOCK,
    format::{
        Content, Entry, LEAST_QUIET, MANIFEST, Manifest, Record, absent, name, pcm_path, record_path, stride,
    },
};
use crate::{
    corpus::{CorpusError, Instrument, QuietStretches, Split},
    files,
};

/// A prepared corpus. What it holds in memory is the index; samples are read from the disk as they are touched, and
/// kept or dropped by the operating system.
pub struct Store {
    root: PathBuf,
    rate: u32,
    hash: String,
    tracks: Vec<StoredTrack>,
    left_out: Vec<(Split, u32)>,
    licence: Option<String>,
}

/// A track of a [`Store`].
pub struct StoredTrack {
    /// The number in its name.
    pub id: u32,
    /// Its split.
    pub split: Split,
    /// What it is a rendering of, if the store says so: [`Metadata::work`](crate::corpus::Metadata::work).
    pub work: Option<String>,
    /// Length in samples.
    pub frames: u64,
    /// Quarter notes a minute, as [`read_tempo`](crate::corpus::midi::read_tempo) says, or without a usable `all_src.mid`
    /// [`estimate_tempo`](crate::corpus::estimate_tempo); `None` where this has none: such a track belongs to no tempo class.
    pub tempo: Option<f64>,
    map: Mmap,
    pcm: String,
    /// By instrument: where its samples begin, in bytes.
    starts: [Option<usize>; 5],
    quiet: [QuietStretches; 5],
    clipped: [u64; 5],
}

impl Store {
    /// Whether a folder holds a store, finished or not.
    pub fn is_at(root: &Path) -> bool {
        [MANIFEST, LOCK].iter().any(|name| root.join(name).is_file())
    }

    /// Opens the finished store `root` and maps all its tracks. Compares sizes and the records' hashes with the
    /// manifest; [`Store::verify`] also compares the samples'.
    ///
    /// # Errors
    /// [`CorpusError::Missing`] if the store is not finished or lacks a file, [`CorpusError::Store`] for a file that
    /// is truncated, damaged, or of another version, [`CorpusError::Io`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CorpusError> {
        let root = root.into();
        let manifest = Manifest::read(&root)?;
        let open = |entry: &Entry| StoredTrack::open(&root, entry, manifest.rate);
        let tracks = manifest.tracks.par_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Store {
            rate: manifest.rate,
            hash: manifest.hash,
            tracks,
            left_out: manifest
                .left_out
                .iter()
                .map(|name| (name.split, name.id))
                .collect(),
            licence: manifest.licence,
            root,
        })
    }

    /// The folder it was opened at.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// In Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The integrity hash, in hexadecimal: over rate, names, tempi, samples and activity of all tracks. The same
    /// audio gives the same hash, whatever files it came in.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// All tracks, by split, then number.
    pub fn tracks(&self) -> &[StoredTrack] {
        &self.tracks
    }

    /// The tracks of one split, by number.
    pub fn split(&self, split: Split) -> &[StoredTrack] {
        let start = self.tracks.partition_point(|track| track.split < split);
        let end = self.tracks.partition_point(|track| track.split <= split);
        &self.tracks[start..end]
    }

    /// The licence of its corpus, if that names one.
    pub fn licence(&self) -> Option<&str> {
        self.licence.as_deref()
    }

    /// Split and number of the tracks that could not be read and were left out.
    pub fn left_out(&self) -> &[(Split, u32)] {
        &self.left_out
    }

    /// Reads all samples and compares their hashes, in parallel on the current rayon pool. `progress` is called with
    /// (tracks done, tracks in all), from any thread.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] that names every damaged file.
    pub fn verify(&self, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<(), CorpusError> {
        let done = AtomicUsize::new(0);
        let damaged = self.tracks.par_iter().filter(|track| {
            let differs = track.hash().to_hex().as_str() != track.pcm;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, self.tracks.len());
            differs
        });
        let names: Vec<_> = damaged
            .map(|track| pcm_path(&self.root, track.split, track.id).display().to_string())
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(CorpusError::invalid(format!(
            "the samples are not those that were written in: {}; remove these files and run 'stemwise corpus prepare' \
             again",
            names.join(", ")
        )))
    }
}

impl StoredTrack {
    fn open(root: &Path, entry: &Entry, rate: u32) -> Result<Self, CorpusError> {
        let (split, id) = (entry.split, entry.id);
        let Record { content, work, .. } = Record::read(root, split, id)?;
        if content.hash()? != entry.hash || content.rate != rate {
            let message = "it is not the record that the manifest lists; run 'stemwise corpus prepare' again";
            return Err(CorpusError::store(&record_path(root, split, id), message));
        }
        let map = map(&pcm_path(root, split, id), content.pcm_bytes())?;
        let frames = content.frames;
        // An absent instrument is silent all through.
        let silence = std::iter::once(0..frames).filter(|all| all.end >= LEAST_QUIET);
        let silence = QuietStretches::from_parts(frames, LEAST_QUIET, silence.collect());
        let mut track = StoredTrack {
            id,
            split,
            work,
            frames,
            tempo: content.beat.map(|beat| 60e6 / f64::from(beat)),
            map,
            starts: [None; 5],
            quiet: std::array::from_fn(|_| silence.clone()),
            clipped: [0; 5],
            pcm: String::new(),
        };
        track.fill(&content);
        Ok(track)
    }

    fn fill(&mut self, content: &Content) {
        for (k, part) in content.parts.iter().enumerate() {
            let i = part.instrument as usize;
            self.starts[i] = Some(k * stride(self.frames) as usize);
            self.clipped[i] = part.clipped;
            if let Some(quiet) = content.quiet(part) {
                self.quiet[i] = quiet;
            }
        }
        self.pcm.clone_from(&content.pcm);
    }

    /// Split and name, as `train/Track00001`.
    pub fn name(&self) -> String {
        name(self.split, self.id)
    }

    /// Whether an instrument has stems in it. It may be silent all the same.
    pub fn plays(&self, instrument: Instrument) -> bool {
        self.starts[instrument as usize].is_some()
    }

    /// Where an instrument is quiet: from this follow its [`SoundingStarts`](crate::corpus::SoundingStarts) for
    /// segments of 4 × [`LEAST_QUIET`] samples or more. One that does not play is quiet all through.
    pub fn quiet(&self, instrument: Instrument) -> &QuietStretches {
        &self.quiet[instrument as usize]
    }

    /// All samples of an instrument, `frames` of them: the sum of its stems, full scale ±32768. `None` if it does
    /// not play. They are read from the disk page by page, as they are touched; what is wanted at once is read
    /// faster as an [`StoredTrack::excerpt`].
    pub fn samples(&self, instrument: Instrument) -> Option<&[i16]> {
        bytemuck::try_cast_slice(self.map.get(self.bytes(instrument)?)?).ok()
    }

    /// The `len` samples of an instrument from `start` on, which the system is asked to read from the disk in one
    /// piece. `None` if it does not play, or the track ends before.
    pub fn excerpt(&self, instrument: Instrument, start: u64, len: usize) -> Option<&[i16]> {
        let start = usize::try_from(start).ok()?;
        let range = start..start.checked_add(len)?;
        let samples = self.samples(instrument)?.get(range)?;
        self.will_read(
            self.bytes(instrument)?.start + start * size_of::<i16>(),
            size_of_val(samples),
        );
        Some(samples)
    }

    /// Where an instrument lies in the file.
    fn bytes(&self, instrument: Instrument) -> Option<Range<usize>> {
        let start = self.starts[instrument as usize]?;
        Some(start..start + self.frames as usize * size_of::<i16>())
    }

    fn hash(&self) -> blake3::Hash {
        const PIECE: usize = 1 << 22;
        let mut hasher = blake3::Hasher::new();
        for (i, piece) in self.map.chunks(PIECE).enumerate() {
            self.will_read(i * PIECE, piece.len());
            hasher.update(piece);
        }
        hasher.finalize()
    }

    /// Advice to the system, which changes nothing but the time that reading takes.
    #[cfg_attr(not(unix), allow(unused_variables))]
    fn will_read(&self, start: usize, len: usize) {
        #[cfg(unix)]
        let _ = self.map.advise_range(memmap2::Advice::WillNeed, start, len);
    }

    /// How many samples of an instrument were beyond full scale and are cut to it.
    pub fn clipped(&self, instrument: Instrument) -> u64 {
        self.clipped[instrument as usize]
    }
}

/// Maps a file that must have `bytes` bytes. The map outlives the open file.
fn map(path: &Path, bytes: u64) -> Result<Mmap, CorpusError> {
    let file = files::open(path).map_err(absent("open", path))?;
    let found = file.metadata().map_err(CorpusError::io("read", path))?.len();
    if found != bytes {
        let message = format!("it has {found} bytes instead of {bytes}; run 'stemwise corpus prepare' again");
        return Err(CorpusError::store(path, message));
    }
    // SAFETY: a map is sound as long as nobody changes or truncates the file. `prepare` never does: samples are
    // written under another name and renamed, and what a rename replaces lives on until it is unmapped. Whoever
    // writes into a store's files by other means while it is in use reads garbage, or is ended by the system.
    let map = unsafe { Mmap::map(&file) }.map_err(CorpusError::io("map", path))?;
    // Otherwise the system reads megabytes around every page touched, of which random excerpts use little.
    #[cfg(unix)]
    let _ = map.advise(memmap2::Advice::Random);
    Ok(map)
}
