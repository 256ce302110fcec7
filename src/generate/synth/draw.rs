//! Rows of tables, and how values in them are drawn.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, de::DeserializeOwned};
use toml::{Table, Value};

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

/// A row that is drawn as often as its weight says.
#[derive(Deserialize)]
pub(super) struct Weighted<T> {
    weight: u32,
    #[serde(flatten)]
    pub item: T,
}

pub(super) fn broken(error: toml::de::Error) -> CorpusError {
    CorpusError::invalid(format!("a table of the synthesiser does not read: {error}"))
}

/// `under` with what `over` says otherwise; tables in it are laid over each other likewise.
pub(super) fn overlay(mut under: Table, over: Table) -> Table {
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
pub(super) fn drawn<T: DeserializeOwned>(table: &Table, rng: &mut ChaCha8Rng) -> Result<T, CorpusError> {
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

pub(super) fn weighted<'a, T>(rng: &mut ChaCha8Rng, choices: &'a [Weighted<T>]) -> &'a T {
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
