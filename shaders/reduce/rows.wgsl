// out[i] = Σ_s partial[s, i], in order
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> partials: array<f32>; // [slices, len]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [len]
struct Params { len: u32, slices: u32 }
@group(0) @binding(2) var<uniform> params: Params;

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
    var sum = 0.0;
    for (var slice = 0u; slice < params.slices; slice++) {
        sum += partials[slice * params.len + i];
    }
    out[i] = sum;
}
