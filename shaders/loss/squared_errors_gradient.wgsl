// out = 2 dy[r] / L · (a − b), with r the row and L its length
// Grid: one invocation per Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> a: array<Elements>; // [R, L]
@group(0) @binding(1) var<storage, read> b: array<Elements>; // [R, L]
@group(0) @binding(2) var<storage, read> dy: array<f32>; // [R]
@group(0) @binding(3) var<storage, read_write> out: array<Elements>; // [R, L]
// inner: L, in Elements; factor: 2 / L
struct Params { len: u32, inner: u32, factor: f32 }
@group(0) @binding(4) var<uniform> params: Params;

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
    out[i] = params.factor * dy[i / params.inner] * (a[i] - b[i]);
}
