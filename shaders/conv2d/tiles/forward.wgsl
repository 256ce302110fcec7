// small[n, k, p, q] = bias[k] + Σ_{c, r, s} w[k, (c, r, s)] · big[n, c, p · stride + r − padding, …]
// A matrix product in tiles of shared/tiles or shared/matrices, of which the second matrix, [(c, r, s), (n, p, q)], is
// never made.
// Grid: one workgroup per tile of channels k and pixels (n, p, q); channels run fastest.
#ifdef MATRIX
enable f16;
enable wgpu_cooperative_matrix;
#endif
#import shared/grid
#import shared/sizes
#ifdef MATRIX
#import shared/matrices
#else
#import shared/tiles
#endif

@group(0) @binding(0) var<storage, read> big: array<f32>; // [N, C, H, W]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [K, C, R, S]
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [K]
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> small: array<f32>; // [N, K, P, Q]
@group(0) @binding(#{PARAMS}) var<uniform> sizes: Sizes;

const TAPS: u32 = #{KERNEL_H}u * #{KERNEL_W}u;

struct Columns {
    start: vec4<u32>, // of the image
    y: vec4<u32>, // of the first tap
    x: vec4<u32>,
    inside: vec4<bool>,
}

fn columns_at(column: u32) -> Columns {
    let plane = sizes.small_h * sizes.small_w;
    let index = vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u);
    let at = index % plane;
    // a position in the padding wraps to a huge one and fails the bound
    return Columns(
        index / plane * sizes.big_channels * sizes.big_h * sizes.big_w,
        at / sizes.small_w * #{STRIDE_H}u - #{PADDING_H}u,
        at % sizes.small_w * #{STRIDE_W}u - #{PADDING_W}u,
        index < vec4<u32>(sizes.batch * plane),
    );
}

fn load_a(row: u32, depth: u32, last: u32) -> vec4<f32> {
    let rows = vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (rows < vec4<u32>(sizes.small_channels)) & vec4<bool>(depth < last);
    let at = select(vec4<u32>(0u), rows * sizes.big_channels * TAPS + depth, inside);
    return select(vec4<f32>(0.0), vec4<f32>(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

fn load_b(depth: u32, last: u32, columns: Columns) -> vec4<f32> {
    let y = columns.y + depth % TAPS / #{KERNEL_W}u;
    let x = columns.x + depth % #{KERNEL_W}u;
    let in_image = (y < vec4<u32>(sizes.big_h)) & (x < vec4<u32>(sizes.big_w));
    let inside = columns.inside & in_image & vec4<bool>(depth < last);
    let channel = columns.start + depth / TAPS * sizes.big_h * sizes.big_w;
    let at = select(vec4<u32>(0u), channel + y * sizes.big_w + x, inside);
    return select(vec4<f32>(0.0), vec4<f32>(big[at.x], big[at.y], big[at.z], big[at.w]), inside);
}

fn store(row: u32, column: u32, value: vec4<f32>) {
    if row >= sizes.small_channels {
        return;
    }
#ifdef BIAS
    let sum = value + bias[row];
#else
    let sum = value;
#endif
    let plane = sizes.small_h * sizes.small_w;
#for j in 0..4
    if column + #{j}u < sizes.batch * plane {
        let n#{j} = (column + #{j}u) / plane;
        small[(n#{j} * sizes.small_channels + row) * plane + (column + #{j}u) % plane] = sum[#{j}];
    }
#endfor
}

@compute @workgroup_size(#{THREADS})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
#ifdef MATRIX
    @builtin(subgroup_id) own: u32,
    @builtin(num_subgroups) count: u32,
#endif
) {
#ifdef MATRIX
    subgroup = vec2<u32>(own, count);
#endif
    let task = flat_group(group, groups);
    let row_tiles = (sizes.small_channels + #{ROWS}u - 1u) / #{ROWS}u;
    let column = task / row_tiles * #{COLUMNS}u;
    if column < sizes.batch * sizes.small_h * sizes.small_w {
        multiply(task % row_tiles * #{ROWS}u, column, 0u, sizes.big_channels * TAPS, lane);
    }
}
