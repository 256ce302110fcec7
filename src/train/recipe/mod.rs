//! Recipes: what a training stage is, in one TOML file of few lines.
//!
//! The recipes of the papers, and our own, are in the folder `recipes/` and part of the program. A recipe is laid over
//! `defaults.toml`, a preset over the recipe, and single keys over that: [`resolve`].

mod builtin;
mod check;
mod keys;
mod learning;
mod networks;
mod resolve;
mod settings;

pub use builtin::{OWN, PRESETS, RECIPES};
pub(super) use check::updates;
pub(super) use keys::{misfit, no_toml};
pub use learning::{Best, Decay, ErrorOf, Loss, Precision, Reconstruct, Training};
pub use resolve::{Overrides, resolve};
pub(super) use settings::of;
pub use settings::{Data, FrontEnd, Model, NetworkSettings, Part, Recipe, Sampling, Stems, Task, Triplets};
