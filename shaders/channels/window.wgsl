// out[n, c, j] = x[n, c + skip − to, j] where low ≤ c < high, else 0
// One kernel for slicing, padding and masking channels. Grid: one invocation per output Elements.
#import shared/elements
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [N, from, inner]
@group(0) @binding(1) var<storage, read_write> out: array<Elements>; // [N, to, inner]
struct Params { len: u32, inner: u32, source_channels: u32, out_channels: u32, skip: u32, low: u32, high: u32 }
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
    let j = i % params.inner;
    let c = (i / params.inner) % params.out_channels;
    let n = i / (params.inner * params.out_channels);
    var value = Elements(0.0);
    if c >= params.low && c < params.high {
        let channel = c + params.skip - params.out_channels;
        value = x[(n * params.source_channels + channel) * params.inner + j];
    }
    out[i] = value;
}
