//! The JSON files `dict_triplet_*.json`: where samples lie in their tracks.
//!
//! Set → number → `test1` or `test2` → instrument → X, Y and C or X, A and B → `ID`, `filename`, `sr`, `index_s`,
//! `index_e`. Segments are neither of one length nor on one grid, so only the last two say where they are.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    AbxError, Condition, Item, Judged, SIMULATED, Sample, Side, read_file,
    sample::{parse_set, parse_track},
};
use crate::corpus::Instrument;

/// A part of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clip {
    /// The track's number.
    pub track: u32,
    /// First sample.
    pub start: u64,
    /// Behind the last sample.
    pub end: u64,
    /// Samples a second that `start` and `end` count in.
    pub rate: u32,
}

impl Clip {
    /// How many whole samples at `rate` Hz it is long.
    pub fn samples(&self, rate: u32) -> u64 {
        self.convert(self.end.saturating_sub(self.start), rate)
    }

    /// The first of the `samples` samples at `rate` Hz in its middle; its own first if it has no more.
    pub fn middle(&self, rate: u32, samples: u64) -> u64 {
        self.convert(self.start, rate) + self.samples(rate).saturating_sub(samples) / 2
    }

    fn convert(&self, samples: u64, rate: u32) -> u64 {
        (u128::from(samples) * u128::from(rate) / u128::from(self.rate.max(1))) as u64
    }
}

/// A judged item as a triplet, for one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipTriplet {
    /// The instrument that was heard.
    pub instrument: Instrument,
    /// X.
    pub reference: Clip,
    /// The sample that most answers called closer.
    pub positive: Clip,
    /// The other one.
    pub negative: Clip,
    /// In One-Shared: whether the positive is of the reference's own piece. In All-Diff `None`.
    pub positive_is_own: Option<bool>,
    /// Answers for the positive; at least one.
    pub agreeing: u32,
    /// Answers for the negative; as many at most.
    pub disagreeing: u32,
}

impl ClipTriplet {
    /// The kind of item it was.
    pub fn condition(&self) -> Condition {
        match self.positive_is_own {
            Some(_) => Condition::OneShared,
            None => Condition::AllDiff,
        }
    }
}

/// Where samples lie, from one or several files.
#[derive(Clone, Debug, Default)]
pub struct Clips {
    clips: BTreeMap<Sample, Clip>,
    simulated: bool,
}

