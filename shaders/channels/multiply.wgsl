// out[n, c, j] = x[n, c, j] · a[n, j]
// Grid: one invocation per output Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [N, channels, inner]
@group(0) @binding(1) var<storage, read> a: array<Elements>; // [N, 1, inner]
@group(0) @binding(2) var<storage, read_write> out: array<Elements>; // [N, channels, inner]
struct Params { len: u32, channels: u32, inner: u32 }
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
    let item = i / (params.channels * params.inner);
    out[i] = x[i] * a[item * params.inner + i % params.inner];
}
