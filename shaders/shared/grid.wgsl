// Unfolds a grid that the host folded into two dimensions (kernel::fold).
fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// Invocations per workgroup of kernels that walk a flat index (kernel::FLAT_WIDTH).
const FLAT_WIDTH: u32 = 64u;

fn flat_index(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
    return flat_group(group, groups) * FLAT_WIDTH + lane;
}
