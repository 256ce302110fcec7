//! Splits that were assigned to a corpus: a table in its folder, which everything that reads the corpus honours.

use std::{collections::BTreeMap, io, path::Path};

use super::{CorpusError, Split, split::track_name};
use crate::{arrays::CsvWriter, files};

/// The table, with the columns `track` and `split`.
pub const SPLIT_FILE: &str = "splits.csv";

/// Which split tracks were assigned to, by number.
pub type Splits = BTreeMap<u32, Split>;

/// Reads the splits that were assigned to the corpus at `root`; none without such a file.
///
/// # Errors
/// [`CorpusError::Io`]; [`CorpusError::Invalid`], with the line, for what is no such table.
pub fn read_splits(root: &Path) -> Result<Splits, CorpusError> {
    let path = root.join(SPLIT_FILE);
    let bytes = match files::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Splits::new()),
        other => other.map_err(CorpusError::io("read", &path))?,
    };
    parse(&bytes).map_err(|message| CorpusError::invalid(format!("{}: {message}", path.display())))
}

fn parse(bytes: &[u8]) -> Result<Splits, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    if headers.iter().ne(["track", "split"]) {
        return Err("its first line is not 'track,split'".into());
    }
    let mut splits = Splits::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, |position| position.line());
        let (track, split) = (&record[0], &record[1]);
        let id = track.strip_prefix("Track").and_then(|digits| digits.parse().ok());
        let id: u32 = id.ok_or_else(|| format!("line {line}: '{track}' is no track: write Track00123"))?;
        let split = split.parse().map_err(|error| format!("line {line}: {error}"))?;
        if splits.insert(id, split).is_some() {
            return Err(format!("line {line}: {track} is there twice"));
        }
    }
    Ok(splits)
}

/// Writes the table of the corpus at `root`.
///
/// # Errors
/// [`CorpusError::File`].
pub fn write_splits(root: &Path, splits: &Splits) -> Result<(), CorpusError> {
    let mut table = CsvWriter::create(&root.join(SPLIT_FILE), &["track", "split"])?;
    for (&id, split) in splits {
        table.line([track_name(id), split.to_string()])?;
    }
    Ok(table.finish()?)
}

/// Divides tracks by weights of training, validation and test: in an order that `seed` and the track's number alone decide,
/// so that a track more or less moves few of the others. Every split with a weight has one at least, if there are enough.
pub fn assigned(tracks: &[u32], shares: [u32; 3], seed: u64) -> Splits {
    let key = |id: u32| *blake3::hash(format!("{seed} {id}").as_bytes()).as_bytes();
    let mut order = tracks.to_vec();
    order.sort_unstable_by_key(|&id| (key(id), id));
    let total = shares.iter().map(|&share| u128::from(share)).sum::<u128>().max(1);
    let mut behind = shares.iter().filter(|&&share| share > 0).count();
    let enough = order.len() >= behind;
    let mut splits = Splits::new();
    let (mut taken, mut before) = (0, 0u128);
    for (split, share) in [Split::Train, Split::Validation, Split::Test]
        .into_iter()
        .zip(shares)
    {
        before += u128::from(share);
        let mut end = (order.len() as u128 * before / total) as usize;
        if share > 0 {
            behind -= 1;
            if enough {
                end = end.clamp(taken + 1, order.len() - behind);
            }
        }
        let end = end.clamp(taken, order.len());
        splits.extend(order[taken..end].iter().map(|&id| (id, split)));
        taken = end;
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_every_split_has_one() {
        let count = |splits: &Splits| {
            [Split::Train, Split::Validation, Split::Test]
                .map(|split| splits.values().filter(|other| **other == split).count())
        };
        let twenty: Vec<u32> = (1..=20).collect();
        assert_eq!(count(&assigned(&twenty, [70, 15, 15], 0)), [14, 3, 3]);
        assert_eq!(count(&assigned(&twenty, [1, 0, 1], 0)), [10, 0, 10]);
        assert_eq!(count(&assigned(&[4, 9, 7], [98, 1, 1], 3)), [1, 1, 1]);
        assert_eq!(count(&assigned(&[4], [70, 15, 15], 3)).iter().sum::<usize>(), 1);
        assert_eq!(count(&assigned(&twenty, [u32::MAX; 3], 0)), [6, 7, 7]);
        let (one, other) = (
            assigned(&twenty, [70, 15, 15], 1),
            assigned(&twenty, [70, 15, 15], 2),
        );
        assert!(one != other && one == assigned(&twenty, [70, 15, 15], 1));
    }

    #[test]
    fn tables_come_back_and_faults_are_found_by_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_splits(folder.path()).unwrap(), Splits::new());
        let splits = assigned(&[3, 1, 2], [1, 1, 1], 0);
        write_splits(folder.path(), &splits).unwrap();
        assert_eq!(read_splits(folder.path()).unwrap(), splits);
        for (text, says) in [
            ("a,b\n", "first line"),
            (
                "track,split\nTrack00001,train\n1,test\n",
                "line 3: '1' is no track",
            ),
            ("track,split\nTrack00001,half\n", "line 2: no split 'half'"),
            (
                "track,split\nTrack00001,train\nTrack00001,test\n",
                "line 3: Track00001 is there twice",
            ),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
