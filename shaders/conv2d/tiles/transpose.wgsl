// big[n, c, y, x] = bias[c] + Σ_{k, r, s} w[k, c, r, s] · small[n, k, (y + padding − r) / stride, …], over the taps at
// which the division has no rest: for the y and x of one phase, those a stride apart, they are the same. So each phase
// is a matrix product in tiles of shared/tiles or shared/matrices, of which neither the columns [(k, r, s), (n, y, x)]
// are ever made nor taps are wasted.
// Grid: one workgroup per tile of channels c and pixels (n, y, x) of the phase; channels run fastest.
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

@group(0) @binding(0) var<storage, read> small: array<f32>; // [N, K, P, Q]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [K, C, R, S]
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [C]
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> big: array<f32>; // [N, C, H, W]
@group(0) @binding(#{PARAMS}) var<uniform> sizes: Sizes;

// of the phase: the first y and x, the first tap that they see, and how many
const PHASE = vec2<u32>(#{PHASE_H}u, #{PHASE_W}u);
const FIRST = vec2<u32>(#{FIRST_H}u, #{FIRST_W}u);
const TAPS_W: u32 = #{TAPS_W}u;
const TAPS: u32 = #{TAPS_H}u * #{TAPS_W}u;
const STRIDE = vec2<u32>(#{STRIDE_H}u, #{STRIDE_W}u);
const PADDING = vec2<u32>(#{PADDING_H}u, #{PADDING_W}u);

struct Columns {
    start: vec4<u32>, // of the image
    p: vec4<u32>, // that the first tap sees
    q: vec4<u32>,
    inside: vec4<bool>,
}

// Rows and columns of the phase.
fn phase_size() -> vec2<u32> {
    return (vec2<u32>(sizes.big_h, sizes.big_w) + STRIDE - vec2<u32>(1u) - PHASE) / STRIDE;
}

fn columns_at(column: u32) -> Columns {
    let size = phase_size();
    let plane = size.x * size.y;
    let index = vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u);
    let at = index % plane;
    let offset = (PHASE + PADDING - FIRST) / STRIDE;
    return Columns(
        index / plane * sizes.small_channels * sizes.small_h * sizes.small_w,
        at / size.y + offset.x,
        at % size.y + offset.y,
        index < vec4<u32>(sizes.batch * plane),
    );
}

fn load_a(row: u32, depth: u32, last: u32) -> vec4<f32> {
    let rows = vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (rows < vec4<u32>(sizes.big_channels)) & vec4<bool>(depth < last);
    let tap = FIRST + vec2<u32>(depth % TAPS / TAPS_W, depth % TAPS % TAPS_W) * STRIDE;
    let kernel = depth / TAPS * sizes.big_channels + rows;
    let at = select(vec4<u32>(0u), (kernel * #{KERNEL_H}u + tap.x) * #{KERNEL_W}u + tap.y, inside);
    return select(vec4<f32>(0.0), vec4<f32>(w[at.x], w[at.y], w[at.z], w[at.w]), inside);
}

fn load_b(depth: u32, last: u32, columns: Columns) -> vec4<f32> {
    // each further tap is one pixel less; a negative position wraps to a huge one and fails the bound
    let p = columns.p - depth % TAPS / TAPS_W;
    let q = columns.q - depth % TAPS % TAPS_W;
    let in_image = (p < vec4<u32>(sizes.small_h)) & (q < vec4<u32>(sizes.small_w));
    let inside = columns.inside & in_image & vec4<bool>(depth < last);
    let channel = columns.start + depth / TAPS * sizes.small_h * sizes.small_w;
    let at = select(vec4<u32>(0u), channel + p * sizes.small_w + q, inside);
    return select(vec4<f32>(0.0), vec4<f32>(small[at.x], small[at.y], small[at.z], small[at.w]), inside);
}

fn store(row: u32, column: u32, value: vec4<f32>) {
    if row >= sizes.big_channels {
        return;
    }
#ifdef BIAS
    let sum = value + bias[row];
#else
    let sum = value;
#endif
    let size = phase_size();
    let plane = size.x * size.y;
#for j in 0..4
    if column + #{j}u < sizes.batch * plane {
        let at#{j} = (column + #{j}u) % plane;
        let channel#{j} = (column + #{j}u) / plane * sizes.big_channels + row;
        let y#{j} = at#{j} / size.y * STRIDE.x + PHASE.x;
        let x#{j} = at#{j} % size.y * STRIDE.y + PHASE.y;
        big[(channel#{j} * sizes.big_h + y#{j}) * sizes.big_w + x#{j}] = sum[#{j}];
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
    let size = phase_size();
    let row_tiles = (sizes.big_channels + #{ROWS}u - 1u) / #{ROWS}u;
    let column = task / row_tiles * #{COLUMNS}u;
    if column < sizes.batch * size.x * size.y {
        multiply(task % row_tiles * #{ROWS}u, column, 0u, sizes.small_channels * #{TAPS_H}u * #{TAPS_W}u, lane);
    }
}
