//! One track of a store: from stems to samples and record.

use std::{fs, io::Write};

use super::{
    folder::Folder,
    format::{Content, LEAST_QUIET, Part, Record, VERSION, gaps, pcm_path, record_path, stride},
};
use crate::{
    corpus::{
        CorpusError, Instrument, QuietStretches, Track,
        segment::{StemFiles, to_pcm16},
        source::{tempo, written_tempo},
    },
    files::{FileError, create_temporary, persist, write_atomically},
};

/// A track to be prepared.
pub struct Job<'a> {
    pub track: &'a Track,
    pub files: StemFiles,
    /// At the store's rate.
    pub frames: u64,
    /// Fingerprint of its files.
    pub source: String,
}

impl Job<'_> {
    /// Bytes that its files will have. The record, a few kilobytes, is not known before the audio is.
    pub fn bytes(&self) -> u64 {
        let parts = Instrument::ALL
            .into_iter()
            .filter(|&i| self.files.plays(i))
            .count();
        stride(self.frames) * parts as u64 + 4096
    }

    /// Decodes one instrument after another and writes the track. The inner error is about the track, which cannot
    /// be read; the outer one about the store, which cannot be written.
    ///
    /// Needs memory for two decoded stems.
    pub fn write(&self, folder: &Folder, rate: u32) -> Result<Result<Content, CorpusError>, CorpusError> {
        let (split, id) = (self.track.split, self.track.id);
        let path = pcm_path(folder.root(), split, id);
        let parent = folder.root().join(split.name());
        fs::create_dir_all(&parent).map_err(CorpusError::io("create", &parent))?;
        let mut file = create_temporary(&path)?;
        let mut hasher = blake3::Hasher::new();
        let mut parts = Vec::new();
        for instrument in Instrument::ALL.into_iter().filter(|&i| self.files.plays(i)) {
            let (mut samples, part) = match self.decode(instrument, rate) {
                Ok(decoded) => decoded,
                Err(error) => return Ok(Err(error)),
            };
            samples.resize(stride(self.frames) as usize / size_of::<i16>(), 0);
            let bytes = bytemuck::cast_slice(&samples);
            hasher.update(bytes);
            let failed = |source| FileError::Write {
                path: path.clone(),
                source,
            };
            file.write_all(bytes).map_err(failed)?;
            parts.push(part);
        }
        let tempo = tempo(self.track);
        let content = Content {
            version: VERSION,
            split,
            id,
            rate,
            frames: self.frames,
            // As the file has it, so that the tempo is exact.
            beat: tempo.map(|tempo| (60e6 / tempo).round() as u32),
            heard: tempo.is_some() && written_tempo(self.track).is_none(),
            pcm: hasher.finalize().to_hex().to_string(),
            parts,
        };
        let record = Record {
            source: self.source.clone(),
            work: self.track.work(),
            content,
        };
        let json = serde_json::to_vec(&record).map_err(|e| CorpusError::invalid(e.to_string()))?;
        // The record of an older version goes before its samples do.
        folder.forget(split, id)?;
        persist(file, &path)?;
        write_atomically(&record_path(folder.root(), split, id), |out| {
            out.write_all(&json)?;
            out.write_all(b"\n")
        })?;
        Ok(Ok(record.content))
    }

    fn decode(&self, instrument: Instrument, rate: u32) -> Result<(Vec<i16>, Part), CorpusError> {
        let mut sum = self.files.whole(instrument, self.frames, rate)?;
        let (samples, clipped) = to_pcm16(&mut sum);
        let quiet = QuietStretches::find(&sum, LEAST_QUIET as usize);
        let part = Part {
            instrument,
            clipped,
            quiet: gaps(quiet.stretches()),
        };
        Ok((samples, part))
    }
}
