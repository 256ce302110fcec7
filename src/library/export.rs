//! A library's vectors for other programs: `np.load("drums.npy")`.

use std::{io, path::Path};

use super::{Library, LibraryError};
use crate::{
    corpus::Instrument,
    files::{IoError, write_atomically},
};

/// Writes `drums.npy` and so on, for each instrument that the library describes: f32, `[files, dimensions]`; and
/// `files.csv`, a line for each row: path, seconds, and the presence of each instrument where the model tells it. Silent
/// files have no row. Returns the number of rows.
///
/// # Errors
/// [`LibraryError::Io`] and [`LibraryError::File`] if the folder or a file in it cannot be written.
pub fn export(library: &Library, folder: &Path) -> Result<usize, LibraryError> {
    std::fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
    let entries = library.entries().iter();
    let rows: Vec<_> = entries
        .filter_map(|entry| Some((entry, library.row(entry)?)))
        .collect();
    let mut from = 0;
    for subspace in &library.header().subspaces {
        let columns = from..from + subspace.dimensions;
        from = columns.end;
        write_atomically(&folder.join(format!("{}.npy", subspace.instrument)), |file| {
            file.write_all(&npy_header([rows.len(), columns.len()]))?;
            for value in rows.iter().flat_map(|(_, row)| &row[columns.clone()]) {
                file.write_all(&value.to_le_bytes())?;
            }
            Ok(())
        })?;
    }
    write_atomically(&folder.join("files.csv"), |file| {
        let mut table = csv::Writer::from_writer(file);
        let presences = Instrument::ALL.map(|instrument| format!("{instrument} sounds"));
        let header = ["path", "seconds"]
            .into_iter()
            .chain(presences.iter().map(String::as_str));
        table.write_record(header).map_err(io::Error::other)?;
        for (entry, _) in &rows {
            let mut line = vec![entry.file.path.display().to_string(), entry.seconds.to_string()];
            let presence = |i: usize| {
                entry
                    .presence
                    .map_or(String::new(), |presence| presence[i].to_string())
            };
            line.extend((0..Instrument::ALL.len()).map(presence));
            table.write_record(line).map_err(io::Error::other)?;
        }
        table.flush()
    })?;
    Ok(rows.len())
}

/// What stands in front of little-endian f32 in NumPy's format 1.0: 64 bytes or a multiple.
fn npy_header([rows, columns]: [usize; 2]) -> Vec<u8> {
    const FIXED: usize = 10; // magic, version, and the length of what follows
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let length = (FIXED + text.len() + 1).next_multiple_of(64) - FIXED;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\0".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(text.bytes());
    header
}
