// out[n, c, y, x] = Σ of dy over the windows in which (y, x) is the first of the largest elements
// Grid: one invocation per input element, which looks at every window that holds it: no atomics.
#import shared/grid

@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, h, w]
@group(0) @binding(1) var<storage, read> dy: array<f32>; // [planes, out_h, out_w]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [planes, h, w]
struct Params {
    len: u32, h: u32, w: u32, out_h: u32, out_w: u32,
    kernel_h: u32, kernel_w: u32, stride_h: u32, stride_w: u32, padding_h: u32, padding_w: u32,
}
@group(0) @binding(3) var<uniform> params: Params;

// Whether element i of the plane is the first largest of a window.
fn wins(plane: u32, i: u32, oy: u32, ox: u32) -> bool {
    let base = plane * params.h * params.w;
    let value = x[base + i];
    for (var ky = 0u; ky < params.kernel_h; ky++) {
        for (var kx = 0u; kx < params.kernel_w; kx++) {
            let y = oy * params.stride_h + ky - params.padding_h;
            let xx = ox * params.stride_w + kx - params.padding_w;
            if y < params.h && xx < params.w {
                let j = y * params.w + xx;
                if x[base + j] > value || (x[base + j] == value && j < i) {
                    return false;
                }
            }
        }
    }
    return true;
}

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
    let plane_len = params.h * params.w;
    let plane = i / plane_len;
    let at = i % plane_len;
    var sum = 0.0;
    for (var ky = 0u; ky < params.kernel_h; ky++) {
        for (var kx = 0u; kx < params.kernel_w; kx++) {
            // the window in which (y, x) is at (ky, kx), if there is one
            let y = at / params.w + params.padding_h - ky;
            let xx = at % params.w + params.padding_w - kx;
            let oy = y / params.stride_h;
            let ox = xx / params.stride_w;
            // a negative position wraps to a huge one and fails the bound
            if y % params.stride_h == 0u && xx % params.stride_w == 0u && oy < params.out_h && ox < params.out_w {
                if wins(plane, at, oy, ox) {
                    sum += dy[(plane * params.out_h + oy) * params.out_w + ox];
                }
            }
        }
    }
    out[i] = sum;
}
