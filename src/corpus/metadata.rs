//! A track's `metadata.yaml`, as Slakh2100 writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The metadata of one track. Flags are what the renderer meant to do: whether a stem's audio is
/// there is decided by looking at the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    #[serde(rename = "UUID", default)]
    pub uuid: String,
    #[serde(default)]
    pub audio_dir: String,
    #[serde(default)]
    pub lmd_midi_dir: String,
    #[serde(default)]
    pub midi_dir: String,
    #[serde(default)]
    pub normalization_factor: f64,
    #[serde(default)]
    pub normalized: bool,
    #[serde(default = "unity")]
    pub overall_gain: f64,
    /// By stem name: `S00`, `S01`, … with gaps.
    pub stems: BTreeMap<String, StemMetadata>,
    #[serde(default)]
    pub target_peak: f64,
}

/// One stem's entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StemMetadata {
    #[serde(default)]
    pub audio_rendered: bool,
    #[serde(default)]
    pub inst_class: String,
    #[serde(default)]
    pub integrated_loudness: f64,
    pub is_drum: bool,
    #[serde(default)]
    pub midi_program_name: String,
    #[serde(default)]
    pub midi_saved: bool,
    #[serde(default)]
    pub plugin_name: String,
    /// General MIDI program 0–127, or [`super::instrument::DRUM_PROGRAM`].
    pub program_num: u16,
}

fn unity() -> f64 {
    1.0
}
