//! A banded linear map along frequency.

use std::sync::Arc;

use rayon::prelude::*;

use super::{image, inputs};
use crate::{
    error::{Error, Result},
    kernel::Kernels,
    shader,
    shape::Shape,
    signal::BandedMatrix,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Tape, Values, Var},
};

/// `out[m, t] = Σ_k matrix[m, k] x[k, t]`, which touches no weight outside the band.
/// `x [N, C, columns, T], table → [N, C, rows, T]`
///
/// The constant `table` is the matrix as kernels read it; [`filterbank`] records it.
#[derive(Debug, Clone)]
pub struct Filterbank {
    /// `[rows, columns]`.
    pub matrix: Arc<BandedMatrix>,
}

/// Records a [`Filterbank`] on `x [N, C, columns, T]` and its constant.
///
/// # Errors
/// [`Error::Shape`] if `x` has another number of columns.
pub fn filterbank(tape: &mut Tape, x: Var, matrix: &Arc<BandedMatrix>) -> Result<Var> {
    let table = table(matrix);
    let table = tape.constant([table.len()], &table)?;
    let matrix = matrix.clone();
    tape.push(Filterbank { matrix }, &[x, table])
}

/// Each row's first column and the place of its weights in this table, once more for the end, then the weights.
/// f32 holds these numbers exactly.
fn table(matrix: &BandedMatrix) -> Vec<f32> {
    let header = 2 * (matrix.rows() + 1);
    let mut table = Vec::with_capacity(header + matrix.weights().len());
    let mut place = header;
    for row in 0..matrix.rows() {
        let (column, weights) = matrix.row(row);
        table.extend([column as f32, place as f32]);
        place += weights.len();
    }
    table.extend([0.0, place as f32]);
    table.extend(matrix.weights());
    table
}

// not trusted: its kernel goes where the table says, which is a tensor that anybody may give
impl Op for Filterbank {
    const NAME: &'static str = "filterbank";

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, table] = inputs(Self::NAME, given)?;
        let [batch, channels, columns, frames] = image(Self::NAME, x)?;
        let (rows, weights) = (self.matrix.rows(), self.matrix.weights().len());
        super::same(Self::NAME, table, Shape::from([2 * (rows + 1) + weights]))?;
        match columns == self.matrix.columns() {
            true => Ok(Shape::from([batch, channels, rows, frames])),
            false => Err(Error::shape(
                Self::NAME,
                format!("filters over {} bins do not fit [{x}]", self.matrix.columns()),
            )),
        }
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(1) {
            return at.none();
        }
        let matrix = Arc::new(self.matrix.transpose());
        let table = table(&matrix);
        let table = at.constant([table.len()], &table)?;
        at.give(0, Filterbank { matrix }, &[at.upstream(), table])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let (frames, rows) = (io.shapes.output[3], self.matrix.rows());
        let x = io.inputs[0];
        io.output.par_chunks_mut(frames).enumerate().for_each(|(i, out)| {
            let (column, weights) = self.matrix.row(i % rows);
            let first = i / rows * self.matrix.columns() + column;
            out.fill(T::zero());
            for (x, &weight) in x[first * frames..].chunks_exact(frames).zip(weights) {
                let weight = T::of(f64::from(weight));
                for (out, &x) in out.iter_mut().zip(x) {
                    *out += weight * x;
                }
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        io.flat(shader!("filterbank/filterbank"))
            .params([self.matrix.rows(), self.matrix.columns(), io.output[3]])
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |columns, bands: &[[usize; 2]], [batch, channels, frames]: [usize; 3]| {
            // weights of either sign, none of them small
            let weights = |[from, to]: [usize; 2]| (from..to).map(|k| 0.5 + (k % 5) as f32 - 2.0).collect();
            let rows = bands.iter().map(|&band| (band[0], weights(band)));
            // a band beyond the last column has no case: no matrix
            let matrix = Arc::new(BandedMatrix::new(columns, rows).ok()?);
            let table = table(&matrix);
            let shapes = [
                Shape::from([batch, channels, columns, frames]),
                Shape::from([table.len()]),
            ];
            let case = Case::new(Class::Reduction, Filterbank { matrix }, shapes);
            Some(case.fill(1, Values::Exactly(table.into())).differentiable(&[0]))
        };
        let cases = [
            case(17, &[[0, 3], [1, 5], [4, 4], [5, 6], [3, 17]], [3, 1, 11]),
            // rows out of order, columns without weights and with gaps
            case(9, &[[7, 8], [0, 2], [1, 5], [0, 1]], [2, 3, 37]),
            case(1, &[[0, 1]], [1, 1, 1]),
        ];
        cases.into_iter().flatten().collect()
    }
}
