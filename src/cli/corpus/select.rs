//! `stemwise corpus select`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::{
    audio::SAMPLE_RATE,
    cli::{
        bar,
        corpus::shares,
        output::{Misuse, name, say},
    },
    corpus::{
        Catalogue, Corpus, Dropped, EXCLUDE_FILE, ExcludeList, Exclusion, PieceOptions, SPLIT_FILE, Source,
        Split, assigned, shortest, write_splits,
    },
};

/// Bytes for decoded audio: none of it is kept.
const MEMORY: u64 = 0;

#[derive(Args)]
pub struct Arguments {
    /// Corpus in the Slakh2100 layout
    dir: PathBuf,
    /// The pieces to select from
    #[arg(long, value_name = "SPLIT", required_unless_present = "assign")]
    split: Option<Split>,
    /// Give the pieces of a corpus without splits to training, validation and test, by these weights, as 70,15,15; the list
    /// is splits.csv in the corpus, which everything that reads it honours
    #[arg(long, value_name = "A,B,C", value_parser = shares, conflicts_with_all = ["split", "drop", "most", "out"])]
    assign: Option<[u32; 3]>,
    /// With --assign: another seed, other splits
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "assign")]
    seed: u64,
    /// Drop this share of the pieces, one by one that in which an instrument sounds for the shortest: 0.1 of the test
    /// pieces in Hashizume et al. 2025
    #[arg(long, value_name = "SHARE")]
    drop: Option<f64>,
    /// Keep so many pieces at most, those of the lowest numbers: 1200 for training in the papers
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// The list that what is dropped is added to [default: exclude.txt in the corpus, which everything that reads it
    /// honours]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match (arguments.assign, arguments.split) {
        (Some(shares), _) => assign(arguments, shares),
        (None, Some(split)) => select(arguments, split),
        (None, None) => bail!(Misuse("give --split SPLIT or --assign A,B,C".into())),
    }
}

/// Gives the pieces of an unsplit corpus to splits.
fn assign(arguments: &Arguments, shares: [u32; 3]) -> anyhow::Result<()> {
    if shares == [0; 3] {
        bail!(Misuse("--assign takes one weight above 0 at least".into()));
    }
    let root = &arguments.dir;
    let list = root.join(SPLIT_FILE);
    if list.symlink_metadata().is_ok() {
        bail!("{} is there already: remove it to assign anew", name(&list));
    }
    let corpus = Corpus::open(root)?;
    let tracks: Vec<u32> = corpus
        .split(Split::Unsplit)
        .iter()
        .map(|track| track.id)
        .collect();
    if tracks.is_empty() {
        bail!("{} has splits already: there is nothing to assign", name(root));
    }
    let splits = assigned(&tracks, shares, arguments.seed);
    write_splits(root, &splits)?;
    let count = |split| splits.values().filter(|other| **other == split).count();
    say(format!(
        "{} pieces to train on, {} to validate, {} to test; the list is {}",
        count(Split::Train),
        count(Split::Validation),
        count(Split::Test),
        name(&list)
    ))
}

fn select(arguments: &Arguments, split: Split) -> anyhow::Result<()> {
    let share = arguments.drop.unwrap_or(0.0);
    if !(0.0..1.0).contains(&share) {
        bail!(Misuse("--drop takes a share of at least 0 and below 1".into()));
    }
    if arguments.drop.is_none() && arguments.most.is_none() {
        bail!(Misuse("give --drop SHARE, --most N or both".into()));
    }
    if arguments.most == Some(0) {
        bail!(Misuse("--most keeps at least one piece".into()));
    }
    let corpus = Corpus::open(&arguments.dir)?;
    let total = corpus.split(split).len();
    if total == 0 {
        bail!("{} has no pieces in '{}'", name(&arguments.dir), split);
    }
    let mut list = ExcludeList::default();
    if share > 0.0 {
        let source = Source::Folder(corpus.clone());
        let classes = source.tempo_classes()?;
        let options = PieceOptions {
            segment_len: SAMPLE_RATE as usize,
            rate: SAMPLE_RATE,
            memory: MEMORY,
        };
        let pieces = bar::counted("tracks listened to", |count| {
            source.pieces(split, &options, &classes, count)
        })?;
        list.entries = dropped(pieces.catalogue(), share);
    }
    if let Some(most) = arguments.most {
        let listed = |track: u32| list.entries.iter().any(|entry| entry.track == track);
        let mut kept: Vec<u32> = corpus.split(split).iter().map(|track| track.id).collect();
        kept.retain(|&track| !listed(track));
        kept.sort_unstable();
        let beyond = kept.into_iter().skip(most);
        let reason = format!("beyond the first {most} pieces");
        let entries: Vec<Exclusion> = beyond
            .map(|track| Exclusion {
                split: Some(split),
                track,
                stem: None,
                reason: reason.clone(),
            })
            .collect();
        list.entries.extend(entries);
    }
    let out = arguments.out.clone().unwrap_or(arguments.dir.join(EXCLUDE_FILE));
    let added = list.add_to(&out)?;
    say(format!(
        "{} of {total} pieces in '{}' are kept; {added} lines were added to {}",
        total - list.entries.len(),
        split,
        name(&out)
    ))
}

fn dropped(catalogue: &Catalogue, share: f64) -> Vec<Exclusion> {
    let entry = |dropped: Dropped| Exclusion {
        split: Some(catalogue.split()),
        track: catalogue.pieces()[dropped.piece as usize].id,
        stem: None,
        reason: format!(
            "{} sounds for {:.1} s",
            dropped.instrument,
            dropped.sounding as f64 / f64::from(SAMPLE_RATE)
        ),
    };
    shortest(catalogue, share).into_iter().map(entry).collect()
}
