//! What nearly every program of the engine names: `use stemwise::prelude::*`.

pub use crate::{
    error::{Error, Result},
    gpu::Device,
    kernel::StepValues,
    nn::{Build, Conv2dLayer, ConvTranspose2dLayer, LinearLayer, Mode, Record},
    ops,
    optim::Adam,
    shape::Shape,
    tape::{Flat, Op, Parameters, Program, Role, Session, Tape, Var},
};
