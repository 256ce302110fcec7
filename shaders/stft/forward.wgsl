// X[k, t] = Σ_n window[n] · x[t · hop + n − size / 2] exp(-2πi kn / size), where x is reflected at both
// ends; out is |X|, or with COMPLEX its real and imaginary parts.
// Grid: one workgroup per frame of each item, folded. Even and odd samples are the real and imaginary parts of
// z [size / 2], whose transform is taken apart into theirs: E[k] = (Z[k] + Z̄[-k]) / 2, O[k] = (Z[k] − Z̄[-k]) / 2i,
// X[k] = E[k] + exp(-2πi k / size) O[k]. Neighbouring lanes read neighbouring samples; what neighbouring frames
// write to one line meets in the cache.
#import shared/grid
#import shared/fft

@group(0) @binding(0) var<storage, read> x: array<f32>; // [B, samples]
@group(0) @binding(1) var<storage, read> window: array<f32>; // [size]
@group(0) @binding(2) var<storage, read> circle: array<vec2<f32>>; // [size]: exp(-2πi k / size)
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [B, 1 or 2, size / 2 + 1, frames]
struct Params { items: u32, samples: u32, frames: u32, hop: u32 }
@group(0) @binding(4) var<uniform> params: Params;

fn windowed(frame: u32, n: u32) -> f32 {
    let position = i32(frame % params.frames * params.hop + n) - i32(FFT_POINTS);
    let last = i32(params.samples) - 1;
    // |position| reflects at the start, and the distance from the last sample at the end
    let at = last - abs(last - abs(position));
    return window[n] * x[frame / params.frames * params.samples + u32(at)];
}

fn fft_input(frame: u32, n: u32) -> vec2<f32> {
    return vec2<f32>(windowed(frame, 2u * n), windowed(frame, 2u * n + 1u));
}

fn fft_output(frame: u32, k: u32, z: vec2<f32>, mirrored: vec2<f32>) {
    let even = 0.5 * vec2<f32>(z.x + mirrored.x, z.y - mirrored.y);
    let odd = 0.5 * vec2<f32>(z.y + mirrored.y, mirrored.x - z.x);
    let turn = circle[k];
    write(frame, k, even + vec2<f32>(odd.x * turn.x - odd.y * turn.y, odd.x * turn.y + odd.y * turn.x));
    if k == 0u {
        // there the turn is -1
        write(frame, FFT_POINTS, even - odd);
    }
}

fn write(frame: u32, bin: u32, value: vec2<f32>) {
    let plane = (FFT_POINTS + 1u) * params.frames;
    let item = frame / params.frames;
    let at = bin * params.frames + frame % params.frames;
#ifdef COMPLEX
    out[2u * item * plane + at] = value.x;
    out[(2u * item + 1u) * plane + at] = value.y;
#else
    out[item * plane + at] = length(value);
#endif
}

@compute @workgroup_size(FFT_LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let frame = flat_group(group, groups);
    if frame >= params.items * params.frames {
        return;
    }
    fft(frame, lane);
}
