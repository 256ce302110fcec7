// history[first + step mod steps] = scalar
// Grid: one invocation.
#import shared/step

@group(0) @binding(0) var<storage, read_write> history: array<f32>; // [slots, steps]
@group(0) @binding(1) var<storage, read> scalar: array<f32>; // scalar
@group(0) @binding(2) var<uniform> step: Step;
struct Params { first: u32, steps: u32 }
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
    history[params.first + step.step % params.steps] = scalar[0];
}
