// out = Σ partials.x / max(Σ partials.y, 1)
// Grid: one workgroup. Lanes stride through the triplets, then add as a tree.
#import shared/reduce

@group(0) @binding(0) var<storage, read> partials: array<vec2<f32>>; // [triplets]: weighted loss, weight
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // scalar
struct Params { triplets: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(REDUCE_WIDTH)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < params.triplets; i += REDUCE_WIDTH) {
        sum += partials[i];
    }
    sum = workgroup_sum(lane, sum);
    if lane == 0u {
        out[0] = sum.x / max(sum.y, 1.0);
    }
}
