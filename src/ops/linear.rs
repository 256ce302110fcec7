//! Matrix products.

use super::{
    biased, inputs,
    reduce::in_slices,
    tile::{self, Floats, Tile},
    variant,
};
use crate::{
    error::{Error, Result},
    kernel::{Dispatch, FLAT_WIDTH, Kernels, Shader, Slot, Traits, fold},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted},
};

/// `x wᵀ + b`. `x [N, K], w [M, K], b [M] (may be left out) → [N, M]`
#[derive(Debug, Clone)]
pub struct Linear;

/// `A B`, either or both transposed first. `[N, K], [K, M] → [N, M]`
#[derive(Debug, Clone)]
pub struct MatMul {
    /// Whether A is given as `[K, N]`.
    pub transpose_a: bool,
    /// Whether B is given as `[M, K]`.
    pub transpose_b: bool,
}

/// A matrix in memory: its rows, columns, and the steps from one to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub rows: usize,
    pub columns: usize,
    pub row_step: usize,
    pub column_step: usize,
}

impl Layout {
    pub fn row_major(rows: usize, columns: usize) -> Self {
        Layout {
            rows,
            columns,
            row_step: columns,
            column_step: 1,
        }
    }

    pub fn transposed(self) -> Self {
        Layout {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
        }
    }

    /// One past the last element.
    fn end(&self) -> usize {
        (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step + 1
    }
}

/// `out = a b`, or `out += a b` with `accumulate`; one thread or all of them.
///
/// Panics if a layout does not fit its slice.
pub(super) fn gemm<T: Real>(
    out: (&mut [T], Layout),
    a: (&[T], Layout),
    b: (&[T], Layout),
    accumulate: bool,
    parallel: bool,
) {
    let ((out, o), (a, la), (b, lb)) = (out, a, b);
    assert!(
        o.rows == la.rows && o.columns == lb.columns && la.columns == lb.rows,
        "{o:?} {la:?} {lb:?}"
    );
    assert!(
        o.end() <= out.len() && la.end() <= a.len() && lb.end() <= b.len(),
        "{o:?} {la:?} {lb:?}"
    );
    let threads = match parallel {
        true => gemm::Parallelism::Rayon(0),
        false => gemm::Parallelism::None,
    };
    let alpha = if accumulate { T::one() } else { T::zero() };
    // SAFETY: every element that the layouts name lies inside its slice (asserted above), `out` is
    // borrowed alone, and its layout names no element twice.
    unsafe {
        gemm::gemm(
            o.rows,
            o.columns,
            la.columns,
            out.as_mut_ptr(),
            o.column_step as isize,
            o.row_step as isize,
            accumulate,
            a.as_ptr(),
            la.column_step as isize,
            la.row_step as isize,
            b.as_ptr(),
            lb.column_step as isize,
            lb.row_step as isize,
            alpha,
            T::one(),
            false,
            false,
            false,
            threads,
        );
    }
}

fn matrix(op: &'static str, shape: Shape) -> Result<Layout> {
    match *shape.dims() {
        [rows, columns] => Ok(Layout::row_major(rows, columns)),
        _ => Err(Error::shape(
            op,
            format!("needs matrices, but was given [{shape}]"),
        )),
    }
}

/// How a product is computed.
#[derive(Debug, Clone, Copy)]
enum Way {
    Tiles(Tile),
    Matrices(Floats),
    Registers,
}

/// As those of the convolutions, of the same names; each adds in an order of its own: one running sum, but for the tiles,
/// which add slices of it.
const WAYS: [(&str, Way); 4] = [
    ("tiles-64x32x32", Way::Tiles(tile::SQUARE)),
    ("matrices-f16", Way::Matrices(Floats::Half)),
    ("matrices-f32", Way::Matrices(Floats::Single)),
    ("register-tiles", Way::Registers),
];

/// Numbers of all slices.
const MOST_PARTIALS: usize = 1 << 22;

struct Product {
    a: Layout,
    b: Layout,
}

impl Product {
    fn kernels(&self, io: &Io<'_>) -> Kernels {
        debug_assert_eq!(io.output.len(), self.a.rows * self.b.columns);
        let suits = |way| Self::suits(way, io.traits);
        variant::choose(&WAYS, io.traits.pinned, suits, |way| self.by(way, io))
    }

    fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
        let suits = |way| Self::suits(way, io.traits);
        variant::names(&WAYS, io.traits.pinned, suits, |way| self.by(way, io))
    }

    fn suits(way: Way, traits: Traits) -> bool {
        match way {
            Way::Tiles(_) => !traits.software,
            Way::Matrices(_) => false,
            Way::Registers => true,
        }
    }

    fn by(&self, way: Way, io: &Io<'_>) -> Option<Kernels> {
        let tile = match way {
            Way::Tiles(tile) => tile,
            Way::Matrices(floats) => Tile::of_matrices(floats, io.traits)?,
            Way::Registers => return Some(self.registers(io)),
        };
        (!io.traits.small_workgroups).then(|| self.tiles(io, tile))
    }

    fn dispatch(&self, io: &Io<'_>, shader: Shader, output: Slot, groups: usize) -> Dispatch {
        let (a, b) = (self.a, self.b);
        let dispatch = Dispatch::new(shader, io.bindings(output), fold(groups))
            .params([a.rows, b.columns, a.columns])
            .params([a.row_step, a.column_step, b.row_step, b.column_step]);
        biased(dispatch, io.inputs.len())
    }

    fn tiles(&self, io: &Io<'_>, tile: Tile) -> Kernels {
        let len = self.a.rows * self.b.columns;
        let tiles = tile.count(self.a.rows, self.b.columns);
        let (slices, terms) = tile.slices(tiles, self.a.columns, MOST_PARTIALS / len);
        in_slices(Kernels::default(), len, slices, |output| {
            let dispatch = self.dispatch(io, shader!("linear/tiles"), output, tiles * slices);
            tile.define(dispatch).params([slices, terms])
        })
    }

    /// Without workgroup memory.
    fn registers(&self, io: &Io<'_>) -> Kernels {
        let tiles = self.a.rows.div_ceil(REGISTERS) * self.b.columns.div_ceil(REGISTERS);
        let groups = tiles.div_ceil(FLAT_WIDTH);
        let dispatch = self.dispatch(io, shader!("linear/matmul"), Slot::Output, groups);
        dispatch.define("TILE", REGISTERS).into()
    }
}

/// Rows and columns of the output that one invocation computes in registers.
const REGISTERS: usize = 4;

impl Linear {
    fn product(io: &Io<'_>) -> Product {
        let (x, w) = (io.inputs[0], io.inputs[1]);
        Product {
            a: Layout::row_major(x[0], x[1]),
            b: Layout::row_major(w[0], w[1]).transposed(),
        }
    }
}

impl Op for Linear {
    const NAME: &'static str = "linear";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [x, w] = inputs(Self::NAME, &given[..given.len().min(2)])?;
        let (a, b) = (matrix(Self::NAME, x)?, matrix(Self::NAME, w)?.transposed());
        let bias_fits = given.get(2).is_none_or(|bias| *bias == Shape::from([b.columns]));
        if a.columns != b.rows || !bias_fits || given.len() > 3 {
            return Err(Error::shape(Self::NAME, format!("{given:?} do not fit")));
        }
        Ok(Shape::from([a.rows, b.columns]))
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (x, w, dy) = (at.input(0), at.input(1), at.upstream());
        let product = |transpose_a| MatMul {
            transpose_a,
            transpose_b: false,
        };
        at.give(0, product(false), &[dy, w])?;
        at.give(1, product(true), &[dy, x])?;
        match at.inputs() {
            3 => at.give(2, super::ChannelSum, &[dy]),
            _ => Ok(()),
        }
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let ([x, w, bias, ..], Product { a, b }) = (io.inputs, Self::product(&io.shapes));
        let has_bias = io.shapes.inputs.len() > 2;
        if has_bias {
            let rows = io.output.chunks_exact_mut(b.columns);
            rows.for_each(|row| row.copy_from_slice(bias));
        }
        let out = Layout::row_major(a.rows, b.columns);
        gemm((io.output, out), (x, a), (w, b), has_bias, true);
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        Self::product(io).kernels(io)
    }

    fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
        Self::product(io).variants(io)
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, k: usize, m: usize| {
            let shapes = [Shape::from([n, k]), Shape::from([m, k]), Shape::from([m])];
            [
                Case::new(Class::Reduction, Linear, shapes),
                Case::new(Class::Reduction, Linear, shapes[..2].to_vec()),
            ]
        };
        [case(5, 7, 3), case(1, 1, 1), case(9, 133, 21), case(67, 301, 35)].concat()
    }

    fn flops(&self, io: &Io<'_>) -> u64 {
        2 * (io.inputs[0].len() * io.inputs[1][0]) as u64
    }
}

