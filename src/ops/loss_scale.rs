//! Keeping gradients within the range of 16-bit floats.

use super::{inputs, same};
use crate::{
    error::Result,
    kernel::{Binding, Dispatch, Kernels, Slot},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Io, Op, Real, SCALER_LEN, Trusted, Values},
};

/// Prepares an update by gradients of a scaled loss, and chooses the scale of the next, as PyTorch's `GradScaler`: where
/// one of the gradients is not finite, the update is left out and the scale halved; after 2,000 updates without, it is
/// doubled. `scaler [4] (changed), number of gradients that are not finite scalar`
///
/// The scaler is the factor of the loss, what this update multiplies the gradients by (`1 / scale`; 0 where it is left
/// out), the updates since the scale changed, and how many were left out so far. Adam's bias corrections count those,
/// too, unlike PyTorch's: after the first few updates that makes no difference.
#[derive(Debug, Clone)]
pub struct UpdateLossScale;

/// Clean updates after which the scale is doubled.
const INTERVAL: f32 = 2000.0;
const MOST: f32 = 16_777_216.0;

impl UpdateLossScale {
    /// The least scale. Where gradients overflow at it, the scale is not why.
    pub const LEAST: f32 = 1.0;
}

impl Op for UpdateLossScale {
    const NAME: &'static str = "update_loss_scale";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [scaler, bad] = inputs(Self::NAME, given)?;
        same(Self::NAME, scaler, Shape::from([SCALER_LEN]))?;
        same(Self::NAME, bad, Shape::SCALAR)?;
        Ok(scaler)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let of = |value: f32| T::of(f64::from(value));
        let [scaler, ..] = io.mutated;
        let scale = scaler[0];
        if io.inputs[1][0] > T::zero() {
            scaler[0] = (of(0.5) * scale).max(of(Self::LEAST));
            (scaler[1], scaler[2]) = (T::zero(), T::zero());
            scaler[3] += T::one();
            return;
        }
        scaler[1] = T::one() / scale;
        scaler[2] += T::one();
        if scaler[2] >= of(INTERVAL) {
            scaler[0] = (of(2.0) * scale).min(of(MOST));
            scaler[2] = T::zero();
        }
    }

    fn gpu(&self, _io: &Io<'_>) -> Kernels {
        let bindings = [Binding::Write(Slot::Input(0)), Binding::Read(Slot::Input(1))];
        Dispatch::new(shader!("adam/loss_scale"), bindings, [1, 1, 1])
            .param_f32(INTERVAL)
            .param_f32(Self::LEAST)
            .param_f32(MOST)
            .into()
    }

    fn cases() -> Vec<Case> {
        let case = |scaler: [f32; SCALER_LEN], bad: f32| {
            Case::new(
                Class::Elementwise,
                UpdateLossScale,
                [Shape::from([SCALER_LEN]), Shape::SCALAR],
            )
            .fill(0, Values::Exactly(scaler.into()))
            .fill(1, Values::Exactly([bad].into()))
            .differentiable(&[])
        };
        vec![
            case([65_536.0, 0.0, 7.0, 3.0], 0.0),
            case([65_536.0, 0.5, 7.0, 3.0], 1.0),
            case([65_536.0, 0.5, 1999.0, 3.0], 0.0),
            case([65_536.0, 0.5, 1999.0, 3.0], 1e6),
            case([1.0, 1.0, 1.0, 0.0], 2.0),
            case([16_777_216.0, 1.0, 1999.0, 0.0], 0.0),
        ]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}
