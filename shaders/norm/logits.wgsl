// out[r] = ln max(‖x[r]‖, 1e-12) + bias[r % subspaces]
// Grid: one workgroup per row, folded. Lanes stride through the row, then add as a tree.
#import shared/grid
#import shared/reduce

@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, len]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [subspaces]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [rows]
struct Params { rows: u32, len: u32, subspaces: u32 }
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(REDUCE_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    let start = row * params.len;
    // a folded grid may have workgroups past the last row: they have no elements, but reach the barriers
    let end = select(start, start + params.len, row < params.rows);
    var sum = vec2<f32>(0.0);
    for (var i = start + lane; i < end; i += REDUCE_WIDTH) {
        sum.x += x[i] * x[i];
    }
    sum = workgroup_sum(lane, sum);
    if lane == 0u && row < params.rows {
        out[row] = 0.5 * log(max(sum.x, 1e-24)) + bias[row % params.subspaces];
    }
}
