// out[b, s] = Σ_k x[b, first + k, s] / 32768, k < count: summed in whole numbers, hence exact
// With GAINS, Σ_k gains[b, first + k] · x[b, first + k, s] / 32768.
// Grid: one invocation per sample of the output.
#import shared/grid

// two samples in each word, the earlier in its lower half
@group(0) @binding(0) var<storage, read> x: array<u32>; // [batch, sources, len]
#ifdef GAINS
@group(0) @binding(1) var<storage, read> gains: array<f32>; // [batch, sources]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [batch, 1, len]
#else
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [batch, 1, len]
#endif
struct Params { total: u32, len: u32, sources: u32, first: u32, count: u32 }
#ifdef GAINS
@group(0) @binding(3) var<uniform> params: Params;
#else
@group(0) @binding(2) var<uniform> params: Params;
#endif

fn sample(index: u32) -> i32 {
    let word = bitcast<i32>(x[index / 2u]);
    // shifting right keeps the sign
    return (word << (16u * (1u - index % 2u))) >> 16u;
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
    let row = (i / params.len) * params.sources + params.first;
#ifdef GAINS
    var sum = 0.0;
    for (var k = 0u; k < params.count; k++) {
        sum += gains[row + k] * f32(sample((row + k) * params.len + i % params.len));
    }
    out[i] = sum / 32768.0;
#else
    var sum = 0;
    for (var k = 0u; k < params.count; k++) {
        sum += sample((row + k) * params.len + i % params.len);
    }
    out[i] = f32(sum) / 32768.0;
#endif
}
