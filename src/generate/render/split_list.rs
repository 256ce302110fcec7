//! Splits as a table gives them.

use std::{collections::BTreeMap, path::Path};

use csv::{ReaderBuilder, Trim};

use super::SPLITS;
use crate::{
    corpus::{CorpusError, Split},
    files,
};

/// Reads which split every piece of a collection is in: a table, comma or tab separated, whose columns `path` (below the
/// collection, with `/`) and `split` are taken, in whatever order and beside whatever others.
///
/// # Errors
/// [`CorpusError::Io`]; [`CorpusError::Invalid`], with the line, for a table without these columns or rows, another split
/// than train, validation or test, or a path that is there twice.
pub fn read_split_list(path: &Path) -> Result<BTreeMap<String, Split>, CorpusError> {
    let bytes = files::read(path).map_err(CorpusError::io("read", path))?;
    parse(&bytes).map_err(|message| CorpusError::invalid(format!("{}: {message}", path.display())))
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Split>, String> {
    let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if header.contains(&b'\t') { b'\t' } else { b',' };
    let mut builder = ReaderBuilder::new();
    let mut reader = builder.delimiter(delimiter).trim(Trim::All).from_reader(bytes);
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| {
        let found = headers
            .iter()
            .position(|header| header.trim_start_matches('\u{feff}') == name);
        found.ok_or_else(|| format!("its first line names no column '{name}'; 'path' and 'split' are needed"))
    };
    let (path, split) = (column("path")?, column("split")?);
    let mut list = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, |position| position.line());
        let (path, name) = (&record[path], &record[split]);
        let split = SPLITS.into_iter().find(|split| split.name() == name);
        let split =
            split.ok_or_else(|| format!("line {line}: no split '{name}': use train, validation or test"))?;
        if list.insert(path.to_string(), split).is_some() {
            return Err(format!("line {line}: {path} is there twice"));
        }
    }
    match list.is_empty() {
        true => Err("it names no piece".into()),
        false => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_faults_by_line() {
        let wanted = BTreeMap::from([
            ("a/b.mid".to_string(), Split::Train),
            ("c, d.mid".into(), Split::Test),
        ]);
        for table in [
            "path\tsplit\tlicence\na/b.mid\ttrain\tBSD\nc, d.mid\ttest\t\n",
            "\u{feff}path\tsplit\r\na/b.mid\ttrain\r\nc, d.mid\ttest\r\n",
            "seconds,split,path\n1,train,a/b.mid\n2,test,\"c, d.mid\"\n",
        ] {
            assert_eq!(parse(table.as_bytes()).as_ref(), Ok(&wanted), "{table}");
        }
        for (table, fault) in [
            ("", "no column 'path'"),
            ("path,part\na,train\n", "no column 'split'"),
            ("path,split\n", "no piece"),
            ("path,split\na,train\nb,unsplit\n", "line 3: no split 'unsplit'"),
            ("path,split\na,train\na,test\n", "line 3: a is there twice"),
            ("path,split\na\n", "line: 2"),
        ] {
            let message = parse(table.as_bytes()).unwrap_err();
            assert!(message.contains(fault), "{table}: {message}");
        }
    }
}
