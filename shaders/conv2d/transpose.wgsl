// big[n, c, y, x] = bias[c] + Σ_k Σ_{r, s} small[n, k, (y + padding − r) / stride, …] · w[k, c, r, s], over
// the taps at which the division has no rest: a gather, so that no two invocations write one element
// Grid: one invocation per tile of CHANNELS channels × 4 pixels of one row that are a stride apart, which
// see the same taps. A workgroup's invocations have the same channels.
#import shared/grid
#import shared/convolution

@group(0) @binding(0) var<storage, read> small: array<f32>; // [N, K, P, Q]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [K, C, R, S]
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [C]
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> big: array<f32>; // [N, C, H, W]
@group(0) @binding(#{PARAMS}) var<uniform> sizes: Sizes;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let per_phase = ((sizes.big_w + STRIDE_W - 1u) / STRIDE_W + 3u) / 4u;
    let tiles_per_row = STRIDE_W * per_phase;
    let tiles = sizes.batch * sizes.big_h * tiles_per_row;
    let tile_groups = (tiles + FLAT_WIDTH - 1u) / FLAT_WIDTH;
    let task = flat_group(group, groups);
    let c0 = task / tile_groups * #{CHANNELS}u;
    let tile = task % tile_groups * FLAT_WIDTH + lane;
    if c0 >= sizes.big_channels || tile >= tiles {
        return;
    }
    let n = tile / (sizes.big_h * tiles_per_row);
    let y = tile / tiles_per_row % sizes.big_h;
    let in_row = tile % tiles_per_row;
    let x = in_row / per_phase + in_row % per_phase * 4u * STRIDE_W;
    let plane = sizes.small_h * sizes.small_w;
    let taps = KERNEL_H * KERNEL_W;
    let row = sizes.big_channels * taps;
#for c in 0..#{CHANNELS}
    let w#{c} = min(c0 + #{c}u, sizes.big_channels - 1u) * taps;
    var sum#{c} = vec4<f32>(0.0);
#endfor
    for (var r = (y + PADDING_H) % STRIDE_H; r < KERNEL_H; r += STRIDE_H) {
        // a negative row wraps to a huge one and fails the bound
        let p = (y + PADDING_H - r) / STRIDE_H;
        if y + PADDING_H < r || p >= sizes.small_h {
            continue;
        }
        for (var s = (x + PADDING_W) % STRIDE_W; s < KERNEL_W; s += STRIDE_W) {
            // exact, for the phase is: also below zero, in two's complement
            let q0 = (i32(x + PADDING_W) - i32(s)) / i32(STRIDE_W);
            let q = vec4<i32>(q0) + vec4<i32>(0, 1, 2, 3);
            let inside = (q >= vec4<i32>(0)) & (q < vec4<i32>(i32(sizes.small_w)));
            let start = n * sizes.small_channels * plane + p * sizes.small_w;
            var source = select(vec4<u32>(0u), vec4<u32>(q) + start, inside);
            var tap = r * KERNEL_W + s;
            for (var k = 0u; k < sizes.small_channels; k++) {
                let loaded = vec4<f32>(small[source.x], small[source.y], small[source.z], small[source.w]);
                let values = select(vec4<f32>(0.0), loaded, inside);
#for c in 0..#{CHANNELS}
                sum#{c} += w[w#{c} + tap] * values;
#endfor
                source += plane;
                tap += row;
            }
        }
    }
#for c in 0..#{CHANNELS}
    if c0 + #{c}u < sizes.big_channels {
        let channel = c0 + #{c}u;
#ifdef BIAS
        sum#{c} += bias[channel];
#endif
        let out = ((n * sizes.big_channels + channel) * sizes.big_h + y) * sizes.big_w + x;
#for i in 0..4
        if x + #{i}u * STRIDE_W < sizes.big_w {
            big[out + #{i}u * STRIDE_W] = sum#{c}[#{i}];
        }
#endfor
    }
#endfor
}
