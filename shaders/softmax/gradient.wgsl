// out[n, c, j] = y[n, c, j] (dy[n, c, j] − Σ_k y[n, k, j] dy[n, k, j])
// With MASK, a[n, j] dy[n, c, j] instead of dy[n, c, j].
// Grid: one invocation per Elements of an item's channel, which takes all channels in order.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> y: array<Elements>; // [N, channels, inner]
@group(0) @binding(1) var<storage, read> dy: array<Elements>; // [N, channels, inner]
#ifdef MASK
@group(0) @binding(2) var<storage, read> a: array<Elements>; // [N, 1, inner]
@group(0) @binding(3) var<storage, read_write> out: array<Elements>; // [N, channels, inner]
#else
@group(0) @binding(2) var<storage, read_write> out: array<Elements>; // [N, channels, inner]
#endif
struct Params { len: u32, channels: u32, inner: u32 }
#ifdef MASK
@group(0) @binding(4) var<uniform> params: Params; // len = N · inner
#else
@group(0) @binding(3) var<uniform> params: Params; // len = N · inner
#endif

fn upstream(i: u32, at: u32) -> Elements {
#ifdef MASK
    return a[i] * dy[at];
#else
    return dy[at];
#endif
}

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
    var mean = Elements(0.0);
    for (var c = 0u; c < params.channels; c++) {
        let at = first + c * params.inner;
        mean += y[at] * upstream(i, at);
    }
    for (var c = 0u; c < params.channels; c++) {
        let at = first + c * params.inner;
        out[at] = y[at] * (upstream(i, at) - mean);
    }
}
