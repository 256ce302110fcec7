//! The tables by which pieces are made: `scores.toml`, what is played, and `patches.toml`, how it sounds.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::voice::Patch;
use crate::corpus::CorpusError;

/// A row of a table: its fields, and what they are where the table does not say.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name {
            $(pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }
    };
}
pub(super) use row;

/// Everything there is to draw from.
pub(super) struct Tables {
    pub scores: Scores,
    patches: Vec<Table>,
}

/// `scores.toml`; what its values mean is said there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scores {
    pub others: Vec<u16>,
    pub fills: Vec<String>,
    pub forms: Vec<String>,
    pub parts: BTreeMap<String, Part>,
    modes: Vec<Weighted<Mode>>,
    styles: Vec<Weighted<Table>>,
    lines: BTreeMap<String, Vec<Line>>,
}

/// What one instrument plays: a string for each hand.
pub(super) type Line = Vec<String>;
/// What the drums play: a string for each drum, by its name.
pub(super) type Beat = BTreeMap<String, String>;

row! {
    /// A part of the form, as a verse.
    Part { strength: f32 = 1.0, material: usize = 0, rhythm: f64 = 1.0, others: f64 = 1.0, short: bool = false }
}

/// A scale in semitones above its tonic, and progressions that are at home in it.
#[derive(Clone, Deserialize)]
pub(super) struct Mode {
    pub scale: [u8; 7],
    pub progressions: Vec<String>,
}

row! {
    /// The rhythmic family of a piece, as drawn for it.
    Style {
        tempo: f64 = 120.0, beats: u8 = 4, eighth: f64 = 0.5, sixteenth: f64 = 0.5, backbeat: String = String::new(),
        drums: Vec<Beat> = Vec::new(), bass: Seat = Seat::default(), piano: Seat = Seat::default(),
        guitar: Seat = Seat::default(),
    }
}

row! {
    /// What may sit at an instrument's place, and the kinds of lines it may play there.
    Seat { programs: Vec<u16> = Vec::new(), lines: Vec<String> = Vec::new() }
}

#[derive(Deserialize)]
struct Weighted<T> {
    weight: u32,
    #[serde(flatten)]
    item: T,
}

impl Tables {
    /// # Errors
    /// [`CorpusError::Invalid`] if a table does not read.
    pub fn read() -> Result<Self, CorpusError> {
        #[derive(Deserialize)]
        struct Families {
            families: Vec<Family>,
        }
        #[derive(Deserialize)]
        struct Family {
            patches: Vec<Table>,
            #[serde(flatten)]
            common: Table,
        }
        let scores = toml::from_str(include_str!("scores.toml")).map_err(broken)?;
        let families: Families = toml::from_str(include_str!("patches.toml")).map_err(broken)?;
        let mut patches = Vec::new();
        for Family { patches: own, common } in families.families {
            patches.extend(own.into_iter().map(|patch| overlay(common.clone(), patch)));
        }
        Ok(Tables { scores, patches })
    }

    pub fn style(&self, rng: &mut ChaCha8Rng) -> Result<Style, CorpusError> {
        drawn(weighted(rng, &self.scores.styles), rng)
    }

    pub fn mode(&self, rng: &mut ChaCha8Rng) -> &Mode {
        weighted(rng, &self.scores.modes)
    }

    /// A line of one of `kinds`.
    pub fn line(&self, kinds: &[String], rng: &mut ChaCha8Rng) -> &Line {
        let kind = pick(rng, kinds);
        pick(rng, &self.scores.lines[kind])
    }

    /// The patch of one of `programs`.
    pub fn patch(&self, programs: &[u16], rng: &mut ChaCha8Rng) -> Result<Patch, CorpusError> {
        let program = Value::from(*pick(rng, programs) as i64);
        let found = self.patches.iter().find(|p| p.get("program") == Some(&program));
        let none = || CorpusError::invalid(format!("the synthesiser has no patch for program {program}"));
        drawn(found.ok_or_else(none)?, rng)
    }

    /// A patch for every drum.
    pub fn kit(&self, rng: &mut ChaCha8Rng) -> Result<Vec<Patch>, CorpusError> {
        let drums = self.patches.iter().filter(|patch| patch.contains_key("key"));
        drums.map(|drum| drawn(drum, rng)).collect()
    }
}

fn broken(error: toml::de::Error) -> CorpusError {
    CorpusError::invalid(format!("a table of the synthesiser does not read: {error}"))
}

