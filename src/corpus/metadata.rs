//! A track's `metadata.yaml`, as Slakh2100 writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The metadata of one track. Flags are what the renderer meant to do: whether a stem's audio is
/// there is decided by looking at the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Slakh's identifier of the track; empty if none is given.
    #[serde(rename = "UUID", default)]
    pub uuid: String,
    /// Folder of the stems' audio, relative to the corpus.
    #[serde(default)]
    pub audio_dir: String,
    /// Where the piece's MIDI lies in the Lakh dataset, or "None".
    #[serde(default)]
    pub lmd_midi_dir: String,
    /// Folder of the stems' MIDI files, relative to the corpus.
    #[serde(default)]
    pub midi_dir: String,
    /// The level that the renderer normalised to.
    #[serde(default)]
    pub normalization_factor: f64,
    /// Whether the renderer normalised the audio.
    #[serde(default)]
    pub normalized: bool,
    /// Factor applied to all stems alike; 1 if none is given.
    #[serde(default = "unity")]
    pub overall_gain: f64,
    /// By stem name: `S00`, `S01`, … with gaps.
    pub stems: BTreeMap<String, StemMetadata>,
    /// The mix's peak that the renderer aimed at.
    #[serde(default)]
    pub target_peak: f64,
}

/// One stem's entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StemMetadata {
    /// Whether the renderer meant to write audio.
    #[serde(default)]
    pub audio_rendered: bool,
    /// Slakh's instrument class, as "Guitar".
    #[serde(default)]
    pub inst_class: String,
    /// The stem's loudness as the renderer measured it, in dB.
    #[serde(default)]
    pub integrated_loudness: f64,
    /// Whether it is played on a drum kit.
    pub is_drum: bool,
    /// General MIDI name of the program.
    #[serde(default)]
    pub midi_program_name: String,
    /// Whether the renderer meant to write the stem's MIDI.
    #[serde(default)]
    pub midi_saved: bool,
    /// The software instrument that made the sound.
    #[serde(default)]
    pub plugin_name: String,
    /// General MIDI program 0–127, or [`super::instrument::DRUM_PROGRAM`].
    pub program_num: u16,
}

fn unity() -> f64 {
    1.0
}
