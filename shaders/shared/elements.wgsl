// What a kernel that treats all elements of a row alike takes at once: four, with VEC4, where the host has seen
// that a row is a multiple of four (Dispatch::elements). Lengths are then counted in fours.
#ifdef VEC4
alias Elements = vec4<f32>;
alias Bits = vec4<u32>;
const AT_ONCE: f32 = 4.0;

fn total(v: Elements) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn leading(v: Elements) -> f32 {
    return v.x;
}
#else
alias Elements = f32;
alias Bits = u32;
const AT_ONCE: f32 = 1.0;

fn total(v: Elements) -> f32 {
    return v;
}

fn leading(v: Elements) -> f32 {
    return v;
}
#endif
