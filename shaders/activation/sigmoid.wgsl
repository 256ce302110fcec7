// out = 1 / (1 + exp(−x)), times a with MASK. Clamped: exp(−x) must not overflow, and sigmoid(−88) is below the least normal f32.
// Grid: one invocation per element.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [len]
struct Params { len: u32 }
#ifdef MASK
@group(0) @binding(1) var<storage, read> a: array<f32>; // [len]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [len]
@group(0) @binding(3) var<uniform> params: Params;
#else
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [len]
@group(0) @binding(2) var<uniform> params: Params;
#endif

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
    let sigmoid = 1.0 / (1.0 + exp(-clamp(x[i], -87.0, 87.0)));
#ifdef MASK
    out[i] = sigmoid * a[i];
#else
    out[i] = sigmoid;
#endif
}
