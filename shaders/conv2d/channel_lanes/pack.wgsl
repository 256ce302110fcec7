// out[tile, outer, row, column, channel] = in[outer, tile · CHANNELS + channel, row, column]: the channels of a
// tile come last, for its lanes to load side by side. Columns and channels past the last are zero.
// Grid: one invocation per tile, outer, row and column.
#import shared/grid

@group(0) @binding(0) var<storage, read> source: array<f32>; // [outer, channels, rows, columns]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [tiles, outer, rows, out_columns, CHANNELS]
struct Params { len: u32, outer: u32, channels: u32, rows: u32, columns: u32, out_columns: u32 }
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
    let column = i % params.out_columns;
    let row = i / params.out_columns % params.rows;
    let block = i / (params.out_columns * params.rows);
    let channel0 = block / params.outer * #{CHANNELS}u;
    let plane = params.rows * params.columns;
    let start = block % params.outer * params.channels * plane + row * params.columns + column;
    for (var v = 0u; v < #{CHANNELS}u / 4u; v++) {
        let channel = vec4<u32>(channel0 + 4u * v) + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = (channel < vec4<u32>(params.channels)) & (vec4<u32>(column) < vec4<u32>(params.columns));
        let at = select(vec4<u32>(0u), start + channel * plane, inside);
        let loaded = vec4<f32>(source[at.x], source[at.y], source[at.z], source[at.w]);
        out[i * (#{CHANNELS}u / 4u) + v] = select(vec4<f32>(0.0), loaded, inside);
    }
}
