// With d(x, y) = ‖u‖, u = mask · (x − y) + 1e-6, and c = upstream · w / max(Σ w, 1) where the margin is unmet, else 0:
//   positives  −c · mask · u_p / d(a, p)
//   negatives  c · mask · u_n / d(a, n)
//   anchors    less the two
// Grid: one workgroup per triplet, folded. Lanes stride through the dimensions, then add as a tree.
#import shared/grid
#import shared/reduce

@group(0) @binding(0) var<storage, read> embeddings: array<f32>; // [3, triplets, len]: anchors, positives, negatives
@group(0) @binding(1) var<storage, read> mask: array<f32>; // [triplets, len]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [triplets]
@group(0) @binding(3) var<storage, read> upstream: array<f32>; // scalar
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // [3, triplets, len]
struct Params { triplets: u32, len: u32, margin: f32 }
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(REDUCE_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let triplet = flat_group(group, groups);
    let step = params.triplets * params.len;
    let start = triplet * params.len;
    // a folded grid may have workgroups past the last triplet: they have no elements, but reach the barriers
    let end = select(start, start + params.len, triplet < params.triplets);
    var squares = vec2<f32>(0.0);
    for (var i = start + lane; i < end; i += REDUCE_WIDTH) {
        let others = vec2<f32>(embeddings[step + i], embeddings[2u * step + i]);
        let apart = mask[i] * (embeddings[i] - others) + 1e-6;
        squares += apart * apart;
    }
    let distances = sqrt(workgroup_sum(lane, squares));
    var weights = vec2<f32>(0.0);
    for (var i = lane; i < params.triplets; i += REDUCE_WIDTH) {
        weights.x += weight[i];
    }
    weights = workgroup_sum(lane, weights);
    if triplet >= params.triplets {
        return;
    }
    let w = weight[triplet];
    let unmet = w != 0.0 && distances.x - distances.y + params.margin > 0.0;
    let factor = select(0.0, upstream[0] * w / max(weights.x, 1.0), unmet);
    // a distance of 0 has no direction
    let slope = select(vec2<f32>(0.0), factor / max(distances, vec2<f32>(1e-30)), distances > vec2<f32>(0.0));
    for (var i = start + lane; i < end; i += REDUCE_WIDTH) {
        let others = vec2<f32>(embeddings[step + i], embeddings[2u * step + i]);
        let along = slope * mask[i] * (mask[i] * (embeddings[i] - others) + 1e-6);
        out[i] = along.x - along.y;
        out[step + i] = -along.x;
        out[2u * step + i] = along.y;
    }
}
