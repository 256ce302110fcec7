//! The operations. Each gives its shape rule, gradient rule, CPU implementation, dispatches and cases;
//! its shaders are in the folder of the same name under `shaders/`.

mod accumulate;
mod adam;
mod batch;
mod batch_norm;
mod channels;
mod contrast;
mod conv2d;
mod dropout;
mod filterbank;
mod fusion;
mod linear;
mod loss;
mod loss_scale;
mod mixdown;
mod norm;
mod pointwise;
mod pool;
mod record;
pub mod recorded;
mod reduce;
mod root_error;
mod softmax;
mod standardise;
mod stft;
mod tile;
mod time;
mod triplet;
mod variant;
mod view;

pub use accumulate::Accumulate;
pub use adam::AdamUpdate;
pub use batch::{concat_batch, slice_batch};
pub use batch_norm::{
    BatchNorm, BatchNormActivation, BatchNormInputGradient, BatchNormSums, BatchStatistics,
    UpdateRunningStatistic,
};
pub use channels::{ChannelMask, ChannelSum, ConcatChannels, MultiplyChannels, PadChannels, SliceChannels};
pub use contrast::{ContrastLoss, ContrastLossGradient};
pub use conv2d::{Conv2d, Conv2dWeightGradient, ConvTranspose2d};
pub use dropout::Dropout;
pub use filterbank::{Filterbank, filterbank};
pub use linear::{Linear, MatMul};
pub use loss::{BceWithLogitsLoss, L1Loss, Loss, LossGradient, MseLoss};
pub use loss_scale::UpdateLossScale;
pub use mixdown::{Mixdown, Sources};
pub use norm::{
    L2Normalise, L2NormaliseGradient, NormLogits, NormLogitsGradient, norm_loss, normalise_subspaces,
};
pub use pointwise::{
    Decibel, DecibelGradient, LeakyRelu, LeakyReluGradient, LeakyReluGradientOfSum, Multiply, Scale, Sigmoid,
    SigmoidGradient, SigmoidMask, SigmoidMaskGradient, SquareRoot, SquareRootGradient,
};
pub use pool::{MaxPool2d, MaxPool2dGradient};
pub use record::Record;
pub use reduce::{Mean, NotFinite, Spread, SquaredNorm, Sum};
pub use root_error::{SquaredErrors, SquaredErrorsGradient, root_error};
pub use softmax::{ChannelSoftmax, ChannelSoftmaxGradient, ChannelSoftmaxMaskGradient};
pub use standardise::{Standardise, StandardiseGradient, standardise};
pub use stft::{InverseStft, Stft, StftOutput, inverse_stft, stft};
pub use time::{MeanTime, SpreadTime};
pub use triplet::{TripletLoss, TripletLossGradient};
pub use view::Reshape;

pub use crate::tape::{Add, Copy};

use crate::{
    error::{Error, Result},
    kernel::Dispatch,
    shape::{Channels, Shape},
    tape::{Case, Op, inputs, odd_cases, parallel, same},
};

/// Registers operations: their cases are what tests and benches run.
macro_rules! registry {
    ($($op:ty),* $(,)?) => {
        /// The cases of every operation, and of the functions that are made of several.
        pub fn cases() -> Vec<Case> {
            [$(<$op as Op>::cases(),)* batch::cases()].concat()
        }

        /// The name of every operation.
        pub fn names() -> Vec<&'static str> {
            vec![$(<$op as Op>::NAME),*]
        }
    };
}

registry![
    Add,
    Copy,
    Multiply,
    Scale,
    Mixdown,
    Sources,
    LeakyRelu,
    LeakyReluGradient,
    LeakyReluGradientOfSum,
    Sigmoid,
    SigmoidGradient,
    SigmoidMask,
    SigmoidMaskGradient,
    SquareRoot,
    SquareRootGradient,
    Dropout,
    ConcatChannels,
    SliceChannels,
    PadChannels,
    ChannelMask,
    ChannelSum,
    MultiplyChannels,
    ChannelSoftmax,
    ChannelSoftmaxGradient,
    ChannelSoftmaxMaskGradient,
    MeanTime,
    SpreadTime,
    Reshape,
    Linear,
    MatMul,
    MaxPool2d,
    MaxPool2dGradient,
    L1Loss,
    MseLoss,
    BceWithLogitsLoss,
    LossGradient,
    SquaredErrors,
    SquaredErrorsGradient,
    Sum,
    Mean,
    Spread,
    SquaredNorm,
    NotFinite,
    BatchStatistics,
    BatchNorm,
    BatchNormSums,
    BatchNormInputGradient,
    BatchNormActivation,
    UpdateRunningStatistic,
    Conv2d,
    ConvTranspose2d,
    Conv2dWeightGradient,
    Accumulate,
    AdamUpdate,
    UpdateLossScale,
    Record,
    Stft,
    InverseStft,
    Filterbank,
    Decibel,
    DecibelGradient,
    Standardise,
    StandardiseGradient,
    L2Normalise,
    L2NormaliseGradient,
    NormLogits,
    NormLogitsGradient,
    TripletLoss,
    TripletLossGradient,
    ContrastLoss,
    ContrastLossGradient,
];

/// A shape as `[batch, channels, inner]`, or an error.
fn channels(op: &'static str, shape: Shape) -> Result<Channels> {
    match shape.rank() {
        0 | 1 => Err(Error::shape(
            op,
            format!("needs a batch and channels, but was given [{shape}]"),
        )),
        _ => Ok(shape.channels()),
    }
}

/// A shape as `[batch, channels, height, width]`, or an error.
fn image(op: &'static str, shape: Shape) -> Result<[usize; 4]> {
    shape.dims().try_into().map_err(|_| {
        Error::shape(
            op,
            format!("needs batch × channels × height × width, but was given [{shape}]"),
        )
    })
}

/// Numbers output and parameters after the inputs, of which the third is an optional bias.
fn biased(dispatch: Dispatch, inputs: usize) -> Dispatch {
    let dispatch = dispatch.define("OUT", inputs).define("PARAMS", inputs + 1);
    match inputs {
        3 => dispatch.define("BIAS", ""),
        _ => dispatch,
    }
}

/// `out[c] = f(c)`, in parallel where each channel has enough to sum.
fn parallel_channels<T: Send>(out: &mut [T], per_channel: usize, f: impl Fn(usize) -> T + Sync) {
    use rayon::prelude::*;
    const ENOUGH: usize = 1 << 13;
    if out.len() * per_channel < ENOUGH {
        out.iter_mut().enumerate().for_each(|(c, out)| *out = f(c));
    } else {
        out.par_iter_mut().enumerate().for_each(|(c, out)| *out = f(c));
    }
}
