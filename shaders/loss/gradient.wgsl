// out = upstream / len · f, for the derivative f that is defined:
//   ABSOLUTE       sign(a − b)
//   SQUARED        2 (a − b)
//   CROSS_ENTROPY  σ(a) − b
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> a: array<f32>; // [len]
@group(0) @binding(1) var<storage, read> b: array<f32>; // [len]
@group(0) @binding(2) var<storage, read> upstream: array<f32>; // scalar
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [len]
struct Params { len: u32 }
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane);
    if i >= params.len {
        return;
    }
    let factor = upstream[0] / f32(params.len);
#ifdef ABSOLUTE
    out[i] = factor * sign(a[i] - b[i]);
#endif
#ifdef SQUARED
    out[i] = factor * 2.0 * (a[i] - b[i]);
#endif
#ifdef CROSS_ENTROPY
    // (1 − b) σ(a) − b σ(−a), where nothing cancels
    let small = exp(-min(abs(a[i]), 87.0));
    let up = select(small, 1.0, a[i] > 0.0);
    let down = select(1.0, small, a[i] > 0.0);
    out[i] = factor * ((1.0 - b[i]) * up - b[i] * down) / (1.0 + small);
#endif
}