impl MatMul {
    /// Of matrices.
    fn product(&self, a: Shape, b: Shape) -> Product {
        let layout = |shape: Shape, transpose| match transpose {
            true => Layout::row_major(shape[0], shape[1]).transposed(),
            false => Layout::row_major(shape[0], shape[1]),
        };
        Product {
            a: layout(a, self.transpose_a),
            b: layout(b, self.transpose_b),
        }
    }
}

impl Op for MatMul {
    const NAME: &'static str = "matmul";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [a, b] = inputs(Self::NAME, given)?;
        matrix(Self::NAME, a).and(matrix(Self::NAME, b))?;
        let product = self.product(a, b);
        match product.a.columns == product.b.rows {
            true => Ok(Shape::from([product.a.rows, product.b.columns])),
            false => Err(Error::shape(
                Self::NAME,
                format!("{self:?}: [{a}] and [{b}] do not fit"),
            )),
        }
    }

    /// With `C = op(A) op(B)`: `dA = dC op(B)ᵀ` and `dB = op(A)ᵀ dC`, transposed back where needed.
    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        let (a, b, dc) = (at.input(0), at.input(1), at.upstream());
        let product = |transpose_a, transpose_b| MatMul {
            transpose_a,
            transpose_b,
        };
        if at.wants(0) {
            let da = match self.transpose_a {
                false => at.push(product(false, !self.transpose_b), &[dc, b])?,
                true => at.push(product(self.transpose_b, true), &[b, dc])?,
            };
            at.set(0, da);
        }
        if at.wants(1) {
            let db = match self.transpose_b {
                false => at.push(product(!self.transpose_a, false), &[a, dc])?,
                true => at.push(product(true, self.transpose_a), &[dc, a])?,
            };
            at.set(1, db);
        }
        Ok(())
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let Product { a, b } = self.product(io.shape(0), io.shape(1));
        let out = Layout::row_major(a.rows, b.columns);
        gemm(
            (io.output, out),
            (io.inputs[0], a),
            (io.inputs[1], b),
            false,
            true,
        );
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        self.product(io.inputs[0], io.inputs[1]).kernels(io)
    }

    fn variants(&self, io: &Io<'_>) -> Vec<&'static str> {
        self.product(io.inputs[0], io.inputs[1]).variants(io)
    }

    fn cases() -> Vec<Case> {
        let case = |transpose_a, transpose_b, a: [usize; 2], b: [usize; 2]| {
            Case::new(
                Class::Reduction,
                MatMul {
                    transpose_a,
                    transpose_b,
                },
                [a, b],
            )
        };
        vec![
            case(false, false, [5, 7], [7, 3]),
            case(true, false, [7, 5], [7, 3]),
            case(false, true, [5, 131], [9, 131]),
            case(true, true, [7, 65], [3, 7]),
            case(true, false, [301, 65], [301, 37]),
        ]
    }

    fn flops(&self, io: &Io<'_>) -> u64 {
        let shared = io.inputs[0][usize::from(!self.transpose_a)];
        2 * (io.output.len() * shared) as u64
    }
}
