//! The settings of a recipe as keys: which there are, and how one is changed.

use toml::{Table, Value};

use crate::train::TrainError;

/// Keys without a default.
const WITHOUT_DEFAULT: [&str; 6] = ["name", "model", "task", "from", "frozen", "instrument"];
const PATHS: [&str; 2] = ["data.judgements", "data.separated"];

/// How like a name must be to be suggested for another, from 0 to 1.
const LIKE: f64 = 0.7;

/// Characters of the longest name that is shown whole, and that could be another's.
const LONGEST: usize = 80;

/// What is wrong with a table's values, in our words.
pub(in crate::train) fn misfit(error: &toml::de::Error) -> String {
    let (message, whole) = (error.message(), error.to_string());
    let key = whole
        .rsplit_once("in `")
        .and_then(|(_, rest)| rest.split_once('`'));
    let at = key.map_or("a setting".to_string(), |(key, _)| format!("'{key}'"));
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match (message.split_once(' '), quoted.as_slice()) {
        (Some(("unknown", rest)), [wrong, known @ ..]) if rest.starts_with("variant") => {
            format!("{at} is '{wrong}', but may be {}", known.join(", "))
        }
        (Some(("unknown", _)), [wrong, ..]) => format!("there is no setting '{}'", shown(wrong)),
        (Some(("missing", _)), [name]) => format!("the setting '{name}' is missing"),
        _ => format!("{at} has a value that it cannot have"),
    }
}

/// Where a text is not TOML, in our words.
pub(in crate::train) fn no_toml(error: &toml::de::Error, text: &str) -> String {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    format!("line {line} is not TOML: write KEY = VALUE, each key once, and words in quotes")
}

/// All keys that a recipe may have, as `training.batch`.
pub(super) fn keys(defaults: &Table) -> Vec<String> {
    let mut keys: Vec<String> = WITHOUT_DEFAULT.map(String::from).to_vec();
    keys.extend(PATHS.map(String::from));
    for (key, value) in defaults {
        match value {
            Value::Table(table) => keys.extend(table.keys().map(|inner| format!("{key}.{inner}"))),
            _ => keys.push(key.clone()),
        }
    }
    keys
}

/// Lays a file's settings over others.
pub(super) fn overlay(
    under: &mut Table,
    over: Table,
    known: &[String],
    file: &str,
) -> Result<(), TrainError> {
    for (key, value) in over {
        match value {
            Value::Table(inner) => {
                for (name, value) in inner {
                    put(under, &format!("{key}.{name}"), value, known, file)?;
                }
            }
            value => put(under, &key, value, known, file)?,
        }
    }
    Ok(())
}

/// The recipe that an assignment is for, if it names one, and what it says.
pub(super) fn addressed(assignment: &str) -> (Option<&str>, &str) {
    let key = assignment.split('=').next().unwrap_or_default();
    match key.split_once(':') {
        Some((recipe, _)) => (Some(recipe.trim()), &assignment[recipe.len() + 1..]),
        None => (None, assignment),
    }
}

pub(super) fn assign(table: &mut Table, assignment: &str, known: &[String]) -> Result<(), TrainError> {
    let Some((key, value)) = assignment.split_once('=') else {
        let message = format!("'{assignment}' is not of the form key=value, as in training.batch=16");
        return Err(TrainError::setting("--set", message));
    };
    let value = value.trim();
    // anything but a number, a truth value or a list is a word: quotes are for shells
    let parsed = format!("x = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("x"));
    put(
        table,
        key.trim(),
        parsed.unwrap_or_else(|| value.into()),
        known,
        "--set",
    )
}

fn put(table: &mut Table, key: &str, value: Value, known: &[String], file: &str) -> Result<(), TrainError> {
    let failed = |message| TrainError::config(file.as_ref(), message);
    if !known.iter().any(|k| k == key) {
        let nearest = nearest(key, known.iter().map(String::as_str));
        return Err(failed(format!("there is no setting '{}'{nearest}", shown(key))));
    }
    let whole = key;
    let (table, key) = match key.split_once('.') {
        None => (table, key),
        Some((outer, inner)) => match table.get_mut(outer).and_then(Value::as_table_mut) {
            Some(table) => (table, inner),
            None => return Ok(()), // all known tables are there
        },
    };
    let value = match (table.get(key), value) {
        // a whole number is a number, too
        (Some(Value::Float(_)), Value::Integer(number)) => Value::Float(number as f64),
        (_, Value::Integer(number)) if !(0..=largest(whole)).contains(&number) => {
            let largest = largest(whole);
            return Err(failed(format!(
                "'{whole}' takes a whole number from 0 to {largest}, not {number}"
            )));
        }
        (Some(before), value) if !before.same_type(&value) => {
            return Err(failed(format!(
                "'{whole}' takes a value of type {}, as {before}, not {value}",
                before.type_str()
            )));
        }
        (_, value) => value,
    };
    table.insert(key.into(), value);
    Ok(())
}

/// The largest whole number that a setting may be: TOML's for a seed, which counts nothing.
fn largest(key: &str) -> i64 {
    match key {
        "seed" => i64::MAX,
        _ => u32::MAX.into(),
    }
}

/// A name, or its beginning.
fn shown(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_string(),
    }
}

/// Asks for the name that is most like one that is not known, if any is.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // comparing takes the product of the lengths
    if name.len() > LONGEST {
        return String::new();
    }
    let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    // the table may be forgotten
    let likeness = |key: &'a str| {
        let whole = strsim::jaro_winkler(name, key);
        whole.max(strsim::jaro_winkler(
            name.rsplit('.').next().unwrap_or(name),
            last(key),
        ))
    };
    let scored = known
        .map(|key| (likeness(key), key))
        .filter(|(score, _)| *score >= LIKE);
    let nearest = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map_or(String::new(), |(_, key)| format!(": did you mean '{key}'?"))
}
