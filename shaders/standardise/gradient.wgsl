// out = (dy − Σ dy / n − (x − mean) Σ dy (x − mean) / ((n − 1) deviation scale)) / scale, where the deviation is
// unbiased and scale = deviation + epsilon
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, n]
@group(0) @binding(1) var<storage, read> dy: array<f32>; // [N, n]
@group(0) @binding(2) var<storage, read> statistics: array<f32>; // [2, N]: mean, biased variance
@group(0) @binding(3) var<storage, read> sums: array<f32>; // [2, N]: Σ dy, Σ dy (x − mean) / √(variance + epsilon)
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // [N, n]
struct Params { len: u32, inner: u32, epsilon: f32, unbiased: f32 }
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
    let items = params.len / params.inner;
    let item = i / params.inner;
    let n = f32(params.inner);
    let variance = statistics[items + item];
    let deviation = sqrt(variance * params.unbiased);
    let scale = deviation + params.epsilon;
    let product = sums[items + item] * sqrt(variance + params.epsilon);
    // a constant item has no deviation and nothing along it
    let along = select(0.0, product / ((n - 1.0) * deviation * scale), deviation > 0.0);
    out[i] = (dy[i] - sums[item] / n - (x[i] - statistics[item]) * along) / scale;
}
