//! A library's vectors for other programs: `np.load("drums.npy")`, and beside it a table that says what its rows are of.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{
    Failure, Library, LibraryError,
    mean::{Segment, segments_of},
    scan::Scan,
};
use crate::{
    arrays::{CsvWriter, NpyWriter},
    corpus::Instrument,
    describe::Describer,
    files::{IoError, remove_partials},
};

/// Writes `drums.npy` and so on, for each instrument that the library describes: f32, `[files, dimensions]`; and
/// `files.csv`, a line for each row: path, seconds, and the presence of each instrument where the model tells it. Silent
/// files have no row. Returns the number of rows.
///
/// # Errors
/// [`LibraryError::Io`] and [`LibraryError::File`] if the folder or a file in it cannot be written.
pub fn export(library: &Library, folder: &Path) -> Result<usize, LibraryError> {
    let mut vectors = Vectors::create(library, folder, "files.csv", "seconds")?;
    for entry in library.entries() {
        let Some(row) = library.row(entry) else { continue };
        let presence = entry.presence.as_ref().map_or(&[][..], |presence| &presence[..]);
        vectors.write(&entry.file.path, entry.seconds, row, presence)?;
    }
    vectors.finish()
}

/// What [`export_segments`] did.
#[derive(Debug, Default)]
pub struct SegmentExport {
    /// Rows written.
    pub rows: usize,
    /// Files that can no longer be read, of which there are no rows.
    pub failures: Vec<Failure>,
    /// Stopped before the end; nothing was written.
    pub interrupted: bool,
}

/// Writes the vectors of segments, which a library does not keep, into the folder `folder`: the files of the library that
/// are in `paths` are heard again. As [`export`], with `segments.csv`, whose `start` is in seconds. `progress` is called
/// with the files done and their number.
///
/// # Errors
/// As [`export`]; what the model and the device give.
pub fn export_segments(
    library: &Library,
    paths: &[PathBuf],
    describer: &mut Describer,
    folder: &Path,
    stop: &AtomicBool,
    progress: &dyn Fn(usize, usize),
) -> Result<SegmentExport, LibraryError> {
    let scan = Scan::of(paths, stop);
    let header = library.header();
    let entries = library.entries().iter();
    let heard: Vec<_> = entries
        .filter(|entry| entry.row.is_some() && scan.covers(&entry.file.path))
        .collect();
    let mut vectors = Vectors::create(library, folder, "segments.csv", "start")?;
    let mut export = SegmentExport::default();
    for (done, entry) in heard.iter().enumerate() {
        progress(done, heard.len());
        if stop.load(Relaxed) {
            export.interrupted = true;
            return Ok(export);
        }
        let path = &entry.file.path;
        let segments = match segments_of(describer, header, path) {
            Ok((segments, _)) => segments,
            Err(error @ (LibraryError::Audio(_) | LibraryError::Stems(_))) => {
                export.failures.push(Failure::new(path, error.to_string()));
                continue;
            }
            Err(error) => return Err(error),
        };
        for Segment { start, row } in segments {
            let (row, presence) = row.split_at(header.width().min(row.len()));
            vectors.write(path, start as f64 / f64::from(header.rate), row, presence)?;
        }
    }
    export.rows = vectors.finish()?;
    Ok(export)
}

/// One array an instrument, and the table of their rows.
struct Vectors {
    /// With the place behind its numbers in a row.
    arrays: Vec<(NpyWriter<f32>, usize)>,
    table: CsvWriter,
    rows: usize,
}

impl Vectors {
    fn create(library: &Library, folder: &Path, table: &str, second: &str) -> Result<Self, LibraryError> {
        std::fs::create_dir_all(folder).map_err(IoError::of("create", folder))?;
        remove_partials(folder);
        let mut end = 0;
        let arrays = library.header().subspaces.iter().map(|subspace| {
            end += subspace.dimensions;
            let path = folder.join(format!("{}.npy", subspace.instrument));
            Ok((NpyWriter::create(&path, &[subspace.dimensions])?, end))
        });
        let arrays = arrays.collect::<Result<_, LibraryError>>()?;
        let presences = Instrument::ALL.map(|instrument| format!("{instrument} sounds"));
        let columns = ["path", second]
            .into_iter()
            .chain(presences.iter().map(String::as_str));
        Ok(Vectors {
            arrays,
            table: CsvWriter::create(&folder.join(table), &columns.collect::<Vec<_>>())?,
            rows: 0,
        })
    }

    fn write(
        &mut self,
        path: &Path,
        seconds: f64,
        row: &[f32],
        presence: &[f32],
    ) -> Result<(), LibraryError> {
        let mut start = 0;
        for (array, end) in &mut self.arrays {
            array.write(row[start..*end].iter().copied())?;
            start = *end;
        }
        let mut line = vec![path.display().to_string(), seconds.to_string()];
        let presence = |i: usize| presence.get(i).map_or(String::new(), f32::to_string);
        line.extend((0..Instrument::ALL.len()).map(presence));
        self.table.line(line)?;
        self.rows += 1;
        Ok(())
    }

    fn finish(self) -> Result<usize, LibraryError> {
        for (array, _) in self.arrays {
            array.finish()?;
        }
        self.table.finish()?;
        Ok(self.rows)
    }
}
