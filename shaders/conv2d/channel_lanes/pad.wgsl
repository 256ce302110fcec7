// out[plane, y, x] = in[plane, y − top, x − left], zero around it: the convolutions after it test no bounds
// Grid: one invocation per output row: a division per element would cost more than the element.
#import shared/grid

@group(0) @binding(0) var<storage, read> image: array<f32>; // [planes, height, width]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [planes, out_height, out_vectors]
struct Params { rows: u32, height: u32, width: u32, out_height: u32, out_vectors: u32, top: u32, left: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(FLAT_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_index(group, groups, lane);
    if row >= params.rows {
        return;
    }
    // a position before the first wraps to a huge one and fails the bound
    let y = row % params.out_height - params.top;
    let in_height = vec4<bool>(y < params.height);
    let start = (row / params.out_height * params.height + y) * params.width;
    for (var v = 0u; v < params.out_vectors; v++) {
        let x = vec4<u32>(4u * v - params.left) + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = in_height & (x < vec4<u32>(params.width));
        let source = select(vec4<u32>(0u), start + x, inside);
        let loaded = vec4<f32>(image[source.x], image[source.y], image[source.z], image[source.w]);
        out[row * params.out_vectors + v] = select(vec4<f32>(0.0), loaded, inside);
    }
}
