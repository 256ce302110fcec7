// out[plane, y, x] = in[plane, y − top, x − left], zero around it: the convolutions after it test no bounds
// Grid: one invocation per four elements of an output row.
#import shared/grid

@group(0) @binding(0) var<storage, read> image: array<f32>; // [planes, height, width]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [planes, out_height, out_vectors]
struct Params { len: u32, height: u32, width: u32, out_height: u32, out_vectors: u32, top: u32, left: u32 }
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
    let row = i / params.out_vectors;
    // a position before the first wraps to a huge one and fails the bound
    let y = row % params.out_height - params.top;
    let x = vec4<u32>(i % params.out_vectors * 4u - params.left) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (vec4<u32>(y) < vec4<u32>(params.height)) & (x < vec4<u32>(params.width));
    let start = (row / params.out_height * params.height + y) * params.width;
    let source = select(vec4<u32>(0u), start + x, inside);
    let loaded = vec4<f32>(image[source.x], image[source.y], image[source.z], image[source.w]);
    out[i] = select(vec4<f32>(0.0), loaded, inside);
}
