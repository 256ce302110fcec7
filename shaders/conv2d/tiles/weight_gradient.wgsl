// partial[slice, k, (c, r, s)] = Σ_{n, p, q} small[n, k, p, q] · big[n, c, p · stride + r − padding, …]
// over the slice's pixels (n, p, q); reduce/rows adds the slices in order. A matrix product in tiles of shared/tiles or
// shared/matrices, of which the second matrix, [(n, p, q), (c, r, s)], is never made.
// Grid: one workgroup per slice and tile of channels k and columns (c, r, s); channels run fastest.
#ifdef MATRIX
enable f16;
enable wgpu_cooperative_matrix;
#endif
#import shared/grid
#ifdef MATRIX
#import shared/matrices
#else
#import shared/tiles
#endif

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
    slice_pixels: u32,
}
@group(0) @binding(3) var<uniform> params: Params;

const TAPS: u32 = #{KERNEL_H}u * #{KERNEL_W}u;

struct Columns {
    start: vec4<u32>, // of the channel
    r: vec4<u32>, // less the padding
    s: vec4<u32>,
    inside: vec4<bool>,
}

// where the partial sums of the workgroup's slice begin
var<private> partial: u32;

fn columns_at(column: u32) -> Columns {
    let index = vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u);
    return Columns(
        index / TAPS * params.big_h * params.big_w,
        index % TAPS / #{KERNEL_W}u - #{PADDING_H}u,
        index % #{KERNEL_W}u - #{PADDING_W}u,
        index < vec4<u32>(params.big_channels * TAPS),
    );
}

fn load_a(row: u32, depth: u32, last: u32) -> vec4<f32> {
    let plane = params.small_h * params.small_w;
    let rows = vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (rows < vec4<u32>(params.small_channels)) & vec4<bool>(depth < last);
    let channel = depth / plane * params.small_channels + rows;
    let at = select(vec4<u32>(0u), channel * plane + depth % plane, inside);
    return select(vec4<f32>(0.0), vec4<f32>(small[at.x], small[at.y], small[at.z], small[at.w]), inside);
}

fn load_b(depth: u32, last: u32, columns: Columns) -> vec4<f32> {
    let plane = params.small_h * params.small_w;
    let p = depth % plane / params.small_w;
    let q = depth % plane % params.small_w;
    // a position in the padding wraps to a huge one and fails the bound
    let y = p * #{STRIDE_H}u + columns.r;
    let x = q * #{STRIDE_W}u + columns.s;
    let in_image = (y < vec4<u32>(params.big_h)) & (x < vec4<u32>(params.big_w));
    let inside = columns.inside & in_image & vec4<bool>(depth < last);
    let image = depth / plane * params.big_channels * params.big_h * params.big_w;
    let at = select(vec4<u32>(0u), image + columns.start + y * params.big_w + x, inside);
    return select(vec4<f32>(0.0), vec4<f32>(big[at.x], big[at.y], big[at.z], big[at.w]), inside);
}

fn store(row: u32, column: u32, value: vec4<f32>) {
    let columns = params.big_channels * TAPS;
    if row >= params.small_channels {
        return;
    }
#for j in 0..4
    if column + #{j}u < columns {
        partials[partial + row * columns + column + #{j}u] = value[#{j}];
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
    let columns = params.big_channels * TAPS;
    let row_tiles = (params.small_channels + #{ROWS}u - 1u) / #{ROWS}u;
    let column_tiles = (columns + #{COLUMNS}u - 1u) / #{COLUMNS}u;
    let task = flat_group(group, groups);
    let slice = task / (row_tiles * column_tiles);
    let row = task % row_tiles * #{ROWS}u;
    let column = task / row_tiles % column_tiles * #{COLUMNS}u;
    let pixels = params.batch * params.small_h * params.small_w;
    if slice < params.slices {
        partial = slice * params.small_channels * columns;
        let first = slice * params.slice_pixels;
        multiply(row, column, first, min(first + params.slice_pixels, pixels), lane);
    }
}
