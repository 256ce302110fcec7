// Over the sub-spaces that have an anchor, the mean of their anchors' mean loss; 0 if none has.
// Grid: one workgroup. Lanes stride through the items, then add as a tree.
#import shared/reduce

@group(0) @binding(0) var<storage, read> anchors: array<vec4<f32>>; // [subspaces, items]: loss, 1 if there is one, …
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // scalar
struct Params { items: u32, subspaces: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(REDUCE_WIDTH)
fn main(@builtin(local_invocation_index) lane: u32) {
    var total = vec2<f32>(0.0);
    for (var s = 0u; s < params.subspaces; s++) {
        var sum = vec2<f32>(0.0);
        for (var i = lane; i < params.items; i += REDUCE_WIDTH) {
            sum += anchors[s * params.items + i].xy;
        }
        sum = workgroup_sum(lane, sum);
        if sum.y > 0.0 {
            total += vec2<f32>(sum.x / sum.y, 1.0);
        }
    }
    if lane == 0u {
        out[0] = total.x / max(total.y, 1.0);
    }
}
