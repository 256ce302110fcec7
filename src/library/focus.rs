//! A focus as people write it.

use super::Header;
use crate::corpus::Instrument;

/// Reads parts such as `drums=2`, `bass`, `guitar=-1`: weights of instruments that the library describes; none is all of
/// them alike.
///
/// # Errors
/// What is wrong with which part, in words.
pub fn parse_focus<S: AsRef<str>>(given: &[S], header: &Header) -> Result<Vec<(Instrument, f64)>, String> {
    let mut focus: Vec<(Instrument, f64)> = Vec::new();
    for part in given {
        let part = part.as_ref();
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let instrument: Instrument = name.trim().parse()?;
        let weight = weight.trim().parse().ok().filter(|w: &f64| w.is_finite());
        let Some(weight) = weight else {
            return Err(format!(
                "{part}: a weight is a number, such as 1, 0.5, or -1 for unlike"
            ));
        };
        let known = || header.subspaces.iter().map(|subspace| subspace.instrument);
        if !known().any(|other| other == instrument) {
            let names: Vec<&str> = known().map(Instrument::name).collect();
            return Err(format!("{part}: the library describes {} only", names.join(", ")));
        }
        if focus.iter().any(|(other, _)| *other == instrument) {
            return Err(format!("{instrument} is named twice"));
        }
        focus.push((instrument, weight));
    }
    if !focus.is_empty() && focus.iter().all(|(_, weight)| *weight == 0.0) {
        return Err(
            "all weights are 0, so that nothing is nearer than anything: give one instrument another".into(),
        );
    }
    Ok(focus)
}
