// out = (x − mean) / (√(variance · unbiased) + epsilon)
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, inner]
@group(0) @binding(1) var<storage, read> statistics: array<f32>; // [2, N]: mean, biased variance
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, inner]
struct Params { len: u32, inner: u32, epsilon: f32, unbiased: f32 }
@group(0) @binding(3) var<uniform> params: Params;

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
    let item = i / params.inner;
    let variance = statistics[params.len / params.inner + item];
    out[i] = (x[i] - statistics[item]) / (sqrt(variance * params.unbiased) + params.epsilon);
}
