//! One song in several tracks.

use std::collections::BTreeMap;

use super::{Defect, Finding, Part, Severity, TrackReport};
use crate::corpus::Split;

/// How much a split is to be kept free of what the others hold.
fn rank(split: Split) -> u8 {
    match split {
        Split::Test => 2,
        Split::Validation => 1,
        Split::Train | Split::Omitted | Split::Unsplit => 0,
    }
}

/// Adds a finding to every track whose notes another track has, too. Between splits, the copy in `test` is to stay,
/// else that in `validation`: the others would leak into it. The split `omitted` exists for such copies and is left out.
pub(super) fn find(tracks: &mut [TrackReport]) {
    let mut songs: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, track) in tracks.iter().enumerate() {
        if let Some(content) = track.content.as_ref().filter(|_| track.split != Split::Omitted) {
            songs.entry(content.clone()).or_default().push(index);
        }
    }
    for song in songs.values().filter(|song| song.len() > 1) {
        let most = song.iter().map(|&i| rank(tracks[i].split)).max().unwrap_or(0);
        for &index in song {
            let others = song.iter().filter(|&&other| other != index);
            let of = others.map(|&other| tracks[other].path()).collect();
            let leaks = rank(tracks[index].split) < most;
            tracks[index].findings.push(Finding {
                part: Part::Track,
                severity: if leaks { Severity::Broken } else { Severity::Note },
                defect: Defect::Duplicate { of },
            });
        }
    }
}
