// running ← (1 − momentum) · running + momentum · factor · statistics[row]
// Grid: one invocation per channel.
#import shared/grid

@group(0) @binding(0) var<storage, read_write> running: array<f32>; // [channels]
@group(0) @binding(1) var<storage, read> statistics: array<f32>; // [2, channels]: mean, variance
struct Params { channels: u32, row: u32, momentum: f32, factor: f32 }
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
    let new_value = params.factor * statistics[params.row * params.channels + i];
    running[i] = (1.0 - params.momentum) * running[i] + params.momentum * new_value;
}
