// Sums over a workgroup of REDUCE_WIDTH invocations, as a tree in a fixed order.
const REDUCE_WIDTH: u32 = 128u;

var<workgroup> reduce_partials: array<vec2<f32>, REDUCE_WIDTH>;

// The sum of every invocation's value, returned to all of them. Needs uniform control flow.
fn workgroup_sum(lane: u32, value: vec2<f32>) -> vec2<f32> {
    reduce_partials[lane] = value;
    workgroupBarrier();
    for (var half = REDUCE_WIDTH / 2u; half > 0u; half /= 2u) {
        if lane < half {
            reduce_partials[lane] += reduce_partials[lane + half];
        }
        workgroupBarrier();
    }
    let sum = reduce_partials[0];
    workgroupBarrier();
    return sum;
}
