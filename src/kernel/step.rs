use bytemuck::{Pod, Zeroable};

/// The few values that change from one replay to the next. Kernels see them as the uniform of
/// `shaders/shared/step.wgsl`, which has the same layout.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct StepValues {
    /// Counts from 0; with the seed it fixes every random number of the step.
    pub step: u32,
    /// The seed's lower 32 bits.
    pub seed_low: u32,
    /// The seed's upper 32 bits.
    pub seed_high: u32,
    /// Adam's step size for this update.
    pub learning_rate: f32,
    /// Adam's `1 − β₁ᵗ` for this update.
    pub first_correction: f32,
    /// Adam's `1 − β₂ᵗ` for this update.
    pub second_correction: f32,
    /// 0 where gradients that are added up begin anew.
    pub continues: u32,
    _pad: u32,
}

impl StepValues {
    /// Values of step `step` (from 0) under `seed`, for an optimizer with the given betas, which has made
    /// `step` updates before this one.
    pub fn new(seed: u64, step: u32, learning_rate: f32, [beta1, beta2]: [f64; 2]) -> Self {
        // beyond so many, the corrections are 1
        let updates = i32::try_from(step).map_or(i32::MAX, |step| step.saturating_add(1));
        StepValues {
            step,
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            learning_rate,
            first_correction: (1.0 - beta1.powi(updates)) as f32,
            second_correction: (1.0 - beta2.powi(updates)) as f32,
            continues: 0,
            _pad: 0,
        }
    }
}

impl Default for StepValues {
    /// Step 0 of seed 0, for tapes without optimizer.
    fn default() -> Self {
        StepValues::new(0, 0, 0.0, [0.9, 0.999])
    }
}
