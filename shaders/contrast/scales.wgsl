// out[s] = upstream / (temperature · anchors of s · sub-spaces that have one); 0 without anchors
// Grid: one workgroup. Lanes stride through the items, then add as a tree.
#import shared/reduce

@group(0) @binding(0) var<storage, read> anchors: array<vec4<f32>>; // [subspaces, items]: loss, 1 if there is one, …
@group(0) @binding(1) var<storage, read> upstream: array<f32>; // scalar
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [subspaces]
struct Params { items: u32, subspaces: u32, temperature: f32 }
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(REDUCE_WIDTH)
fn main(@builtin(local_invocation_index) lane: u32) {
    var used = 0.0;
    for (var s = 0u; s < params.subspaces; s++) {
        var count = vec2<f32>(0.0);
        for (var i = lane; i < params.items; i += REDUCE_WIDTH) {
            count.x += anchors[s * params.items + i].y;
        }
        count = workgroup_sum(lane, count);
        used += select(0.0, 1.0, count.x > 0.0);
        if lane == 0u {
            out[s] = count.x;
        }
    }
    if lane == 0u {
        for (var s = 0u; s < params.subspaces; s++) {
            let count = out[s];
            out[s] = select(0.0, upstream[0] / (params.temperature * max(count, 1.0) * max(used, 1.0)), count > 0.0);
        }
    }
}
