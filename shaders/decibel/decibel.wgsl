// out = 20 log₁₀ max(x, floor)
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [len]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [len]
struct Params { len: u32, floor: f32 }
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
    // 20 / log₂ 10
    out[i] = 6.0205999133 * log2(max(x[i], params.floor));
}
