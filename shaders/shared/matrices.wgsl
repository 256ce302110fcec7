// As shared/tiles, by the same functions of the file that imports this, but the subgroups of a workgroup multiply
// MATRIX × MATRIX matrices of ELEMENT together, as units for matrix products do, and add them up in 32 bits. Each has
// ACROSS of the tile's matrices at a time, side by side; a workgroup of few subgroups takes several rounds.
const MATRICES_ACROSS: u32 = #{COLUMNS}u / #{MATRIX}u;
const MATRICES: u32 = #{ROWS}u / #{MATRIX}u * MATRICES_ACROSS;
const MATRIX_LEN: u32 = #{MATRIX}u * #{MATRIX}u;
// padded, so that what lies below each other does not share a bank
const A_STRIDE: u32 = #{ROWS}u + 8u;
const B_STRIDE: u32 = #{COLUMNS}u + 8u;

var<workgroup> tile_a: array<#{ELEMENT}, A_STRIDE * #{DEPTH}u>; // depth by depth
var<workgroup> tile_b: array<#{ELEMENT}, B_STRIDE * #{DEPTH}u>;
var<workgroup> sums: array<f32, MATRIX_LEN * #{SUBGROUPS}u>; // one matrix of each subgroup
var<workgroup> subgroup_count: u32;

// of the invocation: its subgroup, and how many the workgroup has, at most SUBGROUPS
var<private> subgroup: vec2<u32>;

// The tile that begins at (row0, column0), summed from `first` up to before `last`. Needs uniform control flow.
fn multiply(row0: u32, column0: u32, first: u32, last: u32, lane: u32) {
    if lane == 0u {
        subgroup_count = subgroup.y;
    }
    let at_once = workgroupUniformLoad(&subgroup_count) * #{ACROSS}u;
    let columns = columns_at(column0 + lane % (#{COLUMNS}u / 4u) * 4u);
    for (var begin = 0u; begin < MATRICES; begin += at_once) {
        // what is past the last matrix is computed and not stored
        let matrix = min(begin + subgroup.x * #{ACROSS}u, MATRICES - #{ACROSS}u);
        let down = matrix / MATRICES_ACROSS * #{MATRIX}u;
        let across = matrix % MATRICES_ACROSS * #{MATRIX}u;
#for j in 0..#{ACROSS}
        var sum#{j} = coop_mat#{MATRIX}x#{MATRIX}<f32, C>();
#endfor
        for (var depth = first; depth < last; depth += #{DEPTH}u) {
            for (var i = lane; i < #{ROWS}u / 4u * #{DEPTH}u; i += #{THREADS}u) {
                let row = i / #{DEPTH}u * 4u;
                let a = load_a(row0 + row, depth + i % #{DEPTH}u, last);
                let at = i % #{DEPTH}u * A_STRIDE + row;
#for k in 0..4
                tile_a[at + #{k}u] = #{ELEMENT}(a[#{k}]);
#endfor
            }
            for (var i = lane; i < #{COLUMNS}u / 4u * #{DEPTH}u; i += #{THREADS}u) {
                let row = i / (#{COLUMNS}u / 4u);
                let b = load_b(depth + row, last, columns);
                let at = row * B_STRIDE + i % (#{COLUMNS}u / 4u) * 4u;
#for k in 0..4
                tile_b[at + #{k}u] = #{ELEMENT}(b[#{k}]);
#endfor
            }
            workgroupBarrier();
            for (var d = 0u; d < #{DEPTH}u; d += #{MATRIX}u) {
                let a = coopLoad<coop_mat#{MATRIX}x#{MATRIX}<#{ELEMENT}, A>>(&tile_a[d * A_STRIDE + down], A_STRIDE);
#for j in 0..#{ACROSS}
                let b#{j} = coopLoadT<coop_mat#{MATRIX}x#{MATRIX}<#{ELEMENT}, B>>(
                    &tile_b[d * B_STRIDE + across + #{j}u * #{MATRIX}u],
                    B_STRIDE,
                );
                sum#{j} = coopMultiplyAdd(a, b#{j}, sum#{j});
#endfor
            }
            workgroupBarrier();
        }
#for j in 0..#{ACROSS}
        coopStoreT(sum#{j}, &sums[subgroup.x * MATRIX_LEN], #{MATRIX}u);
        workgroupBarrier();
        for (var i = lane * 4u; i < at_once / #{ACROSS}u * MATRIX_LEN; i += #{THREADS}u * 4u) {
            let index = begin + i / MATRIX_LEN * #{ACROSS}u + #{j}u;
            let row = index / MATRICES_ACROSS * #{MATRIX}u + i % MATRIX_LEN / #{MATRIX}u;
            let column = index % MATRICES_ACROSS * #{MATRIX}u + i % #{MATRIX}u;
            if index < MATRICES {
                store(row0 + row, column0 + column, vec4<f32>(sums[i], sums[i + 1u], sums[i + 2u], sums[i + 3u]));
            }
        }
        workgroupBarrier();
#endfor
    }
}
