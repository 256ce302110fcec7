// out[c] = scale · Σ_s partial[c, s].x, and with pairs out[channels + c] = scale · Σ_s partial[c, s].y
// Grid: one invocation per channel, which adds its slices in order.
#import shared/grid

@group(0) @binding(0) var<storage, read> partials: array<vec2<f32>>; // [channels, slices]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [channels] or [2, channels]
struct Params { channels: u32, slices: u32, pairs: u32, scale: f32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = flat_index(group, groups, lane);
    if channel >= params.channels {
        return;
    }
    var sum = vec2<f32>(0.0);
    for (var slice = 0u; slice < params.slices; slice++) {
        sum += partials[channel * params.slices + slice];
    }
    out[channel] = params.scale * sum.x;
    if params.pairs != 0u {
        out[params.channels + channel] = params.scale * sum.y;
    }
}
