use super::BandedMatrix;
use crate::error::{Error, Result};

/// Frequency bands over the bins of a Fourier transform: at the bottom one for each bin, above that ever wider, each by the
/// same factor. Bands overlap as triangles do, so that every bin lies between two.
#[derive(Debug, Clone)]
pub struct Bands {
    /// Where each bin lies, counted in bands.
    places: Vec<f64>,
    count: usize,
}

impl Bands {
    /// `count` bands over `bins` bins.
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than two bands, or more than there are bins.
    pub fn new(bins: usize, count: usize) -> Result<Self> {
        if !(2..=bins).contains(&count) {
            let message = format!("there can be 2 to {bins} of them over {bins} bins, not {count}");
            return Err(Error::shape("bands", message));
        }
        // to bin `knee` a band for each, from there on as its logarithm goes, with the same slope where they meet
        let place = |bin: usize, knee: usize| match bin <= knee {
            true => bin as f64,
            false => knee as f64 * (1.0 + (bin as f64 / knee as f64).ln()),
        };
        let (last, top) = (bins - 1, (count - 1) as f64);
        let knee = (1..last).find(|&knee| place(last, knee) >= top).unwrap_or(last);
        let scale = top / place(last, knee);
        let places = (0..bins).map(|bin| (scale * place(bin, knee)).min(top));
        Ok(Bands {
            places: places.collect(),
            count,
        })
    }

    /// How much of each bin is each band's: a row is the weighted mean of its bins. `[bands, bins]`
    ///
    /// # Errors
    /// None that [`Bands::new`] lets through.
    pub fn means(&self) -> Result<BandedMatrix> {
        let row = |band: usize| {
            let weight = |place: &f64| (1.0 - (place - band as f64).abs()).max(0.0);
            let weights: Vec<f64> = self.places.iter().map(weight).collect();
            let first = weights.iter().position(|&w| w > 0.0).unwrap_or(0);
            let end = weights
                .iter()
                .rposition(|&w| w > 0.0)
                .map_or(first, |last| last + 1);
            let sum: f64 = weights[first..end].iter().sum();
            let weights = weights[first..end].iter().map(|w| (w / sum) as f32);
            (first, weights.collect())
        };
        BandedMatrix::new(self.places.len(), (0..self.count).map(row))
    }

    /// What a bin has of its two bands, by how near they are. `[bins, bands]`
    ///
    /// # Errors
    /// None that [`Bands::new`] lets through.
    pub fn interpolation(&self) -> Result<BandedMatrix> {
        let row = |&place: &f64| {
            let below = (place as usize).min(self.count - 2);
            let above = (place - below as f64) as f32;
            (below, vec![1.0 - above, above])
        };
        BandedMatrix::new(self.count, self.places.iter().map(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(matrix: &BandedMatrix) -> Vec<Vec<f32>> {
        let row = |row| {
            let (first, weights) = matrix.row(row);
            let mut all = vec![0.0; matrix.columns()];
            all[first..first + weights.len()].copy_from_slice(weights);
            all
        };
        (0..matrix.rows()).map(row).collect()
    }

    #[test]
    fn as_many_bands_as_bins_are_the_bins() {
        let bands = Bands::new(9, 9).unwrap();
        let one = |row: usize| (0..9).map(|column| f32::from(u8::from(row == column))).collect();
        let identity: Vec<Vec<f32>> = (0..9).map(one).collect();
        assert_eq!(dense(&bands.means().unwrap()), identity);
        assert_eq!(dense(&bands.interpolation().unwrap()), identity);
    }

    #[test]
    fn bands_are_bins_below_and_wider_above_and_what_is_constant_stays() {
        for (bins, count) in [(1025, 256), (1025, 128), (129, 20), (33, 2), (5, 4)] {
            let bands = Bands::new(bins, count).unwrap();
            let steps: Vec<f64> = bands.places.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(steps.iter().all(|&step| step > 0.0 && step <= 1.0 + 1e-12));
            assert!(
                steps.windows(2).all(|pair| pair[1] <= pair[0] + 1e-9),
                "never narrower"
            );
            assert_eq!(bands.places[0], 0.0);
            assert!((bands.places[bins - 1] - (count - 1) as f64).abs() < 1e-9);
            for matrix in [bands.means().unwrap(), bands.interpolation().unwrap()] {
                for row in dense(&matrix) {
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                    assert!(row.iter().all(|&weight| weight >= 0.0));
                }
            }
        }
        // of 256 over 1025 bins, the first seventy are a bin each, but for what makes the last fall on the last
        let bands = Bands::new(1025, 256).unwrap();
        assert!((bands.places[69] - 69.0).abs() < 0.5);
        assert!(bands.places[1024] - bands.places[1014] < 1.0);
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        for (bins, count) in [(9, 10), (9, 1), (9, 0), (1, 1), (0, 0)] {
            let error = Bands::new(bins, count).unwrap_err().to_string();
            assert!(error.contains(&format!("not {count}")), "{error}");
        }
    }
}
