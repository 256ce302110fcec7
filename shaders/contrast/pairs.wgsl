// out[s, a, b] = scale[s] · (w(a, b) + w(b, a)), where for an anchor a and a labelled item b ≠ a
//   w(a, b) = exp(similarity − l) − [b is a positive of a] / |P|, with a's l and P; 0 if a is no anchor
// Grid: one invocation per pair of items in a sub-space.
#import shared/grid

@group(0) @binding(0) var<storage, read> similarities: array<f32>; // [subspaces, items, items]
@group(0) @binding(1) var<storage, read> labels: array<f32>; // [items, subspaces]
@group(0) @binding(2) var<storage, read> anchors: array<vec4<f32>>; // [subspaces, items]: …, 1 if there is one, l, |P|
@group(0) @binding(3) var<storage, read> scales: array<f32>; // [subspaces]
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // [subspaces, items, items]
struct Params { total: u32, items: u32, subspaces: u32 }
@group(0) @binding(5) var<uniform> params: Params;

fn weight(anchor: vec4<f32>, similarity: f32, positive: bool) -> f32 {
    let share = exp(clamp(similarity - anchor.z, -87.0, 0.0));
    return select(0.0, share - select(0.0, 1.0 / max(anchor.w, 1.0), positive), anchor.y > 0.0);
}

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane);
    if i >= params.total {
        return;
    }
    let subspace = i / (params.items * params.items);
    let a = (i / params.items) % params.items;
    let b = i % params.items;
    let of_a = labels[a * params.subspaces + subspace];
    let of_b = labels[b * params.subspaces + subspace];
    let compared = a != b && of_a >= 0.0 && of_b >= 0.0;
    let row = subspace * params.items;
    let similarity = similarities[i];
    let both = weight(anchors[row + a], similarity, of_a == of_b) + weight(anchors[row + b], similarity, of_a == of_b);
    out[i] = select(0.0, scales[subspace] * both, compared);
}
