// small[n, k, p, q] = bias[k] + Σ_{c, r, s} big[n, c, p · stride + r − padding, …] · w[k, c, r, s]
// Grid: one invocation per tile of CHANNELS channels × 4 pixels, in registers. A workgroup's invocations
// have neighbouring pixels and the same channels, so that they read the same weights.
#import shared/grid
#import shared/convolution

@group(0) @binding(0) var<storage, read> big: array<f32>; // [N, C, H, W]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [K, C, R, S]
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [K]
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> small: array<f32>; // [N, K, P, Q]
@group(0) @binding(#{PARAMS}) var<uniform> sizes: Sizes;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = sizes.small_h * sizes.small_w;
    let pixels = sizes.batch * plane;
    let pixel_groups = (pixels + 4u * FLAT_WIDTH - 1u) / (4u * FLAT_WIDTH);
    let task = flat_group(group, groups);
    let k0 = task / pixel_groups * #{CHANNELS}u;
    let pixel = (task % pixel_groups * FLAT_WIDTH + lane) * 4u;
    if k0 >= sizes.small_channels || pixel >= pixels {
        return;
    }
    // pixels past the last, and channels, repeat the last: no branch inside the loops
    let index = min(vec4<u32>(pixel) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(pixels - 1u));
    let n = index / plane;
    let at = index % plane;
    // position of the first tap; one in the padding wraps to a huge one and fails the bound
    let y0 = at / sizes.small_w * STRIDE_H - PADDING_H;
    let x0 = at % sizes.small_w * STRIDE_W - PADDING_W;
    let big_plane = sizes.big_h * sizes.big_w;
    let taps = KERNEL_H * KERNEL_W;
    let row = sizes.big_channels * taps;
#for k in 0..#{CHANNELS}
    let w#{k} = min(k0 + #{k}u, sizes.small_channels - 1u) * row;
    var sum#{k} = vec4<f32>(0.0);
#endfor
    for (var r = 0u; r < KERNEL_H; r++) {
        let y = y0 + r;
        for (var s = 0u; s < KERNEL_W; s++) {
            let x = x0 + s;
            let inside = (y < vec4<u32>(sizes.big_h)) & (x < vec4<u32>(sizes.big_w));
            var source = select(vec4<u32>(0u), n * sizes.big_channels * big_plane + y * sizes.big_w + x, inside);
            var tap = r * KERNEL_W + s;
            for (var c = 0u; c < sizes.big_channels; c++) {
                let loaded = vec4<f32>(big[source.x], big[source.y], big[source.z], big[source.w]);
                let values = select(vec4<f32>(0.0), loaded, inside);
#for k in 0..#{CHANNELS}
                sum#{k} += w[w#{k} + tap] * values;
#endfor
                source += big_plane;
                tap += taps;
            }
        }
    }
#for k in 0..#{CHANNELS}
    if k0 + #{k}u < sizes.small_channels {
        let channel = k0 + #{k}u;
#ifdef BIAS
        sum#{k} += bias[channel];
#endif
#for i in 0..4
        if pixel + #{i}u < pixels {
            small[(n[#{i}] * sizes.small_channels + channel) * plane + at[#{i}]] = sum#{k}[#{i}];
        }
#endfor
    }
#endfor
}
