//! A track's `metadata.yaml`, as Slakh2100 writes it.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Error, Location, NonFiniteFloatPolicy, Spanned};

use super::{Instrument, instrument::DRUM_PROGRAM, stem_files::is_stem_name};

/// The metadata of one track. Flags are what the renderer meant to do: whether a stem's audio is
/// there is decided by looking at the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Metadata {
    /// Slakh's identifier of the track; empty if none is given.
    #[serde(rename = "UUID")]
    pub uuid: String,
    /// Folder of the stems' audio, relative to the corpus.
    pub audio_dir: String,
    /// Where the piece's MIDI lies in the Lakh dataset, or "None".
    pub lmd_midi_dir: String,
    /// Folder of the stems' MIDI files, relative to the corpus.
    pub midi_dir: String,
    /// The level that the renderer normalised to.
    pub normalization_factor: f64,
    /// Whether the renderer normalised the audio.
    pub normalized: bool,
    /// Factor applied to all stems alike; 1 if none is given.
    pub overall_gain: f64,
    /// By stem name: `S00`, `S01`, … with gaps.
    pub stems: BTreeMap<String, StemMetadata>,
    /// The mix's peak that the renderer aimed at.
    pub target_peak: f64,
}

/// One stem's entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StemMetadata {
    /// Whether the renderer meant to write audio; `None` if nothing is said.
    pub audio_rendered: Option<bool>,
    /// Slakh's instrument class, as "Guitar".
    pub inst_class: String,
    /// The stem's loudness as the renderer measured it, in dB.
    pub integrated_loudness: f64,
    /// Whether it is played on a drum kit.
    pub is_drum: bool,
    /// General MIDI name of the program.
    pub midi_program_name: String,
    /// Whether the renderer meant to write the stem's MIDI.
    pub midi_saved: bool,
    /// The software instrument that made the sound.
    pub plugin_name: String,
    /// General MIDI program 0–127, or [`DRUM_PROGRAM`], as it is written there; see [`StemMetadata::program`].
    pub program_num: u16,
}

impl StemMetadata {
    /// The program that counts: [`DRUM_PROGRAM`] for whatever is played on a drum kit.
    pub fn program(&self) -> u16 {
        match self.is_drum {
            true => DRUM_PROGRAM,
            false => self.program_num,
        }
    }

    /// The instrument that the stem is a part of.
    pub fn instrument(&self) -> Instrument {
        Instrument::of_program(self.program())
    }
}

impl Metadata {
    /// What tells the piece apart from others, however it was rendered: its identifier, or else where its MIDI lies.
    pub fn work(&self) -> Option<&str> {
        let named = [&self.uuid, &self.lmd_midi_dir].into_iter();
        let mut named = named
            .map(String::as_str)
            .filter(|name| !name.is_empty() && *name != "None");
        named.next()
    }

    /// Reads a `metadata.yaml`. Nothing but the program and whether a stem is drums needs to be there, and of these two
    /// drums need one; all other fields may be missing, null or of another type, and are then as if nothing was said.
    ///
    /// # Errors
    /// What is wrong, where, and what to do, as one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let options = serde_saphyr::options! {
            with_snippet: false,
            non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        };
        let raw: RawMetadata =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| describe(&error, text))?;
        let stems = raw.stems.ok_or("it lists no stems: copy the track again")?;
        let stems = stems.into_iter().map(|(name, stem)| {
            let stem = stem.value.unwrap_or_default().finish(&name, stem.referenced)?;
            Ok((name, stem))
        });
        Ok(Metadata {
            stems: stems.collect::<Result<_, String>>()?,
            uuid: raw.uuid.text(),
            audio_dir: raw.audio_dir.text(),
            lmd_midi_dir: raw.lmd_midi_dir.text(),
            midi_dir: raw.midi_dir.text(),
            normalization_factor: raw.normalization_factor.number().unwrap_or(0.0),
            normalized: raw.normalized.flag().unwrap_or(false),
            overall_gain: raw.overall_gain.number().unwrap_or(1.0),
            target_peak: raw.target_peak.number().unwrap_or(0.0),
        })
    }
}

