// partial[slice, k, (c, r, s)] = Σ_{p, q} small[n, k, p, q] · big[n, c, p · stride + r − padding, …]
// over the slice's rows (n, p) of the small images; reduce/rows adds the slices in order.
// Grid: one invocation per slice and tile of 4 channels × 4 columns (c, r, s), in registers.
#import shared/grid
#import shared/convolution

@group(0) @binding(0) var<storage, read> big: array<f32>; // [N, C, H, W]
@group(0) @binding(1) var<storage, read> small: array<f32>; // [N, K, P, Q]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [slices, K, C, R, S]
struct Params {
    batch: u32,
    big_channels: u32,
    small_channels: u32,
    big_h: u32,
    big_w: u32,
    small_h: u32,
    small_w: u32,
    slices: u32,
    slice_rows: u32,
}
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = KERNEL_H * KERNEL_W;
    let columns = params.big_channels * taps;
    let column_tiles = (columns + 3u) / 4u;
    let tiles = (params.small_channels + 3u) / 4u * column_tiles;
    let tile_groups = (tiles + FLAT_WIDTH - 1u) / FLAT_WIDTH;
    let task = flat_group(group, groups);
    let slice = task / tile_groups;
    let tile = task % tile_groups * FLAT_WIDTH + lane;
    if slice >= params.slices || tile >= tiles {
        return;
    }
    let k0 = tile / column_tiles * 4u;
    let column0 = tile % column_tiles * 4u;
    let plane = params.small_h * params.small_w;
    let big_plane = params.big_h * params.big_w;
    // channels and columns past the last repeat it: no branch inside the loops
    let k = min(vec4<u32>(k0) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.small_channels - 1u)) * plane;
    let column = min(vec4<u32>(column0) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(columns - 1u));
    let c = column / taps * big_plane;
    let r = column % taps / KERNEL_W;
    let s = column % KERNEL_W;
#for i in 0..4
    var sum#{i} = vec4<f32>(0.0);
#endfor
    let last = min((slice + 1u) * params.slice_rows, params.batch * params.small_h);
    for (var row = slice * params.slice_rows; row < last; row++) {
        let n = row / params.small_h;
        let p = row % params.small_h;
        // a position in the padding wraps to a huge one and fails the bound
        let y = p * STRIDE_H + r - PADDING_H;
        let in_height = y < vec4<u32>(params.big_h);
        let source = n * params.big_channels * big_plane + c + y * params.big_w;
        let small_row = n * params.small_channels * plane + p * params.small_w;
        for (var q = 0u; q < params.small_w; q++) {
            let x = q * STRIDE_W + s - PADDING_W;
            let inside = in_height & (x < vec4<u32>(params.big_w));
            let index = select(vec4<u32>(0u), source + x, inside);
            let loaded = vec4<f32>(big[index.x], big[index.y], big[index.z], big[index.w]);
            let values = select(vec4<f32>(0.0), loaded, inside);
#for i in 0..4
            sum#{i} += small[small_row + k[#{i}] + q] * values;
#endfor
        }
    }
#for i in 0..4
    if k0 + #{i}u < params.small_channels {
        let out = (slice * params.small_channels + k0 + #{i}u) * columns + column0;
#for j in 0..4
        if column0 + #{j}u < columns {
            partials[out + #{j}u] = sum#{i}[#{j}];
        }
#endfor
    }
#endfor
}
