//! Tensor shapes: up to four dimensions, row-major; images are NCHW (batch, channels, frequency, time).

use std::{fmt, ops::Index};

/// The dimensions of a tensor, outermost first. A scalar has rank 0 and one element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; Shape::MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The most dimensions that a tensor has.
    pub const MAX_RANK: usize = 4;
    /// The shape of a single number: rank 0.
    pub const SCALAR: Shape = Shape {
        dims: [1; Self::MAX_RANK],
        rank: 0,
    };

    /// Sizes, outermost dimension first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank as usize]
    }

    /// Number of dimensions, 0 to [`Shape::MAX_RANK`].
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// Number of elements. Never zero for a shape that a tape accepted; `usize::MAX` for what cannot be counted.
    pub fn len(&self) -> usize {
        product(self.dims())
    }

    /// Whether a dimension is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Batch, channels and elements per channel of `[N, C, …]`; what channel-wise operations need.
    /// A dimension that it lacks counts as one.
    pub fn channels(&self) -> Channels {
        Channels {
            batch: self.dims[0],
            channels: self.dims[1],
            inner: product(&self.dims[2..]),
        }
    }

    /// The same shape with dimension 0 replaced. Rank must be at least 1.
    pub(crate) fn with_batch(mut self, batch: usize) -> Self {
        self.dims[0] = batch;
        self
    }

    /// The same shape with dimension 1 replaced. Rank must be at least 2.
    pub(crate) fn with_channels(mut self, channels: usize) -> Self {
        self.dims[1] = channels;
        self
    }
}

fn product(dims: &[usize]) -> usize {
    match dims.contains(&0) {
        true => 0,
        false => dims.iter().fold(1, |len, &dim| len.saturating_mul(dim)),
    }
}

/// A tensor seen as `[batch, channels, inner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Size of dimension 0.
    pub batch: usize,
    /// Size of dimension 1.
    pub channels: usize,
    /// Product of all further dimensions.
    pub inner: usize,
}

impl<const RANK: usize> From<[usize; RANK]> for Shape {
    fn from(given: [usize; RANK]) -> Self {
        const { assert!(RANK <= Shape::MAX_RANK, "at most four dimensions") };
        let mut dims = [1; Self::MAX_RANK];
        dims[..RANK].copy_from_slice(&given);
        Shape {
            dims,
            rank: RANK as u8,
        }
    }
}

impl TryFrom<&[usize]> for Shape {
    type Error = String;

    fn try_from(given: &[usize]) -> Result<Self, String> {
        if given.len() > Self::MAX_RANK {
            return Err(format!(
                "a tensor has at most {} dimensions, not {}",
                Self::MAX_RANK,
                given.len()
            ));
        }
        let mut dims = [1; Self::MAX_RANK];
        dims[..given.len()].copy_from_slice(given);
        Ok(Shape {
            dims,
            rank: given.len() as u8,
        })
    }
}

impl Index<usize> for Shape {
    type Output = usize;

    fn index(&self, axis: usize) -> &usize {
        &self.dims()[axis]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rank == 0 {
            return f.pad("scalar");
        }
        let text = self
            .dims()
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join("×");
        f.pad(&text)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_text() {
        assert_eq!(Shape::SCALAR.len(), 1);
        assert_eq!(Shape::from([2, 3, 5]).len(), 30);
        assert_eq!(Shape::from([2, 3, 5]).to_string(), "2×3×5");
        assert_eq!(Shape::from([usize::MAX, 3]).len(), usize::MAX);
        assert_eq!(Shape::from([usize::MAX, 3, 0]).len(), 0);
        assert!(Shape::try_from([1; 5].as_slice()).is_err());
        let view = Shape::from([2, 3, 5, 7]).channels();
        assert_eq!(
            view,
            Channels {
                batch: 2,
                channels: 3,
                inner: 35
            }
        );
    }
}
