// out[n, c, j] = exp(x[n, c, j] − m[n, j]) / Σ_k exp(x[n, k, j] − m[n, j]), m the greatest of the channels
// Grid: one invocation per Elements of an item's channel, which takes all channels in order.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [N, channels, inner]
@group(0) @binding(1) var<storage, read_write> out: array<Elements>; // [N, channels, inner]
struct Params { len: u32, channels: u32, inner: u32 }
@group(0) @binding(2) var<uniform> params: Params; // len = N · inner

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
    let first = (i / params.inner) * params.channels * params.inner + i % params.inner;
    var greatest = x[first];
    for (var c = 1u; c < params.channels; c++) {
        greatest = max(greatest, x[first + c * params.inner]);
    }
    var sum = Elements(0.0);
    for (var c = 0u; c < params.channels; c++) {
        sum += exp(x[first + c * params.inner] - greatest);
    }
    for (var c = 0u; c < params.channels; c++) {
        out[first + c * params.inner] = exp(x[first + c * params.inner] - greatest) / sum;
    }
}
