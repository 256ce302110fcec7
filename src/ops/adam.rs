//! Adam's update of all parameters in one dispatch.

use rayon::prelude::*;

use super::{inputs, same};
use crate::{
    error::{Error, Result},
    kernel::{Binding, Dispatch, Kernels, Slot, flat_grid},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Io, Op, Real, SCALER_LEN, Trusted, Values},
};

/// Adam (Kingma & Ba 2015), as PyTorch computes it, with `g` scaled so that its norm is at most
/// `max_norm`:
/// `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `p ← p − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)`.
///
/// `p (changed), g, m (changed), v (changed), ‖g‖² scalar where there is a max_norm, scaler [4] where g is scaled`
#[derive(Debug, Clone)]
pub struct AdamUpdate {
    /// β₁, the decay of the first moment, in [0, 1).
    pub beta1: f64,
    /// β₂, the decay of the second moment, in [0, 1).
    pub beta2: f64,
    /// ε, which keeps the division off zero.
    pub epsilon: f32,
    /// The gradient is scaled down so that its norm is at most this.
    pub max_norm: Option<f32>,
    /// The gradient is that of a scaled loss: see [`UpdateLossScale`](super::UpdateLossScale).
    pub scaled: bool,
}

/// As PyTorch's `clip_grad_norm_`: keeps the division off zero.
const NORM_EPSILON: f32 = 1e-6;

impl Op for AdamUpdate {
    const NAME: &'static str = "adam";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let (vectors, rest) = given.split_at(given.len().min(4));
        let [p, g, m, v] = inputs(Self::NAME, vectors)?;
        for other in [g, m, v] {
            same(Self::NAME, p, other)?;
        }
        let norm = self.max_norm.map(|_| Shape::SCALAR);
        let scaler = self.scaled.then_some(Shape::from([SCALER_LEN]));
        match norm.iter().chain(&scaler).eq(rest) {
            true => Ok(p),
            false => Err(Error::shape(
                Self::NAME,
                "takes the gradient's squared norm if and only if it clips, and then a scaler if and only if it is scaled",
            )),
        }
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        const CHUNK: usize = 1 << 14;
        let of = |value: f32| T::of(f64::from(value));
        let (beta1, beta2, epsilon) = (T::of(self.beta1), T::of(self.beta2), of(self.epsilon));
        // formed in f64: 1 − 0.999 in f32 would be off by 1e-5
        let (rest1, rest2) = (T::of(1.0 - self.beta1), T::of(1.0 - self.beta2));
        let factor = match self.scaled {
            true => io.inputs[4 + usize::from(self.max_norm.is_some())][1],
            false => T::one(),
        };
        if factor == T::zero() {
            return;
        }
        let clip = match self.max_norm {
            Some(max) => (of(max) / (io.inputs[4][0].sqrt() * factor + of(NORM_EPSILON))).min(T::one()),
            None => T::one(),
        };
        let factor = factor * clip;
        let rate = of(io.step.learning_rate) / of(io.step.first_correction);
        let inverse = T::one() / of(io.step.second_correction).sqrt();
        let [p, m, v] = io.mutated;
        let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        let values = p.par_chunks_mut(CHUNK).zip(io.inputs[1].par_chunks(CHUNK));
        values.zip(moments).for_each(|((p, g), (m, v))| {
            for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = g * factor;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                *p -= rate * *m / (v.sqrt() * inverse + epsilon);
            }
        });
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let len = io.inputs[0].len();
        let mut bindings = vec![
            Binding::Write(Slot::Input(0)),
            Binding::Read(Slot::Input(1)),
            Binding::Write(Slot::Input(2)),
            Binding::Write(Slot::Input(3)),
            Binding::Step,
        ];
        let optional = io.inputs.len() - 4;
        bindings.extend((0..optional).map(|i| Binding::Read(Slot::Input(4 + i))));
        let mut dispatch = Dispatch::new(shader!("adam/adam"), bindings, flat_grid(len))
            .params([len])
            .param_f32(self.beta1 as f32)
            .param_f32(self.beta2 as f32)
            .param_f32((1.0 - self.beta1) as f32)
            .param_f32((1.0 - self.beta2) as f32)
            .param_f32(self.epsilon)
            .define("SCALER", 4 + optional)
            .define("PARAMS", 5 + optional);
        if self.scaled {
            dispatch = dispatch.define("SCALED", "");
        }
        if let Some(max) = self.max_norm {
            dispatch = dispatch.define("CLIP", "").param_f32(max).param_f32(NORM_EPSILON);
        }
        dispatch.into()
    }

    fn cases() -> Vec<Case> {
        let case = |len: usize, max_norm: Option<f32>, factor: Option<f32>| {
            let vector = Shape::from([len]);
            let mut shapes = vec![vector; 4];
            shapes.extend(max_norm.map(|_| Shape::SCALAR));
            let norm = shapes.len() - 1;
            shapes.extend(factor.map(|_| Shape::from([SCALER_LEN])));
            let op = AdamUpdate {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                max_norm,
                scaled: factor.is_some(),
            };
            let case = Case::new(Class::Elementwise, op, shapes)
                .fill(3, Values::Uniform(0.01, 1.0))
                .fill(norm, Values::Uniform(0.01, 1.0))
                .differentiable(&[]);
            match factor {
                Some(factor) => case.fill(norm + 1, Values::Exactly([7.0, factor, 7.0, 7.0].into())),
                None => case,
            }
        };
        vec![
            case(77, None, None),
            case(1, None, None),
            case(30_011, Some(0.25), None),
            case(77, None, Some(0.125)),
            case(77, None, Some(0.0)),
            case(30_011, Some(0.25), Some(0.125)),
        ]
    }

    fn mutates(&self) -> &'static [usize] {
        &[0, 2, 3]
    }
}
