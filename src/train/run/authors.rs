//! The names that tensors have in the checkpoints of the papers' authors, as ours.
//!
//! | theirs | ours |
//! |---|---|
//! | `[encoder.]conv{1…6}.conv.0.…` | `encoder.{0…5}.conv.…` |
//! | `[encoder.]conv{1…6}.conv.{bn or 1}.…` | `encoder.{0…5}.norm.…` |
//! | `[decoder_{instrument}.]deconv{6…1}_a.…` | `[decoders.{i}.]decoder.{0…5}.deconv.…` |
//! | `[decoder_{instrument}.]deconv{6…2}_b.0.…` | `[decoders.{i}.]decoder.{0…4}.norm.…` |
//! | `….fc1.…` | `linear.…` |
//!
//! In front of all there may be a prefix that they share, as `module.`.

use std::collections::BTreeMap;

use crate::corpus::Instrument;

/// Layers of an encoder, and of a decoder.
const LAYERS: usize = 6;

/// By our name the name in a file whose tensors are named as the authors name them; `None` if they are not. What has
/// no such name is left out.
pub(super) fn ours<'a>(names: &[&'a str]) -> Option<BTreeMap<String, &'a str>> {
    let split: Vec<Vec<&str>> = names.iter().map(|name| name.split('.').collect()).collect();
    let first = split.first()?;
    let shared = |count: &usize| split.iter().all(|name| name.get(..*count) == first.get(..*count));
    let shared = (0..first.len()).take_while(|count| shared(&(count + 1))).count();
    let renamed = split.iter().zip(names);
    let renamed: BTreeMap<String, &str> = renamed
        .filter_map(|(parts, name)| Some((translated(&parts[shared..])?, *name)))
        .collect();
    let theirs = renamed.keys().any(|name| name.starts_with("encoder."));
    theirs.then_some(renamed)
}

/// Our name for one of theirs, less what all share.
fn translated(name: &[&str]) -> Option<String> {
    let layer = |text: &str| text.parse().ok().filter(|i| (1..=LAYERS).contains(i));
    if let [_, .., "fc1", leaf] = name {
        return Some(format!("linear.{leaf}"));
    }
    let (prefix, name) = match name {
        ["encoder", rest @ ..] => (String::new(), rest),
        [first, rest @ ..] if first.starts_with("decoder_") => {
            let instrument: Instrument = first.strip_prefix("decoder_")?.parse().ok()?;
            (format!("decoders.{}.", instrument as usize), rest)
        }
        rest => (String::new(), rest),
    };
    match name {
        [conv, "conv", part, leaf] => {
            let i = layer(conv.strip_prefix("conv")?)? - 1;
            let part = match *part {
                "0" => "conv",
                "bn" | "1" => "norm",
                _ => return None,
            };
            Some(format!("encoder.{i}.{part}.{leaf}"))
        }
        [deconv, leaf @ ..] => {
            let (i, part) = deconv.strip_prefix("deconv")?.split_once('_')?;
            let i = LAYERS - layer(i)?;
            match (part, leaf) {
                ("a", [leaf]) => Some(format!("{prefix}decoder.{i}.deconv.{leaf}")),
                ("b", ["0", leaf]) => Some(format!("{prefix}decoder.{i}.norm.{leaf}")),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_behind_what_all_share() {
        let theirs = [
            "module.conv1.conv.0.weight",
            "module.conv6.conv.bn.running_mean",
            "module.deconv6_a.bias",
            "module.deconv2_b.0.weight",
            "module.deconv1_a.weight",
            "module.to1d.to1d.fc1.bias",
            "module.something.else",
        ];
        let found = ours(&theirs).unwrap();
        let wanted = [
            ("decoder.0.deconv.bias", theirs[2]),
            ("decoder.4.norm.weight", theirs[3]),
            ("decoder.5.deconv.weight", theirs[4]),
            ("encoder.0.conv.weight", theirs[0]),
            ("encoder.5.norm.running_mean", theirs[1]),
            ("linear.bias", theirs[5]),
        ];
        let found: Vec<_> = found
            .iter()
            .map(|(ours, theirs)| (ours.as_str(), *theirs))
            .collect();
        assert_eq!(found, wanted);
        let found = ours(&["encoder.conv2.conv.1.bias", "decoder_guitar.deconv5_a.weight"]).unwrap();
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["decoders.3.decoder.1.deconv.weight", "encoder.1.norm.bias"]
        );
        for other in [
            "encoder.0.conv.weight",
            "conv7.conv.0.weight",
            "conv1.conv.2.weight",
            "decoder_tuba.deconv1_a.bias",
        ] {
            assert_eq!(ours(&[other, "linear.bias"]), None, "{other}");
        }
        assert_eq!(ours(&[]), None);
    }
}
