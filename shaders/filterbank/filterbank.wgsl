// out[m, t] = Σ_k matrix[m, k] x[k, t], over the stretch of k where row m has weights
// Grid: one invocation per output element. Neighbours in time read neighbours, and the same weights.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, columns, frames]
// [rows + 1, 2]: each row's first column, and where its weights begin; then the weights. Whole numbers, as floats
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, rows, frames]
struct Params { len: u32, rows: u32, columns: u32, frames: u32 }
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
    let row = i / params.frames % params.rows;
    let item = i / params.frames / params.rows;
    let end = u32(table[2u * row + 3u]);
    var source = (item * params.columns + u32(table[2u * row])) * params.frames + i % params.frames;
    var sum = 0.0;
    for (var k = u32(table[2u * row + 1u]); k < end; k++) {
        sum += table[k] * x[source];
        source += params.frames;
    }
    out[i] = sum;
}
