// out[n] = a[n] followed by b[n]
// Grid: one invocation per output Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> a: array<Elements>; // [N, a_len]
@group(0) @binding(1) var<storage, read> b: array<Elements>; // [N, b_len]
@group(0) @binding(2) var<storage, read_write> out: array<Elements>; // [N, a_len + b_len]
struct Params { len: u32, a_len: u32, b_len: u32 }
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
    let item_len = params.a_len + params.b_len;
    let n = i / item_len;
    let at = i % item_len;
    var value: Elements;
    if at < params.a_len {
        value = a[n * params.a_len + at];
    } else {
        value = b[n * params.b_len + at - params.a_len];
    }
    out[i] = value;
}
