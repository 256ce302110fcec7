//! Arrays and tables for other programs: `np.load("drums.npy")`, `np.genfromtxt("files.csv", delimiter=",", …)`.
//!
//! Both are written row by row, appear under their names when they are finished, and hold nothing but numbers and text in
//! a fixed order: the same results give the same bytes.

use std::{
    io::{self, BufWriter, Seek, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use rustfft::num_complex::Complex32;
use tempfile::NamedTempFile;

use crate::files::{FileError, create_temporary, persist};

/// Bytes in front of the numbers: room for any shape, and NumPy asks for a multiple of 64.
const HEADER: usize = 128;

/// What an array holds, little-endian.
pub(crate) trait Number: Copy {
    /// As NumPy names it.
    const NAME: &'static str;

    fn write(self, out: &mut dyn Write) -> io::Result<()>;
}

impl Number for f32 {
    const NAME: &'static str = "<f4";

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }
}

impl Number for Complex32 {
    const NAME: &'static str = "<c8";

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        self.re.write(out)?;
        self.im.write(out)
    }
}

/// An array in NumPy's format 1.0 of as many rows as are written.
pub(crate) struct NpyWriter<T> {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    /// Shape of a row.
    row: Vec<usize>,
    /// Numbers written.
    written: usize,
    number: PhantomData<T>,
}

impl<T: Number> NpyWriter<T> {
    /// Begins the array `path`, whose rows are of the shape `row`.
    ///
    /// # Errors
    /// [`FileError`], as for [`write`](Self::write) and [`finish`](Self::finish).
    pub fn create(path: &Path, row: &[usize]) -> Result<Self, FileError> {
        let mut writer = NpyWriter {
            path: path.into(),
            file: BufWriter::new(create_temporary(path)?),
            row: row.to_vec(),
            written: 0,
            number: PhantomData,
        };
        writer.doing(|file| file.write_all(&[0; HEADER]))?;
        Ok(writer)
    }

    /// Appends numbers: of whole rows in the end.
    pub fn write(&mut self, values: impl IntoIterator<Item = T>) -> Result<(), FileError> {
        let mut count = 0;
        self.doing(|file| {
            for value in values {
                value.write(file)?;
                count += 1;
            }
            Ok(())
        })?;
        self.written += count;
        Ok(())
    }

    /// Gives the array its shape and its name; returns the number of rows.
    pub fn finish(mut self) -> Result<usize, FileError> {
        let rows = self.written / self.row.iter().product::<usize>().max(1);
        let header = header::<T>(rows, &self.row);
        self.doing(|file| {
            file.flush()?;
            file.get_mut().rewind()?;
            file.get_mut().write_all(&header)
        })?;
        let file = self.file.into_inner();
        let file = file.map_err(|error| failed(&self.path)(error.into_error()))?;
        persist(file, &self.path)?;
        Ok(rows)
    }

    fn doing(
        &mut self,
        write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<()>,
    ) -> Result<(), FileError> {
        write(&mut self.file).map_err(failed(&self.path))
    }
}

fn header<T: Number>(rows: usize, row: &[usize]) -> Vec<u8> {
    const FIXED: usize = 10; // magic, version, and the length of what follows
    let row: String = row.iter().map(|size| format!(" {size},")).collect();
    let text = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': ({rows},{row}), }}",
        T::NAME
    );
    let mut header = b"\x93NUMPY\x01\0".to_vec();
    header.extend(((HEADER - FIXED) as u16).to_le_bytes());
    header.extend(format!("{text:<0$}\n", HEADER - FIXED - 1).bytes());
    header
}

/// A table of comma-separated values.
pub(crate) struct CsvWriter {
    path: PathBuf,
    table: csv::Writer<NamedTempFile>,
}

impl CsvWriter {
    /// Begins the table `path`.
    ///
    /// # Errors
    /// [`FileError`], as for [`line`](Self::line) and [`finish`](Self::finish).
    pub fn create(path: &Path, columns: &[&str]) -> Result<Self, FileError> {
        let mut writer = CsvWriter {
            path: path.into(),
            table: csv::Writer::from_writer(create_temporary(path)?),
        };
        writer.line(columns)?;
        Ok(writer)
    }

    /// Appends a line.
    pub fn line<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = C>) -> Result<(), FileError> {
        let written = self.table.write_record(cells);
        written.map_err(|error| failed(&self.path)(io::Error::other(error)))
    }

    /// Gives the table its name.
    pub fn finish(self) -> Result<(), FileError> {
        let file = self.table.into_inner();
        let file = file.map_err(|error| failed(&self.path)(error.into_error()))?;
        persist(file, &self.path)
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_path_buf();
    move |source| FileError::Write {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Byte for byte what NumPy's format 1.0 says, and nothing under the name before the end.
    #[test]
    fn arrays_have_their_shape_in_front() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut writer = NpyWriter::create(&path, &[1, 2]).unwrap();
        writer.write([1.0f32, 2.0]).unwrap();
        assert!(!path.exists());
        writer.write([3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(writer.finish().unwrap(), 3);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\0\x76\0");
        let text = String::from_utf8_lossy(&bytes[10..HEADER]).into_owned();
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1, 2,), }";
        assert_eq!((text.trim_end(), text.ends_with('\n')), (dictionary, true));
        let values: Vec<f32> = bytes[HEADER..]
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        // no shape of five sizes whose product is a usize has more digits
        let wide = header::<Complex32>(usize::MAX, &[9; 4]);
        assert_eq!(wide.len(), HEADER, "{}", String::from_utf8_lossy(&wide));

        let mut one = NpyWriter::<Complex32>::create(&path, &[]).unwrap();
        one.write([Complex32::new(1.0, -2.0)]).unwrap();
        assert_eq!(one.finish().unwrap(), 1);
        let bytes = fs::read(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("'<c8', 'fortran_order': False, 'shape': (1,), "));
        assert_eq!(bytes.len(), HEADER + 8);
    }
}
