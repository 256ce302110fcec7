// out = dy · y · (1 − y); with MASK, (dy · a) · y · (1 − y)
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> y: array<f32>; // [len]
@group(0) @binding(1) var<storage, read> dy: array<f32>; // [len]
struct Params { len: u32 }
#ifdef MASK
@group(0) @binding(2) var<storage, read> a: array<f32>; // [len]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [len]
@group(0) @binding(4) var<uniform> params: Params;
#else
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [len]
@group(0) @binding(3) var<uniform> params: Params;
#endif

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
    var upstream = dy[i];
#ifdef MASK
    upstream *= a[i];
#endif
    out[i] = upstream * y[i] * (1.0 - y[i]);
}