// ---------------------------------------------------------------------------------------------- as it is written

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMetadata {
    #[serde(rename = "UUID")]
    uuid: Value,
    audio_dir: Value,
    lmd_midi_dir: Value,
    midi_dir: Value,
    normalization_factor: Value,
    normalized: Value,
    overall_gain: Value,
    target_peak: Value,
    stems: Option<BTreeMap<String, Spanned<Option<RawStem>>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStem {
    audio_rendered: Value,
    inst_class: Value,
    integrated_loudness: Value,
    is_drum: Option<Spanned<Value>>,
    midi_program_name: Value,
    midi_saved: Value,
    plugin_name: Value,
    program_num: Option<Spanned<Value>>,
}

impl RawStem {
    fn finish(self, name: &str, at: Location) -> Result<StemMetadata, String> {
        if !is_stem_name(name) {
            return Err(format!(
                "{name:?} cannot be the name of a stem: use letters, digits, '_', '-' and '.', as in S00"
            ));
        }
        let said = |value: Option<Spanned<Value>>| value.filter(|value| !value.value.is_nothing());
        let (drum, program) = (said(self.is_drum), said(self.program_num));
        let drum = match drum {
            None => None,
            Some(drum) => Some(drum.value.flag().ok_or_else(|| {
                let line = drum.referenced.line();
                format!(
                    "line {line}: is_drum is true or false, not {}",
                    drum.value.quoted()
                )
            })?),
        };
        let program = match program {
            None if drum == Some(true) => DRUM_PROGRAM,
            None => {
                return Err(format!(
                    "line {}: {name} has no program_num: give it the General MIDI program, 0 to 127, or {DRUM_PROGRAM} for drums",
                    at.line()
                ));
            }
            Some(program) => program.value.program().ok_or_else(|| {
                let line = program.referenced.line();
                format!(
                    "line {line}: program_num is a General MIDI program, 0 to 127, or {DRUM_PROGRAM} for drums, not {}",
                    program.value.quoted()
                )
            })?,
        };
        Ok(StemMetadata {
            audio_rendered: self.audio_rendered.flag(),
            inst_class: self.inst_class.text(),
            integrated_loudness: self.integrated_loudness.number().unwrap_or(0.0),
            is_drum: drum.unwrap_or(program == DRUM_PROGRAM),
            midi_program_name: self.midi_program_name.text(),
            midi_saved: self.midi_saved.flag().unwrap_or(false),
            plugin_name: self.plugin_name.text(),
            program_num: program,
        })
    }
}

/// Whatever stands in a field.
#[derive(Default)]
enum Value {
    #[default]
    Nothing,
    Flag(bool),
    Number(f64),
    Text(String),
    /// A list or a mapping.
    Other,
}

impl Value {
    /// One that a float does not hold is more of a name.
    fn integer(value: i128) -> Self {
        match value as f64 {
            number if number as i128 == value => Value::Number(number),
            _ => Value::Text(value.to_string()),
        }
    }

    /// Null, or what Python makes of it.
    fn is_nothing(&self) -> bool {
        match self {
            Value::Nothing => true,
            Value::Text(text) => text.is_empty() || text == "None",
            _ => false,
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Value::Flag(flag) => Some(*flag),
            Value::Number(0.0) => Some(false),
            Value::Number(1.0) => Some(true),
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn program(&self) -> Option<u16> {
        let number = self.number()?;
        let program = number as u16; // saturates
        (f64::from(program) == number).then_some(program)
    }

    fn text(self) -> String {
        match self {
            Value::Nothing | Value::Other => String::new(),
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text,
        }
    }

    /// For a message.
    fn quoted(&self) -> String {
        match self {
            Value::Nothing => "null".into(),
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::Other => "a list".into(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

// ---------------------------------------------------------------------------------------------- what is wrong

/// The parser's findings in our words: it speaks to those who write programs with it.
fn describe(error: &Error, text: &str) -> String {
    let error = error.without_snippet();
    let what = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("{key} is there twice: keep one of the two")
        }
        Error::DuplicateMappingKey { .. } => "a name is there twice: keep one of the two".into(),
        Error::MultipleDocuments { .. } => "a second document begins here: keep one".into(),
        Error::UnknownAnchor { .. } => {
            "it refers to an anchor that is not defined above: write the value itself".into()
        }
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "its anchors lead to each other without end: write the values themselves".into()
        }
        Error::Budget { .. } => "it holds more than the metadata of a track: copy the track again".into(),
        Error::AliasError { error, .. } => return describe(error, text),
        _ if text.trim().is_empty() => "it is empty: copy the track again".into(),
        Error::Unexpected { .. } | Error::SerdeInvalidType { .. } => {
            "names with values are expected here, as in 'program_num: 33'".into()
        }
        _ => match error.location().and_then(|at| indented_by_tab(text, at.line())) {
            Some(line) => return format!("line {line}: it is indented by a tab: use spaces"),
            None => {
                "it is no YAML from here on: compare it with that of another track, or copy the track again"
                    .into()
            }
        },
    };
    match error.location().filter(|at| at.line() > 0) {
        Some(at) => format!("line {}: {what}", at.line()),
        None => what,
    }
}

/// The line, or the one before it, that a tab indents.
fn indented_by_tab(text: &str, line: u64) -> Option<u64> {
    let lines = text
        .lines()
        .zip(1..)
        .skip(usize::try_from(line).ok()?.saturating_sub(2));
    let indent = |text: &str| text[..text.len() - text.trim_start().len()].contains('\t');
    lines
        .take(3)
        .find(|(text, _)| indent(text))
        .map(|(_, number)| number)
}
