//! How fast the kernels are on a device: each variant of each convolution of the separator, beside what the device can
//! do at most. And without a device, [the kernels themselves](dump), as files for other compilers. The room knows the
//! engine and the separator, no corpus and no run. Start reading at [`measure()`].

mod ceiling;
pub mod dump;
mod layers;
mod permutations;
mod table;
mod translate;

pub use ceiling::{Ceiling, ceiling, ceiling_kernels};
pub use layers::{Direction, Layer, Recorded, Size, layers};
pub use permutations::{Found, Key, Usage, add, card, permutations, separator_step};
pub use table::{Timing, measure};
