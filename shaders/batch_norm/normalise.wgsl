// out = γ (x − mean) / √(variance + epsilon) + β; with ACTIVATED, its leaky ReLU: slope times that where it is not
// above 0
// Grid: one invocation per Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [N, channels, inner]
@group(0) @binding(1) var<storage, read> statistics: array<f32>; // [2, channels]: mean, variance
@group(0) @binding(2) var<storage, read> gamma: array<f32>; // [channels]
@group(0) @binding(3) var<storage, read> beta: array<f32>; // [channels]
@group(0) @binding(4) var<storage, read_write> out: array<Elements>; // [N, channels, inner]
#ifdef ACTIVATED
struct Params { len: u32, channels: u32, inner: u32, epsilon: f32, slope: f32 }
#else
struct Params { len: u32, channels: u32, inner: u32, epsilon: f32 }
#endif
@group(0) @binding(5) var<uniform> params: Params;

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
    let c = i / params.inner % params.channels;
    let scale = gamma[c] / sqrt(statistics[params.channels + c] + params.epsilon);
    let normalised = (x[i] - statistics[c]) * scale + beta[c];
#ifdef ACTIVATED
    out[i] = select(params.slope * normalised, normalised, normalised > Elements(0.0));
#else
    out[i] = normalised;
#endif
}
