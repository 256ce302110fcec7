// out[s] = Σ_t windowed[t, n] / max(Σ_t window[n]², LEAST_WEIGHT), where n = s + size / 2 − t · hop
// Grid: one invocation per sample, which adds the frames that cover it in order.
#import shared/grid

@group(0) @binding(0) var<storage, read> windowed: array<f32>; // [B, frames, size]
@group(0) @binding(1) var<storage, read> window: array<f32>; // [size]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [B, samples]
const LEAST_WEIGHT: f32 = #{LEAST_WEIGHT};
struct Params { len: u32, samples: u32, frames: u32, hop: u32, size: u32 }
@group(0) @binding(3) var<uniform> params: Params;

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
    let item = i / params.samples;
    let position = i % params.samples + params.size / 2u;
    // the frames from the first that has not ended to the last that has begun
    let first = select(0u, (position - params.size) / params.hop + 1u, position >= params.size);
    let end = min(position / params.hop + 1u, params.frames);
    var sum = 0.0;
    var weight = 0.0;
    for (var t = first; t < end; t++) {
        let n = position - t * params.hop;
        sum += windowed[(item * params.frames + t) * params.size + n];
        weight += window[n] * window[n];
    }
    out[i] = sum / max(weight, LEAST_WEIGHT);
}
