// out[n, c, oy, ox] = max of x[n, c] over the window that starts at (oy, ox) · stride − padding
// Grid: one invocation per output element.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, h, w]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [planes, out_h, out_w]
struct Params {
    len: u32, h: u32, w: u32, out_h: u32, out_w: u32,
    kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, padding_h: u32, padding_w: u32,
}
@group(0) @binding(2) var<uniform> params: Params;

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
    let ox = i % params.out_w;
    let oy = (i / params.out_w) % params.out_h;
    let plane = i / (params.out_w * params.out_h);
    var best = -3.4028234e38;
    for (var ky = 0u; ky < params.kernel_h; ky++) {
        for (var kx = 0u; kx < params.kernel_w; kx++) {
            // a position in the padding wraps to a huge one and fails the bound
            let y = oy * params.stride_h + ky - params.padding_h;
            let xx = ox * params.stride_w + kx - params.padding_w;
            if y < params.h && xx < params.w {
                best = max(best, x[(plane * params.h + y) * params.w + xx]);
            }
        }
    }
    out[i] = best;
}
