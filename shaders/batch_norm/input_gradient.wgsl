// out = γ / √(variance + epsilon) · (dy − (Σ dy + x̂ Σ dy x̂) / count); without BATCH the sums are left out,
// for then the statistics do not depend on x
// Grid: one invocation per Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [N, channels, inner]
@group(0) @binding(1) var<storage, read> dy: array<Elements>; // [N, channels, inner]
@group(0) @binding(2) var<storage, read> statistics: array<f32>; // [2, channels]: mean, variance
@group(0) @binding(3) var<storage, read> gamma: array<f32>; // [channels]
#ifdef BATCH
@group(0) @binding(4) var<storage, read> sums: array<f32>; // [2, channels]: Σ dy, Σ dy x̂
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> out: array<Elements>; // [N, channels, inner]
struct Params { len: u32, channels: u32, inner: u32, epsilon: f32, inverse_count: f32 }
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
    let c = i / params.inner % params.channels;
    let inverse = 1.0 / sqrt(statistics[params.channels + c] + params.epsilon);
    var gradient = dy[i];
#ifdef BATCH
    let normalised = (x[i] - statistics[c]) * inverse;
    gradient -= (sums[c] + normalised * sums[params.channels + c]) * params.inverse_count;
#endif
    out[i] = gamma[c] * inverse * gradient;
}
