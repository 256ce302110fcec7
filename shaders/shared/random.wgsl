// Philox 4×32, 10 rounds: a pure function of counter and key. Twin of kernel/random.rs.

// The high 32 bits of a × b, which WGSL does not give.
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let carry = a_low * b_high + (middle & 0xffffu);
    return a_high * b_high + (middle >> 16u) + (carry >> 16u);
}

fn philox(initial_counter: vec4<u32>, initial_key: vec2<u32>) -> vec4<u32> {
    var counter = initial_counter;
    var key = initial_key;
    for (var round = 0u; round < 10u; round++) {
        counter = vec4<u32>(
            multiply_high(counter.z, 0xCD9E8D57u) ^ counter.y ^ key.x,
            counter.z * 0xCD9E8D57u,
            multiply_high(counter.x, 0xD2511F53u) ^ counter.w ^ key.y,
            counter.x * 0xD2511F53u,
        );
        key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

// Uniform in [0, 1), 24 bits.
fn random_uniform(seed: vec2<u32>, step: u32, stream: u32, index: u32) -> f32 {
    return f32(philox(vec4<u32>(index, stream, step, 0u), seed).x >> 8u) * (1.0 / 16777216.0);
}
