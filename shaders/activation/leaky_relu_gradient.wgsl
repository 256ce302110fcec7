// out = dy where y > 0, else slope · dy; y has the sign of x
// Grid: one invocation per Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> y: array<Elements>; // [len]
@group(0) @binding(1) var<storage, read> dy: array<Elements>; // [len]
@group(0) @binding(2) var<storage, read_write> out: array<Elements>; // [len]
struct Params { len: u32, slope: f32 }
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
    out[i] = select(params.slope * dy[i], dy[i], y[i] > Elements(0.0));
}
