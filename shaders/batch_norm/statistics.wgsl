// partial[c, s] = (mean, M2) of slice s of channel c, where M2 = Σ (x − mean)²: never E[x²] − E[x]²,
// which cancels. The slice is read twice: for its mean, then for M2 around it. The mean is
// summed up as a distance from the channel's first value: a constant has that mean, and no variance, exactly.
// Grid: one workgroup per (channel, slice), folded. Lanes stride through the slice by Elements, then add as a tree.
#import shared/elements
#import shared/grid
#import shared/reduce

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [batch, channels, inner]
@group(0) @binding(1) var<storage, read_write> partials: array<vec2<f32>>; // [channels, slices]
struct Params { batch: u32, channels: u32, inner: u32, slices: u32, slice_len: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(REDUCE_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let task = flat_group(group, groups);
    // workgroups past the last channel repeat it, to reach the barriers
    let channel = min(task / params.slices, params.channels - 1u);
    let slice = task % params.slices;
    let len = params.batch * params.inner;
    let start = slice * params.slice_len;
    let end = min(start + params.slice_len, len);
    let first = leading(x[channel * params.inner]);
    var sum = Elements(0.0);
    for (var k = start + lane; k < end; k += REDUCE_WIDTH) {
        sum += x[((k / params.inner) * params.channels + channel) * params.inner + k % params.inner] - first;
    }
    // the last slices may be empty
    let count = AT_ONCE * max(1.0, f32(end) - f32(min(start, end)));
    let mean = first + workgroup_sum(lane, vec2<f32>(total(sum), 0.0)).x / count;
    var squares = Elements(0.0);
    for (var k = start + lane; k < end; k += REDUCE_WIDTH) {
        let from_mean = x[((k / params.inner) * params.channels + channel) * params.inner + k % params.inner] - mean;
        squares += from_mean * from_mean;
    }
    let m2 = workgroup_sum(lane, vec2<f32>(total(squares), 0.0)).x;
    if lane == 0u && task < params.channels * params.slices {
        partials[task] = vec2<f32>(mean, m2);
    }
}
