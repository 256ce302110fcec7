// out = dy where y > 0, else slope · dy; y has the sign of x. With SUM, dy + dz in place of dy
// Grid: one invocation per Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> y: array<Elements>; // [len]
@group(0) @binding(1) var<storage, read> dy: array<Elements>; // [len]
struct Params { len: u32, slope: f32 }
#ifdef SUM
@group(0) @binding(2) var<storage, read> dz: array<Elements>; // [len]
@group(0) @binding(3) var<storage, read_write> out: array<Elements>; // [len]
@group(0) @binding(4) var<uniform> params: Params;
#else
@group(0) @binding(2) var<storage, read_write> out: array<Elements>; // [len]
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
    var gradient = dy[i];
#ifdef SUM
    gradient += dz[i];
#endif
    out[i] = select(params.slope * gradient, gradient, y[i] > Elements(0.0));
}
