// out[0, c], out[1, c] = mean and variance of channel c, merged from its slices in order (Chan et al.):
// M2 = M2a + M2b + (mean_b − mean_a)² · n_a · n_b / (n_a + n_b)
// Grid: one invocation per channel.
#import shared/grid

@group(0) @binding(0) var<storage, read> partials: array<vec2<f32>>; // [channels, slices]: mean, M2
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [2, channels]
struct Params { channels: u32, slices: u32, len: u32, slice_len: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane);
    if i >= params.channels {
        return;
    }
    var count = 0.0;
    var mean = 0.0;
    var m2 = 0.0;
    for (var slice = 0u; slice < params.slices; slice++) {
        let start = min(slice * params.slice_len, params.len);
        let here = f32(min(params.slice_len, params.len - start));
        if here > 0.0 {
            let other = partials[i * params.slices + slice];
            let total = count + here;
            let shift = other.x - mean;
            mean += shift * (here / total);
            m2 += other.y + shift * shift * (count * here / total);
            count = total;
        }
    }
    out[i] = mean;
    out[params.channels + i] = m2 / count;
}
