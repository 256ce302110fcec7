// out[i] = Σ_t x[i, t] / frames
// Grid: one invocation per output element, which adds its row in order.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [len, frames]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [len]
struct Params { len: u32, frames: u32 }
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
    for (var t = 0u; t < params.frames; t++) {
        sum += x[i * params.frames + t];
    }
    out[i] = sum / f32(params.frames);
}
