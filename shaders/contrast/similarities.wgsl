// out[s, a, b] = z[a, s] · z[b, s] / temperature
// Grid: one invocation per pair of items in a sub-space.
#import shared/grid

@group(0) @binding(0) var<storage, read> z: array<f32>; // [items, subspaces, len]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [subspaces, items, items]
struct Params { total: u32, items: u32, subspaces: u32, len: u32, temperature: f32 }
@group(0) @binding(2) var<uniform> params: Params;

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
    let subspace = i / (params.items * params.items);
    let a = ((i / params.items) % params.items * params.subspaces + subspace) * params.len;
    let b = (i % params.items * params.subspaces + subspace) * params.len;
    var sum = 0.0;
    for (var d = 0u; d < params.len; d++) {
        sum += z[a + d] * z[b + d];
    }
    out[i] = sum / params.temperature;
}
