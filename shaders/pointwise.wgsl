// out = FORMULA, element by element: a row of the table in src/ops/pointwise.rs, which names the inputs and the number
// Grid: one invocation per Elements.
#import shared/grid

#ifdef VEC4
alias Elements = vec4<f32>;
#else
alias Elements = f32;
#endif

#for n in 0..#{INPUTS}
@group(0) @binding(#{n}) var<storage, read> input#{n}: array<Elements>; // [len]
#endfor
@group(0) @binding(#{INPUTS}) var<storage, read_write> out: array<Elements>; // [len]
#ifdef NUMBER
struct Params { len: u32, #{NUMBER}: f32 }
#else
struct Params { len: u32 }
#endif
@group(0) @binding(#{PARAMS}) var<uniform> params: Params;

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
    #{LOADS}
    out[i] = #{FORMULA};
}
