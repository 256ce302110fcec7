// out[r] = dy[r] / ‖x[r]‖² · x[r] where ‖x[r]‖ > 1e-12, else 0
// Grid: one workgroup per row, folded. Lanes stride through the row, then add as a tree.
#import shared/grid
#import shared/reduce

@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, len]
@group(0) @binding(1) var<storage, read> dy: array<f32>; // [rows]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [rows, len]
struct Params { rows: u32, len: u32 }
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
    let inverse = inverseSqrt(max(sum.x, 1e-24));
    let there = sum.x > 1e-24;
    for (var i = start + lane; i < end; i += REDUCE_WIDTH) {
        // inverse twice, for its square may be too large
        out[i] = select(0.0, x[i] * inverse * (dy[row] * inverse), there);
    }
}
