//! The tables by which pieces are made: `scores.toml`, what is played, and `patches.toml`, how it sounds.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use toml::{Table, Value};

use super::{
    draw::{Weighted, broken, drawn, overlay, pick, row, weighted},
    voice::Patch,
};
use crate::corpus::CorpusError;

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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::generate::synth::theory::Chord;

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
}
