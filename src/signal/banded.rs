use std::fmt;

use crate::error::{Error, Result};

/// A matrix of which each row has weights in one stretch of columns and zeros elsewhere.
#[derive(Clone, PartialEq)]
pub struct BandedMatrix {
    columns: usize,
    bands: Vec<Band>,
    weights: Vec<f32>,
}

/// Where a row's weights stand, and from where in all weights they come.
#[derive(Clone, Copy, PartialEq)]
struct Band {
    column: usize,
    weights: usize,
}

impl BandedMatrix {
    /// From each row's first column and its weights from there on, of which there may be none.
    ///
    /// # Errors
    /// [`Error::Shape`] if a row goes beyond `columns`.
    pub fn new(columns: usize, rows: impl IntoIterator<Item = (usize, Vec<f32>)>) -> Result<Self> {
        let mut matrix = Self::empty(columns);
        for (column, weights) in rows {
            if column + weights.len() > columns {
                let (row, end) = (matrix.rows(), column + weights.len());
                let message = format!("row {row} ends before column {end}, but there are {columns} columns");
                return Err(Error::shape("banded matrix", message));
            }
            matrix.push(column, weights);
        }
        Ok(matrix)
    }

    fn empty(columns: usize) -> Self {
        BandedMatrix {
            columns,
            bands: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn push(&mut self, column: usize, weights: Vec<f32>) {
        self.bands.push(Band {
            column,
            weights: self.weights.len(),
        });
        self.weights.extend(weights);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.bands.len()
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The weights of all rows, one row after another.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// A row's first column and its weights from there on. Panics beyond the last row, as a slice does.
    pub fn row(&self, row: usize) -> (usize, &[f32]) {
        let Band { column, weights } = self.bands[row];
        let end = self
            .bands
            .get(row + 1)
            .map_or(self.weights.len(), |next| next.weights);
        (column, &self.weights[weights..end])
    }

    /// Columns as rows. Where a column's weights are not in neighbouring rows, zeros stand between them.
    pub fn transpose(&self) -> Self {
        let mut columns: Vec<(usize, Vec<f32>)> = vec![(0, Vec::new()); self.columns];
        for row in 0..self.rows() {
            let (start, weights) = self.row(row);
            for ((first, column), &weight) in columns[start..].iter_mut().zip(weights) {
                if column.is_empty() {
                    *first = row;
                }
                column.resize(row - *first, 0.0);
                column.push(weight);
            }
        }
        let mut transposed = Self::empty(self.rows());
        for (row, weights) in columns {
            transposed.push(row, weights);
        }
        transposed
    }
}

impl fmt::Debug for BandedMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns, weights) = (self.rows(), self.columns, self.weights.len());
        write!(f, "[{rows}×{columns}, {weights} weights]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposes() {
        let rows = [(1, vec![2.0, 3.0]), (4, vec![]), (0, vec![5.0]), (1, vec![7.0])];
        let matrix = BandedMatrix::new(4, rows).unwrap();
        let transposed = matrix.transpose();
        assert_eq!((transposed.rows(), transposed.columns()), (4, 4));
        let columns: Vec<_> = (0..4).map(|row| transposed.row(row)).collect();
        assert_eq!(columns[0], (2, [5.0].as_slice()));
        assert_eq!(columns[1], (0, [2.0, 0.0, 0.0, 7.0].as_slice()));
        assert_eq!(columns[2], (0, [3.0].as_slice()));
        assert!(columns[3].1.is_empty());
        // the gap's zeros are weights now
        assert_eq!(transposed.transpose().row(2), (0, [5.0, 0.0].as_slice()));
        assert!(BandedMatrix::new(3, [(2, vec![1.0, 1.0])]).is_err());
    }
}
