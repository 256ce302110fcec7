//! The folder of one track: levels, quantisation, files.

use std::{collections::BTreeMap, fs, path::Path};

use ebur128::{EbuR128, Mode};

use super::{SAMPLE_RATE, TARGET_PEAK, track_folder};
use crate::corpus::{CorpusError, Metadata, StemMetadata};

/// How loud a track is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Level {
    /// The mix peaks at −1 dBFS; a stem's `integrated_loudness` is its RMS in dBFS.
    Peak,
    /// The mix has this integrated loudness in LUFS (EBU R 128), or less if it would peak above −1 dBFS; a stem's
    /// `integrated_loudness` is in LUFS too.
    Loudness(f64),
}

/// A track in memory: samples of any scale at [`SAMPLE_RATE`], and MIDI files as bytes.
pub(crate) struct TrackContent<'a> {
    pub number: u32,
    /// The folder below the root.
    pub split: &'a str,
    pub uuid: &'a str,
    /// Where the piece comes from: `lmd_midi_dir` of the metadata.
    pub source: &'a str,
    pub level: Level,
    /// They become `S00`, `S01`, … in this order.
    pub stems: Vec<StemContent<'a>>,
    /// `all_src.mid`.
    pub midi: Vec<u8>,
}

/// One stem of a [`TrackContent`].
pub(crate) struct StemContent<'a> {
    /// Its `audio_rendered` and `integrated_loudness` are filled in.
    pub metadata: StemMetadata,
    /// One channel; `None` for a stem that is only in the metadata and in `MIDI/`. All that are there have one length.
    pub samples: Option<&'a [f32]>,
    pub midi: Vec<u8>,
}

