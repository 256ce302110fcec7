// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr · (m / c₁) / (√(v / c₂) + ε), with c the bias
// corrections and, with CLIP, g ← g · min(1, max_norm / (‖g‖ + norm_epsilon)); with SCALED, g is first multiplied by
// the scaler's factor, and nothing changes where that is 0
// rest = 1 − β comes from the host, formed in f64.
// Grid: one invocation per parameter, all tensors of the model at once.
#import shared/grid
#import shared/step

@group(0) @binding(0) var<storage, read_write> p: array<f32>; // [len]
@group(0) @binding(1) var<storage, read> g: array<f32>; // [len]
@group(0) @binding(2) var<storage, read_write> m: array<f32>; // [len]
@group(0) @binding(3) var<storage, read_write> v: array<f32>; // [len]
@group(0) @binding(4) var<uniform> step: Step;
#ifdef CLIP
@group(0) @binding(5) var<storage, read> squared_norm: array<f32>; // scalar
struct Params { len: u32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32, max_norm: f32, norm_epsilon: f32 }
#else
struct Params { len: u32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32 }
#endif
#ifdef SCALED
@group(0) @binding(#{SCALER}) var<storage, read> scaler: array<f32>; // [4]
#endif
@group(0) @binding(#{PARAMS}) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane);
    if i >= params.len {
        return;
    }
    var factor = 1.0;
#ifdef SCALED
    factor = scaler[1];
    if factor == 0.0 {
        return;
    }
#endif
#ifdef CLIP
    factor *= min(1.0, params.max_norm / (sqrt(squared_norm[0]) * factor + params.norm_epsilon));
#endif
    let gradient = g[i] * factor;
    let first = params.beta1 * m[i] + params.rest1 * gradient;
    let second = params.beta2 * v[i] + params.rest2 * gradient * gradient;
    m[i] = first;
    v[i] = second;
    let rate = step.learning_rate / step.first_correction;
    p[i] -= rate * first / (sqrt(second) / sqrt(step.second_correction) + params.epsilon);
}
