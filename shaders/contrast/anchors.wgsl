// Of item a in sub-space s, over the labelled items b ≠ a and, among them, its positives P, which have its label:
//   out[s, a] = (l − Σ_P similarity / |P|, 1, l, |P|), l = ln Σ_b exp(similarity); zeros without a label or positives
// Grid: one workgroup per item and sub-space, folded. Lanes stride through the other items, then join as a tree.
#import shared/grid
#import shared/reduce

@group(0) @binding(0) var<storage, read> similarities: array<f32>; // [subspaces, items, items]
@group(0) @binding(1) var<storage, read> labels: array<f32>; // [items, subspaces]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>; // [subspaces, items]
struct Params { rows: u32, items: u32, subspaces: u32 }
@group(0) @binding(3) var<uniform> params: Params;

// less than any similarity of vectors of a network that can still be trained
const LEAST: f32 = -1e30;

var<workgroup> maxima: array<f32, REDUCE_WIDTH>;

fn workgroup_max(lane: u32, value: f32) -> f32 {
    maxima[lane] = value;
    workgroupBarrier();
    for (var half = REDUCE_WIDTH / 2u; half > 0u; half /= 2u) {
        if lane < half {
            maxima[lane] = max(maxima[lane], maxima[lane + half]);
        }
        workgroupBarrier();
    }
    let found = maxima[0];
    workgroupBarrier();
    return found;
}

@compute @workgroup_size(REDUCE_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    let there = row < params.rows;
    // a folded grid may have workgroups past the last row: they have no items, but reach the barriers
    let items = select(0u, params.items, there);
    let subspace = min(row, params.rows - 1u) / params.items;
    let a = row % params.items;
    let label = labels[a * params.subspaces + subspace];
    var top = LEAST;
    for (var b = lane; b < items; b += REDUCE_WIDTH) {
        if b != a && labels[b * params.subspaces + subspace] >= 0.0 {
            top = max(top, similarities[row * params.items + b]);
        }
    }
    top = workgroup_max(lane, top);
    var sums = vec2<f32>(0.0);
    var count = vec2<f32>(0.0);
    for (var b = lane; b < items; b += REDUCE_WIDTH) {
        let other = labels[b * params.subspaces + subspace];
        if b != a && other >= 0.0 {
            let similarity = similarities[row * params.items + b];
            sums.x += exp(max(similarity - top, -87.0));
            if other == label {
                sums.y += similarity;
                count.x += 1.0;
            }
        }
    }
    sums = workgroup_sum(lane, sums);
    count = workgroup_sum(lane, count);
    if lane == 0u && there {
        let anchor = label >= 0.0 && count.x > 0.0;
        // an anchor has others, of which one is the top: its exponential is 1. Not max: what is no number is to stay none
        let l = top + log(select(1.0, sums.x, anchor));
        out[row] = select(vec4<f32>(0.0), vec4<f32>(l - sums.y / max(count.x, 1.0), 1.0, l, count.x), anchor);
    }
}
