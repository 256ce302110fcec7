// out = x / (1 − rate) where random(seed, step, stream, i / group) ≥ rate, else 0
// Grid: one invocation per element.
#import shared/grid
#import shared/random
#import shared/step

@group(0) @binding(0) var<storage, read> x: array<f32>; // [len]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [len]
@group(0) @binding(2) var<uniform> step: Step;
struct Params { len: u32, group: u32, stream: u32, rate: f32 }
@group(0) @binding(3) var<uniform> params: Params;

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
    let seed = vec2<u32>(step.seed_low, step.seed_high);
    let random = random_uniform(seed, step.step, params.stream, i / params.group);
    out[i] = select(0.0, x[i] / (1.0 - params.rate), random >= params.rate);
}
