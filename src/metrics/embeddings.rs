use std::ops::Range;

use super::MetricsError;

/// Embeddings of `n` items, `[n, dimension]` row by row, all finite; or some columns of such a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Embeddings<'a> {
    values: &'a [f32],
    /// Numbers from one row to the next.
    width: usize,
    first: usize,
    dimension: usize,
}

impl<'a> Embeddings<'a> {
    /// # Errors
    /// [`MetricsError`] if `dimension` is 0, if `values` are no whole number of rows, or if one is not
    /// finite.
    pub fn new(values: &'a [f32], dimension: usize) -> Result<Self, MetricsError> {
        if dimension == 0 {
            let message = "an embedding needs at least one dimension".into();
            return Err(MetricsError::setting("dimension", message));
        }
        let last = values.len() % dimension;
        if last != 0 {
            return Err(MetricsError::length(
                "values of the last embedding",
                dimension,
                last,
            ));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(MetricsError::NotFinite {
                what: "embedding",
                index: at / dimension,
                value: values[at].into(),
            });
        }
        Ok(Embeddings {
            values,
            width: dimension,
            first: 0,
            dimension,
        })
    }

    /// Only some columns: a sub-space.
    ///
    /// # Errors
    /// [`MetricsError::Setting`] if there is none of them, or not all.
    pub fn columns(self, columns: Range<usize>) -> Result<Self, MetricsError> {
        if columns.is_empty() || columns.end > self.dimension {
            let (Range { start, end }, dimension) = (columns, self.dimension);
            let message = format!("{start}..{end} is not a sub-space of {dimension} dimensions");
            return Err(MetricsError::setting("columns", message));
        }
        Ok(Embeddings {
            first: self.first + columns.start,
            dimension: columns.len(),
            ..self
        })
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers in a row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The embedding of one item; panics outside, as a slice does.
    pub fn row(&self, item: usize) -> &'a [f32] {
        &self.values[item * self.width + self.first..][..self.dimension]
    }

    /// Rows `items`, in f64.
    pub(super) fn wide(&self, items: Range<usize>) -> Vec<f64> {
        let row = |item| self.row(item).iter().map(|&x| f64::from(x));
        items.flat_map(row).collect()
    }
}

/// `Σ (a − b)²` in eight partial sums that are added in a fixed order: the compiler computes them side by
/// side.
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_eights, a_rest) = a.as_chunks::<8>();
    let (b_eights, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_eights.iter().zip(b_eights) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += (a - b) * (a - b);
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sums;
    ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}
