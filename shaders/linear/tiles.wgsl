// partial[slice, r, c] = Σ_k a[r, k] · b[k, c] over the slice's k (+ bias[c] in the first); reduce/rows adds the slices in
// order. A matrix product in tiles of shared/tiles or shared/matrices. Strides stand for transposition.
// Grid: one workgroup per slice and tile of rows and columns; rows run fastest.
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

@group(0) @binding(0) var<storage, read> a: array<f32>; // [rows, depth]
@group(0) @binding(1) var<storage, read> b: array<f32>; // [depth, columns]
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [columns]
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> partials: array<f32>; // [slices, rows, columns]
struct Params {
    rows: u32,
    columns: u32,
    depth: u32,
    a_row: u32,
    a_column: u32,
    b_row: u32,
    b_column: u32,
    slices: u32,
    slice_depth: u32,
}
@group(0) @binding(#{PARAMS}) var<uniform> params: Params;

struct Columns {
    index: vec4<u32>,
    inside: vec4<bool>,
}

// the workgroup's
var<private> slice: u32;

fn columns_at(column: u32) -> Columns {
    let index = vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u);
    return Columns(index, index < vec4<u32>(params.columns));
}

fn load_a(row: u32, depth: u32, last: u32) -> vec4<f32> {
    let rows = vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (rows < vec4<u32>(params.rows)) & vec4<bool>(depth < last);
    let at = select(vec4<u32>(0u), rows * params.a_row + depth * params.a_column, inside);
    return select(vec4<f32>(0.0), vec4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]), inside);
}

fn load_b(depth: u32, last: u32, columns: Columns) -> vec4<f32> {
    let inside = columns.inside & vec4<bool>(depth < last);
    let at = select(vec4<u32>(0u), depth * params.b_row + columns.index * params.b_column, inside);
    return select(vec4<f32>(0.0), vec4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]), inside);
}

fn store(row: u32, column: u32, value: vec4<f32>) {
    if row >= params.rows {
        return;
    }
#for j in 0..4
    if column + #{j}u < params.columns {
        var sum = value[#{j}];
#ifdef BIAS
        sum += select(0.0, bias[column + #{j}u], slice == 0u);
#endif
        partials[(slice * params.rows + row) * params.columns + column + #{j}u] = sum;
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
    let row_tiles = (params.rows + #{ROWS}u - 1u) / #{ROWS}u;
    let column_tiles = (params.columns + #{COLUMNS}u - 1u) / #{COLUMNS}u;
    let task = flat_group(group, groups);
    let own_slice = task / (row_tiles * column_tiles);
    if own_slice < params.slices {
        slice = own_slice;
        let first = own_slice * params.slice_depth;
        let row = task % row_tiles * #{ROWS}u;
        let column = task / row_tiles % column_tiles * #{COLUMNS}u;
        multiply(row, column, first, min(first + params.slice_depth, params.depth), lane);
    }
}
