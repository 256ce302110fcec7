//! What a dispatch is, without a device: a shader, the constants that shape it, the buffers that it
//! binds and the grid that it runs on.

mod narrow;
mod preprocess;
mod random;
mod step;

pub use preprocess::Defines;
pub use random::uniform;
pub use step::StepValues;

use self::preprocess::expand;
use crate::error::Result;

/// A WGSL file, embedded in the program. Made by the [`shader!`](crate::shader) macro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shader {
    /// Path below `shaders/`, without the ending.
    pub name: &'static str,
    /// The file's text, before preprocessing.
    pub source: &'static str,
}

/// Embeds `shaders/<path>.wgsl`.
#[macro_export]
macro_rules! shader {
    ($path:literal) => {
        $crate::kernel::Shader {
            name: $path,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path, ".wgsl")),
        }
    };
}

/// Files that others `#import`, by the name they are imported under.
pub const SHARED: &[Shader] = &[
    shader!("shared/convolution"),
    shader!("shared/elements"),
    shader!("shared/fft"),
    shader!("shared/grid"),
    shader!("shared/matrices"),
    shader!("shared/random"),
    shader!("shared/reduce"),
    shader!("shared/row"),
    shader!("shared/sizes"),
    shader!("shared/step"),
    shader!("shared/tiles"),
];

/// What a kernel may know of the device that it will run on, to choose among its variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traits {
    /// A software driver: workgroup memory and barriers cost more there than they save.
    pub software: bool,
    /// Operations across subgroups, none of which has fewer than [`SUBGROUP`] invocations.
    pub subgroups: bool,
    /// Units for products of matrices of 16-bit floats, summed in 32 bits.
    pub half_matrices: Option<Matrices>,
    /// The same of 32-bit floats.
    pub matrices: Option<Matrices>,
    /// Workgroups cannot have the 256 invocations and 16 KiB of memory that WebGPU promises.
    pub small_workgroups: bool,
    /// Operations that have a variant of this name take it where it fits, whatever they would choose. For tests and
    /// measurements.
    pub pinned: Option<&'static str>,
}

impl Traits {
    /// Without what rounds operands to 16 bits, unless a tape [narrows](crate::tape::Tape::narrow).
    pub fn for_tape(mut self, narrows: bool) -> Self {
        self.half_matrices = self.half_matrices.filter(|_| narrows);
        self
    }
}

/// Square matrices that the invocations of a subgroup multiply together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrices {
    /// Rows and columns.
    pub size: u32,
    /// The fewest invocations of a subgroup.
    pub subgroup: u32,
}

/// Invocations that every subgroup has, where kernels may use subgroups.
pub const SUBGROUP: u32 = 8;

/// A tensor of the operation being dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The n-th input, from 0.
    Input(usize),
    /// The operation's result.
    Output,
    /// The n-th scratch buffer of [`Kernels::scratch`].
    Scratch(usize),
}

/// How a dispatch binds a buffer. Bindings are numbered in order, from 0, in group 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Storage that is only read.
    Read(Slot),
    /// Storage that is read and written.
    Write(Slot),
    /// The [`StepValues`], as a uniform.
    Step,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// The kernel's code.
    pub shader: Shader,
    /// What the preprocessor sees: structure.
    pub defines: Defines,
    /// WGSL `override` constants: numbers that are worth a compiled kernel of their own.
    pub constants: Vec<(&'static str, f64)>,
    /// Numbers that are not: 32-bit words, bound as a uniform after all [`bindings`](Self::bindings).
    pub params: Vec<u32>,
    /// The bindings, in the order of their numbers.
    pub bindings: Vec<Binding>,
    /// Workgroups per dimension.
    pub groups: [u32; 3],
    /// The bindings, one bit for each, whose tensors are kept in 16-bit floats. Whoever lays out the tensors says so.
    pub narrowed: u32,
}

impl Dispatch {
    /// A dispatch without defines, constants and params.
    pub fn new(shader: Shader, bindings: impl Into<Vec<Binding>>, groups: [u32; 3]) -> Self {
        Dispatch {
            shader,
            defines: Defines::new(),
            constants: Vec::new(),
            params: Vec::new(),
            bindings: bindings.into(),
            groups,
            narrowed: 0,
        }
    }

    /// The kernel's code in plain WGSL.
    ///
    /// # Errors
    /// [`Error::Shader`](crate::Error::Shader) for what the preprocessor cannot expand, or bindings that cannot be in
    /// 16 bits.
    pub fn source(&self) -> Result<String> {
        let source = expand(&self.shader, &self.defines)?;
        narrow::narrow(self.shader.name, &source, self.narrowed)
    }

    /// Sets a preprocessor definition.
    pub fn define(mut self, name: &'static str, value: impl ToString) -> Self {
        self.defines.insert(name, value.to_string());
        self
    }

    /// Sets a WGSL override constant.
    pub fn constant(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// How many elements a kernel of `shared/elements` takes at once; see [`at_once`].
    pub fn elements(self, at_once: usize) -> Self {
        match at_once {
            4 => self.define("VEC4", ""),
            _ => self,
        }
    }

    /// Appends integers to the uniform parameters.
    pub fn params<const N: usize>(mut self, values: [usize; N]) -> Self {
        self.params.extend(values.map(|v| v as u32));
        self
    }

    /// Appends a float to the uniform parameters.
    pub fn param_f32(mut self, value: f32) -> Self {
        self.params.push(value.to_bits());
        self
    }
}

/// All dispatches of one operation, in order, and the scratch buffers they share.
#[derive(Debug, Clone, Default)]
pub struct Kernels {
    /// In the order in which they run.
    pub dispatches: Vec<Dispatch>,
    /// Lengths in f32 elements.
    pub scratch: Vec<usize>,
}

impl From<Dispatch> for Kernels {
    fn from(dispatch: Dispatch) -> Self {
        Kernels {
            dispatches: vec![dispatch],
            scratch: Vec::new(),
        }
    }
}

/// Invocations per workgroup of kernels that walk a flat index.
pub const FLAT_WIDTH: usize = 64;

/// The most workgroups that WebGPU lets one grid dimension have.
pub(crate) const MAX_GROUPS: usize = 65_535;

/// Folds `groups` workgroups into two dimensions. Shaders unfold with `flat_group` of `shared/grid` and
/// must ignore indices past their bound.
pub fn fold(groups: usize) -> [u32; 3] {
    let rows = groups.div_ceil(MAX_GROUPS).max(1);
    [groups.div_ceil(rows) as u32, rows as u32, 1]
}

/// How many elements a kernel that treats all elements of a row alike takes at once: four, if each of these
/// lengths is a multiple of four.
pub fn at_once(lengths: &[usize]) -> usize {
    match lengths.iter().all(|len| len.is_multiple_of(4)) {
        true => 4,
        false => 1,
    }
}

/// The grid of a kernel with one invocation per element.
pub fn flat_grid(elements: usize) -> [u32; 3] {
    fold(elements.div_ceil(FLAT_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_grids_cover_every_group() {
        for groups in [1, 2, 65_535, 65_536, 131_071, 5_000_000, 4_000_000_000] {
            let [x, y, z] = fold(groups);
            assert!(
                x as usize <= MAX_GROUPS && y as usize <= MAX_GROUPS && z == 1,
                "{groups}"
            );
            let covered = x as usize * y as usize;
            assert!(
                covered >= groups && covered - groups < y as usize,
                "{groups} → {x}×{y}"
            );
        }
    }
}