impl TrackContent<'_> {
    /// Writes `<root>/<split>/TrackNNNNN`. All stems get one gain, by which the mix has its [`Level`] and no stem
    /// clips; they are quantised first, and the mix is their exact sum. The folder appears when it is whole.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] if the folder exists, or for stems of unequal lengths or samples that are not finite;
    /// [`CorpusError::Io`] and others if a file cannot be written.
    pub fn write(&self, root: &Path) -> Result<(), CorpusError> {
        let length = self.check()?;
        let target = track_folder(root, self.split, self.number);
        let parent = root.join(self.split);
        // The name does not start with `Track`, so that no reader takes it for one.
        let partial = parent.join(format!(".partial-Track{:05}", self.number));
        if target.exists() {
            return Err(CorpusError::invalid(format!(
                "{} exists: remove it to write it anew",
                target.display()
            )));
        }
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(CorpusError::io("remove", &partial))?;
        }
        for folder in ["stems", "MIDI"] {
            let path = partial.join(folder);
            fs::create_dir_all(&path).map_err(CorpusError::io("create", &path))?;
        }
        self.fill(&partial, length)?;
        fs::rename(&partial, &target).map_err(CorpusError::io("rename to", &target))
    }

    fn sounding(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let stems = self.stems.iter().enumerate();
        stems.filter_map(|(i, stem)| Some((i, stem.samples?)))
    }

    /// The length of all stems.
    fn check(&self) -> Result<usize, CorpusError> {
        let fail = |what: String| Err(CorpusError::invalid(format!("track {}: {what}", self.number)));
        let Some((first, length)) = self.sounding().map(|(i, x)| (i, x.len())).next() else {
            return fail("it has no stems or no samples".into());
        };
        if length == 0 {
            return fail("it has no stems or no samples".into());
        }
        for (i, samples) in self.sounding() {
            if samples.len() != length {
                return fail(format!(
                    "stem S{i:02} has {} samples, S{first:02} has {length}",
                    samples.len()
                ));
            }
            if let Some(at) = samples.iter().position(|x| !x.is_finite()) {
                return fail(format!("sample {at} of stem S{i:02} is not a finite number"));
            }
        }
        Ok(length)
    }

    fn fill(&self, folder: &Path, length: usize) -> Result<(), CorpusError> {
        let gain = self.gain(length)?;
        let mut mix = vec![0i32; length];
        let mut stems = BTreeMap::new();
        for (i, stem) in self.stems.iter().enumerate() {
            let name = format!("S{i:02}");
            let mut metadata = stem.metadata.clone();
            metadata.audio_rendered = Some(stem.samples.is_some());
            metadata.integrated_loudness = SILENCE;
            if let Some(samples) = stem.samples {
                let steps = samples.iter().map(|x| (*x as f64 * gain).round() as i16);
                let steps: Vec<i16> = steps.collect();
                mix.iter_mut().zip(&steps).for_each(|(m, s)| *m += *s as i32);
                write_wav(&folder.join(format!("stems/{name}.wav")), steps.iter().copied())?;
                metadata.integrated_loudness = self.loudness(&steps)?;
            }
            let path = folder.join(format!("MIDI/{name}.mid"));
            fs::write(&path, &stem.midi).map_err(CorpusError::io("write", &path))?;
            stems.insert(name, metadata);
        }
        // At −1 dBFS the sum has room for the rounding of some thousand stems.
        let mix = mix
            .iter()
            .map(|&x| x.clamp(i16::MIN as i32, i16::MAX as i32) as i16);
        write_wav(&folder.join("mix.wav"), mix)?;
        let path = folder.join("all_src.mid");
        fs::write(&path, &self.midi).map_err(CorpusError::io("write", &path))?;
        self.write_metadata(&folder.join("metadata.yaml"), stems, gain / i16::MAX as f64)
    }

    /// From samples to 16-bit steps: the mix has its level and peaks at [`TARGET_PEAK`] at most, and no stem alone
    /// clips.
    fn gain(&self, length: usize) -> Result<f64, CorpusError> {
        let mut mix = vec![0f64; length];
        let mut loudest = 0f64;
        for (_, samples) in self.sounding() {
            for (sum, x) in mix.iter_mut().zip(samples) {
                *sum += *x as f64;
                loudest = loudest.max(x.abs() as f64);
            }
        }
        let peak = mix.iter().fold(0f64, |peak, x| peak.max(x.abs()));
        let full = i16::MAX as f64;
        let peak_gain = 10f64.powf(TARGET_PEAK / 20.0) * full / peak.max(1e-9);
        let gain = peak_gain.min((full - 1.0) / loudest.max(1e-9));
        Ok(match self.level {
            Level::Peak => gain,
            // of less than 400 ms, or of silence, there is no loudness
            Level::Loudness(wanted) => match integrated_loudness(&mix)? {
                Some(found) => gain.min(10f64.powf((wanted - found) / 20.0) * full),
                None => gain,
            },
        })
    }

    /// A stem's loudness in dB, in hundredths, as a reader would want to see it.
    fn loudness(&self, steps: &[i16]) -> Result<f64, CorpusError> {
        let full = i16::MAX as f64;
        let decibels = match self.level {
            Level::Peak => {
                let power =
                    steps.iter().map(|x| (*x as f64 / full).powi(2)).sum::<f64>() / steps.len() as f64;
                10.0 * power.max(1e-12).log10()
            }
            Level::Loudness(_) => {
                let samples: Vec<f64> = steps.iter().map(|x| *x as f64 / full).collect();
                integrated_loudness(&samples)?.unwrap_or(SILENCE)
            }
        };
        Ok((decibels * 100.0).round() / 100.0)
    }

    fn write_metadata(
        &self,
        path: &Path,
        stems: BTreeMap<String, StemMetadata>,
        gain: f64,
    ) -> Result<(), CorpusError> {
        let track = format!("Track{:05}", self.number);
        let metadata = Metadata {
            uuid: self.uuid.into(),
            audio_dir: format!("{track}/stems"),
            lmd_midi_dir: self.source.into(),
            midi_dir: format!("{track}/MIDI"),
            normalization_factor: match self.level {
                Level::Peak => TARGET_PEAK,
                Level::Loudness(wanted) => wanted,
            },
            normalized: true,
            overall_gain: gain,
            stems,
            target_peak: TARGET_PEAK,
        };
        let text = serde_saphyr::to_string(&metadata).map_err(|e| CorpusError::Metadata {
            path: path.into(),
            message: e.to_string(),
        })?;
        fs::write(path, text).map_err(CorpusError::io("write", path))
    }
}

/// The loudness that stands for silence, in dB.
const SILENCE: f64 = -120.0;

/// In LUFS, of one channel at [`SAMPLE_RATE`]; `None` if there is none.
fn integrated_loudness(samples: &[f64]) -> Result<Option<f64>, CorpusError> {
    let measure = || {
        let mut meter = EbuR128::new(1, SAMPLE_RATE, Mode::I)?;
        meter.add_frames_f64(samples)?;
        meter.loudness_global()
    };
    let loudness =
        measure().map_err(|e| CorpusError::invalid(format!("the loudness cannot be measured: {e}")))?;
    Ok(loudness.is_finite().then_some(loudness))
}

fn write_wav(path: &Path, samples: impl Iterator<Item = i16>) -> Result<(), CorpusError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let write = || -> Result<(), hound::Error> {
        let mut writer = hound::WavWriter::create(path, spec)?;
        for sample in samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    };
    write().map_err(|error| match error {
        hound::Error::IoError(source) => CorpusError::io("write", path)(source),
        other => CorpusError::invalid(format!("cannot write {}: {other}", path.display())),
    })
}