/// `under` with what `over` says otherwise; tables in it are laid over each other likewise.
fn overlay(mut under: Table, over: Table) -> Table {
    for (key, value) in over {
        let value = match (under.remove(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => overlay(under, over).into(),
            (_, value) => value,
        };
        under.insert(key, value);
    }
    under
}

/// Reads `T` from a table in which strings `low..high` and `a|b` are drawn.
fn drawn<T: DeserializeOwned>(table: &Table, rng: &mut ChaCha8Rng) -> Result<T, CorpusError> {
    draw(&Value::Table(table.clone()), rng).try_into().map_err(broken)
}

fn draw(value: &Value, rng: &mut ChaCha8Rng) -> Value {
    match value {
        Value::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), draw(value, rng)))
            .collect::<Table>()
            .into(),
        Value::Array(values) => values
            .iter()
            .map(|value| draw(value, rng))
            .collect::<Vec<_>>()
            .into(),
        Value::String(text) => {
            let choices: Vec<&str> = text.split('|').collect();
            let choice = *pick(rng, &choices);
            let number = |text: &str| text.parse::<f32>().ok();
            let range = choice
                .split_once("..")
                .and_then(|(a, b)| Some((number(a)?, number(b)?)));
            match range
                .map(|(low, high)| between(rng, low, high))
                .or(number(choice))
            {
                Some(number) => (number as f64).into(),
                None => choice.into(),
            }
        }
        fixed => fixed.clone(),
    }
}

/// One of `choices`, which must not be empty.
pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}

fn weighted<'a, T>(rng: &mut ChaCha8Rng, choices: &'a [Weighted<T>]) -> &'a T {
    let mut ticket = rng.random_range(0..choices.iter().map(|choice| choice.weight).sum());
    let wins = |choice: &&Weighted<T>| {
        let wins = ticket < choice.weight;
        ticket = ticket.saturating_sub(choice.weight);
        wins
    };
    &choices.iter().find(wins).unwrap_or(&choices[0]).item
}

/// Uniform in `low`…`high`.
pub(super) fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::corpus::synth::theory::Chord;

    #[test]
    fn whatever_a_table_names_is_there() {
        let tables = Tables::read().unwrap();
        let scores = &tables.scores;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for name in scores.forms.iter().flat_map(|form| form.split(' ')) {
            assert!(scores.parts.contains_key(name), "part {name}");
        }
        for numeral in scores
            .modes
            .iter()
            .flat_map(|mode| &mode.item.progressions)
            .flat_map(|p| p.split(' '))
        {
            assert!(Chord::named(numeral, 0).is_some(), "chord {numeral}");
        }
        let drums: Vec<String> = tables
            .kit(&mut rng)
            .unwrap()
            .into_iter()
            .map(|drum| drum.name)
            .collect();
        let mut programs = scores.others.clone();
        let mut kinds = Vec::new();
        for style in &scores.styles {
            let style: Style = drawn(&style.item, &mut rng).unwrap();
            for name in style
                .drums
                .iter()
                .flat_map(|beat| beat.keys())
                .chain([&style.backbeat])
            {
                assert!(drums.contains(name), "drum {name}");
            }
            for seat in [style.bass, style.piano, style.guitar] {
                programs.extend(seat.programs);
                kinds.extend(seat.lines);
            }
        }
        for program in programs {
            kinds.extend(tables.patch(&[program], &mut rng).unwrap().lines);
        }
        for kind in kinds {
            assert!(scores.lines.contains_key(&kind), "lines {kind}");
        }
    }

    #[test]
    fn every_line_is_written_in_symbols_that_play() {
        let tables = Tables::read().unwrap();
        for line in tables.scores.lines.values().flatten().flatten() {
            let bars = line.trim_start_matches('~').split(' ');
            bars.for_each(|bar| assert_eq!(bar.len(), 16, "{line}"));
            let known = |c: char| "xodup012345?rgfqtkam.- ~".contains(c.to_ascii_lowercase());
            assert!(line.chars().all(known), "{line}");
        }
    }

    #[test]
    fn ranges_and_choices_are_drawn_and_families_laid_under() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let family: Table = toml::from_str("a = { b = '2..3', c = 1 }\nd = 'x|y'").unwrap();
        let patch: Table = toml::from_str("a = { c = 4 }\ne = '..x...x.'").unwrap();
        let both: Table = drawn(&overlay(family, patch), &mut rng).unwrap();
        let a = both["a"].as_table().unwrap();
        let b = a["b"].as_float().unwrap();
        assert!(
            (2.0..=3.0).contains(&b) && a["c"].as_integer() == Some(4),
            "{both}"
        );
        assert!(["x", "y"].contains(&both["d"].as_str().unwrap()) && both["e"].as_str() == Some("..x...x."));
    }
}
