//! `metrics.jsonl`: one line a step, and one a validation.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::tensorboard::Events;
use crate::{
    files::{self, write_atomically},
    train::{StartUp, TrainError},
};

/// One line. `seconds` counts the time spent in training since step 0, also over resumptions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Step {
        step: u32,
        loss: f32,
        /// What the loss is the weighted sum of, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        parts: BTreeMap<String, f32>,
        /// What it was multiplied by, where activations are kept in 16 bits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss_scale: Option<f32>,
        learning_rate: f32,
        seconds: f64,
        segments_per_second: f64,
        /// Share of the time that the device waited for data.
        #[serde(default)]
        waiting: f64,
        /// On the first step of a start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start_up: Option<StartUp>,
    },
    Validation {
        step: u32,
        validation_loss: f32,
        /// Share of segments whose neighbours are of their piece, by instrument and over all.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        knn: BTreeMap<String, f32>,
        seconds: f64,
    },
}

impl Line {
    fn step(&self) -> u32 {
        match *self {
            Line::Step { step, .. } | Line::Validation { step, .. } => step,
        }
    }

    /// Curves of TensorBoard, and this step's points on them.
    fn scalars(&self) -> Vec<(String, f32)> {
        match self {
            Line::Step {
                loss,
                parts,
                loss_scale,
                learning_rate,
                segments_per_second,
                waiting,
                ..
            } => {
                let mut scalars = vec![
                    ("loss/train".to_string(), *loss),
                    ("training/learning_rate".to_string(), *learning_rate),
                    (
                        "training/segments_per_second".to_string(),
                        *segments_per_second as f32,
                    ),
                    ("training/waiting".to_string(), *waiting as f32),
                ];
                scalars.extend(parts.iter().map(|(name, value)| (format!("loss/{name}"), *value)));
                scalars.extend(loss_scale.map(|scale| ("training/loss_scale".to_string(), scale)));
                scalars
            }
            Line::Validation {
                validation_loss, knn, ..
            } => {
                let mut scalars = vec![("loss/validation".to_string(), *validation_loss)];
                scalars.extend(knn.iter().map(|(name, value)| (format!("knn/{name}"), *value)));
                scalars
            }
        }
    }

    fn seconds(&self) -> f64 {
        match *self {
            Line::Step { seconds, .. } | Line::Validation { seconds, .. } => seconds,
        }
    }
}

/// The file, open at its end.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    /// The same for TensorBoard.
    events: Events,
    /// Seconds of its last line.
    pub seconds: f64,
}

impl Log {
    /// Opens the log of a run that is at `step`: lines beyond it, or that were cut short, are removed.
    pub fn open(path: &Path, step: u32) -> Result<Self, TrainError> {
        let text = match files::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(TrainError::io("read", path)(error)),
        };
        let parsed = text
            .lines()
            .map_while(|line| Some((line, serde_json::from_str::<Line>(line).ok()?)));
        let (mut kept, mut seconds) = (String::new(), 0.0);
        for (line, parsed) in parsed.take_while(|(_, parsed)| parsed.step() <= step) {
            kept.push_str(line);
            kept.push('\n');
            seconds = parsed.seconds();
        }
        if kept != text {
            write_atomically(path, |file| file.write_all(kept.as_bytes()))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(TrainError::io("open", path))?;
        let events = Events::open(path.parent().unwrap_or(Path::new(".")), step.into())?;
        Ok(Log {
            path: path.into(),
            file,
            events,
            seconds,
        })
    }

    /// Appends lines in one write.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), TrainError> {
        let mut text = String::new();
        for line in lines {
            let json = serde_json::to_string(line).map_err(io::Error::other);
            text.push_str(&json.map_err(TrainError::io("write", &self.path))?);
            text.push('\n');
        }
        self.file
            .write_all(text.as_bytes())
            .map_err(TrainError::io("write", &self.path))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for line in lines {
            for (tag, value) in line.scalars() {
                self.events
                    .scalar(line.step().into(), &tag, value, now.as_secs_f64())?;
            }
        }
        self.events.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_resumed_log_is_cut_back_to_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let start_up = StartUp {
            opening: 0.25,
            preparing: 1.5,
            first_step: 0.5,
            measured: 3,
        };
        let line = |step| Line::Step {
            step,
            loss: 0.5,
            parts: BTreeMap::new(),
            loss_scale: None,
            learning_rate: 1e-3,
            seconds: f64::from(step),
            segments_per_second: 2.0,
            waiting: 0.0,
            start_up: (step == 1).then_some(start_up),
        };
        let validation = Line::Validation {
            step: 2,
            validation_loss: 0.25,
            knn: BTreeMap::new(),
            seconds: 2.5,
        };
        let mut log = Log::open(&path, 0).unwrap();
        log.append(&[line(1), line(2), validation, line(3)]).unwrap();
        drop(log);
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"step\":4,\"lo").unwrap();

        assert_eq!(Log::open(&path, 2).unwrap().seconds, 2.5);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(
            text.matches("\"start_up\":{\"opening\":0.25,").count(),
            1,
            "{text}"
        );
        assert!(
            text.ends_with("\"validation_loss\":0.25,\"seconds\":2.5}\n"),
            "{text}"
        );
    }
}
