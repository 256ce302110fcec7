// out[a, s, d] = Σ_b pairs[s, a, b] z[b, s, d]
// Grid: one invocation per element of the output.
#import shared/grid

@group(0) @binding(0) var<storage, read> z: array<f32>; // [items, subspaces, len]
@group(0) @binding(1) var<storage, read> pairs: array<f32>; // [subspaces, items, items]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [items, subspaces, len]
struct Params { total: u32, items: u32, subspaces: u32, len: u32 }
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane);
    if i >= params.total {
        return;
    }
    let row = params.subspaces * params.len;
    let place = i % row;
    let pair = (place / params.len * params.items + i / row) * params.items;
    var sum = 0.0;
    for (var b = 0u; b < params.items; b++) {
        sum += pairs[pair + b] * z[b * row + place];
    }
    out[i] = sum;
}
