// out[r, c] = Σ_k a[r, k] · b[k, c] (+ bias[c])
// Grid: one invocation per tile of TILE × TILE outputs, in registers, without workgroup memory. Strides
// stand for transposition.
#import shared/grid

@group(0) @binding(0) var<storage, read> a: array<f32>; // [rows, depth]
@group(0) @binding(1) var<storage, read> b: array<f32>; // [depth, columns]
#ifdef BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [columns]
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> out: array<f32>; // [rows, columns]
struct Params { rows: u32, columns: u32, depth: u32, a_row: u32, a_column: u32, b_row: u32, b_column: u32 }
@group(0) @binding(#{PARAMS}) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = flat_index(group, groups, lane);
    let tile_columns = (params.columns + #{TILE}u - 1u) / #{TILE}u;
    let row = tile / tile_columns * #{TILE}u;
    let column = tile % tile_columns * #{TILE}u;
    if row >= params.rows {
        return;
    }
    // rows and columns past the edge repeat the last: no branch inside the loop
#for i in 0..#{TILE}
    let a#{i} = min(row + #{i}u, params.rows - 1u) * params.a_row;
    let b#{i} = min(column + #{i}u, params.columns - 1u) * params.b_column;
    var sum#{i} = vec4<f32>(0.0);
#endfor
    for (var k = 0u; k < params.depth; k++) {
        let right = k * params.b_row;
        let values = vec4<f32>(b[b0 + right], b[b1 + right], b[b2 + right], b[b3 + right]);
#for i in 0..#{TILE}
        sum#{i} += a[a#{i} + k * params.a_column] * values;
#endfor
    }
#for i in 0..#{TILE}
#for j in 0..#{TILE}
    if row + #{i}u < params.rows && column + #{j}u < params.columns {
        var value = sum#{i}[#{j}];
#ifdef BIAS
        value += bias[column + #{j}u];
#endif
        out[(row + #{i}u) * params.columns + column + #{j}u] = value;
    }
#endfor
#endfor
}
