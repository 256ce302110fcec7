// out = 20 / (x ln 10) · dy where x > floor, else 0
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [len]
@group(0) @binding(1) var<storage, read> dy: array<f32>; // [len]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [len]
struct Params { len: u32, floor: f32 }
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
    // 20 / ln 10
    let gradient = 8.6858896381 / max(x[i], params.floor) * dy[i];
    out[i] = select(0.0, gradient, x[i] > params.floor);
}