impl Clips {
    /// Reads the files of all experiments. Numbers may be strings, and the `ID` may be a track's name; `filename`
    /// may be missing where `seg` is there.
    ///
    /// # Errors
    /// [`AbxError::Io`]; [`AbxError::Clips`] for what does not read, or for a sample that is in several places.
    pub fn read(paths: &[PathBuf]) -> Result<Self, AbxError> {
        let mut all = Self::default();
        for path in paths {
            all.add(path)?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<(), AbxError> {
        let refuse = |message: String| AbxError::Clips {
            path: path.into(),
            message,
        };
        let too_large = || refuse("this is too large: give the files dict_triplet_*.json".into());
        let bytes = read_file(path)?.ok_or_else(too_large)?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|e| refuse(format!("this is no JSON: {e}")))?;
        let root = Place(Vec::new());
        let before = self.clips.len();
        for (set, numbers) in root.object(&value).map_err(refuse)? {
            let root = root.below(set);
            let set = parse_set(set).ok_or_else(|| refuse(root.says("a set's number is expected here")));
            self.add_set(&root, set?, numbers).map_err(refuse)?;
        }
        match self.clips.len() == before && before == 0 {
            true => Err(refuse("there are no samples in it".into())),
            false => Ok(()),
        }
    }

    fn add_set(&mut self, place: &Place, set: u32, numbers: &Value) -> Result<(), String> {
        for (number, tests) in place.object(numbers)? {
            let place = place.below(number);
            let number = parse_set(number).ok_or_else(|| place.says("a sample's number is expected here"))?;
            for (test, parts) in place.object(tests)? {
                let place = place.below(test);
                for (part, roles) in place.object(parts)? {
                    let place = place.below(part);
                    let part = part.parse().map_err(|e: String| place.says(&e))?;
                    for (role, fields) in place.object(roles)? {
                        let place = place.below(role);
                        let fields = place.object(fields)?;
                        let (file, clip) = read_clip(&place, role, fields)?;
                        let sample = Sample {
                            set,
                            number,
                            part,
                            file,
                        };
                        self.simulated |= fields
                            .get(SIMULATED)
                            .is_some_and(|mark| mark == &Value::Bool(true));
                        self.insert(sample, clip).map_err(|e| place.says(&e))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, sample: Sample, clip: Clip) -> Result<(), String> {
        if sample.track().is_some_and(|track| track != clip.track) {
            return Err(format!(
                "{sample} is of another piece by its ID {}: mend one of them",
                clip.track
            ));
        }
        match self.clips.entry(sample) {
            Entry::Vacant(entry) => {
                entry.insert(clip);
            }
            Entry::Occupied(entry) if *entry.get() == clip => {}
            Entry::Occupied(entry) => {
                return Err(format!(
                    "{} lies elsewhere here than before: these files do not belong together",
                    entry.key()
                ));
            }
        }
        Ok(())
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.clips.len()
    }

    /// Whether a sample was drawn for [`simulate`](super::simulate)d judgements.
    pub fn simulated(&self) -> bool {
        self.simulated
    }

    /// Where a sample lies.
    ///
    /// # Errors
    /// [`AbxError::Unresolved`] if no file has it.
    pub fn of(&self, sample: &Sample) -> Result<Clip, AbxError> {
        self.clips
            .get(sample)
            .copied()
            .ok_or_else(|| AbxError::Unresolved {
                message: format!(
                    "{sample} was judged, but no JSON file says where it lies: give those of all experiments"
                ),
            })
    }

    /// The items as triplets; those of whole mixes are left out.
    ///
    /// # Errors
    /// As [`Clips::of`]; [`AbxError::Unresolved`] if the pieces are not those that the judgements tell of.
    pub fn triplets(&self, judged: &[Judged]) -> Result<Vec<ClipTriplet>, AbxError> {
        let triplets = judged.iter().map(|judged| self.triplet(judged).transpose());
        triplets.flatten().collect()
    }

    fn triplet(&self, judged: &Judged) -> Result<Option<ClipTriplet>, AbxError> {
        let item = &judged.item;
        let Some(instrument) = item.part().instrument() else {
            return Ok(None);
        };
        let reference = self.of(&item.reference)?;
        let samples = [self.of(&item.samples[0])?, self.of(&item.samples[1])?];
        check_pieces(item, reference, samples)?;
        let closer = judged.closer();
        Ok(Some(ClipTriplet {
            instrument,
            reference,
            positive: samples[closer as usize],
            negative: samples[closer.other() as usize],
            positive_is_own: item.own.map(|own| own == closer),
            agreeing: judged.sides[closer as usize],
            disagreeing: judged.sides[closer.other() as usize],
        }))
    }
}

/// That the condition of an item is the same by its clips.
fn check_pieces(item: &Item, reference: Clip, samples: [Clip; 2]) -> Result<(), AbxError> {
    for side in [Side::A, Side::B] {
        let clip = samples[side as usize];
        if (clip.track == reference.track) != (item.own == Some(side)) {
            return Err(AbxError::Unresolved {
                message: format!(
                    "{} is of piece {} and {} of piece {} by the JSON file, which is not what the judgements' file \
                     says: these files do not belong together",
                    item.reference, reference.track, item.samples[side as usize], clip.track
                ),
            });
        }
    }
    Ok(())
}

/// The file's name and the clip of one sample.
fn read_clip(place: &Place, role: &str, fields: &Map<String, Value>) -> Result<(String, Clip), String> {
    let number = |key: &str| {
        let value = fields
            .get(key)
            .ok_or_else(|| place.says(&format!("'{key}' is missing")))?;
        whole(value).ok_or_else(|| place.says(&format!("'{key}' is {value}, not a whole number")))
    };
    let id = fields.get("ID").ok_or_else(|| place.says("'ID' is missing"))?;
    let track = match id {
        Value::String(name) => parse_track(name),
        other => whole(other).and_then(|id| u32::try_from(id).ok()),
    };
    let track = track.ok_or_else(|| place.says(&format!("'ID' is {id}, not the number of a track")))?;
    let clip = Clip {
        track,
        start: number("index_s")?,
        end: number("index_e")?,
        rate: u32::try_from(number("sr")?).unwrap_or(0),
    };
    if clip.rate == 0 {
        return Err(place.says("'sr' is no sample rate"));
    }
    if clip.end <= clip.start {
        return Err(place.says("'index_e' must be greater than 'index_s'"));
    }
    let file = match fields.get("filename") {
        Some(Value::String(file)) => file.clone(),
        None if fields.contains_key("seg") => format!("{role}_{track}-{}.wav", number("seg")?),
        _ => return Err(place.says("'filename' is missing")),
    };
    Ok((file, clip))
}

/// A whole number, written as one, as a decimal number or as text.
fn whole(value: &Value) -> Option<u64> {
    /// Up to here every whole number is a decimal one.
    const EXACT: f64 = (1u64 << 53) as f64;
    let of = |x: f64| (x.fract() == 0.0 && (0.0..=EXACT).contains(&x)).then_some(x as u64);
    match value {
        Value::Number(number) => number.as_u64().or_else(|| of(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok().or_else(|| of(text.trim().parse().ok()?)),
        _ => None,
    }
}

/// Where in a file we are, for messages.
struct Place(Vec<String>);

impl Place {
    fn below(&self, key: &str) -> Self {
        Place(self.0.iter().cloned().chain([key.to_string()]).collect())
    }

    fn says(&self, message: &str) -> String {
        match self.0.is_empty() {
            true => message.to_string(),
            false => format!("at {}: {message}", self.0.join("/")),
        }
    }

    fn object<'a>(&self, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
        const FORM: &str =
            "an object is expected here: set, number, test1 or test2, instrument, X, A, B, C or Y, fields";
        value.as_object().ok_or_else(|| self.says(FORM))
    }
}
