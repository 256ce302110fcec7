// windowed[t, n] = window[n] / size · Σ_k X[k, t] exp(2πi kn / size), over all `size` bins of a real signal.
// Grid: one workgroup per frame of each item, folded. As forward.wgsl in reverse: X is put together to Z [size / 2],
// whose inverse transform has the even samples as its real and the odd ones as its imaginary parts. The inverse is
// the forward transform between two swaps of real and imaginary part.
#import shared/grid
#import shared/fft

@group(0) @binding(0) var<storage, read> spectrum: array<f32>; // [B, 2, size / 2 + 1, frames]
@group(0) @binding(1) var<storage, read> window: array<f32>; // [size]
@group(0) @binding(2) var<storage, read> circle: array<vec2<f32>>; // [size]: exp(-2πi k / size)
@group(0) @binding(3) var<storage, read_write> windowed: array<f32>; // [B, frames, size]
struct Params { items: u32, frames: u32 }
@group(0) @binding(4) var<uniform> params: Params;

// The first and last bin of a real signal are real: their imaginary parts are ignored.
fn bin(frame: u32, k: u32) -> vec2<f32> {
    let plane = (FFT_POINTS + 1u) * params.frames;
    let at = 2u * (frame / params.frames) * plane + k * params.frames + frame % params.frames;
    return vec2<f32>(spectrum[at], select(spectrum[at + plane], 0.0, k % FFT_POINTS == 0u));
}

fn fft_input(frame: u32, k: u32) -> vec2<f32> {
    let x = bin(frame, k);
    let mirrored = bin(frame, FFT_POINTS - k);
    let even = vec2<f32>(x.x + mirrored.x, x.y - mirrored.y);
    let difference = vec2<f32>(x.x - mirrored.x, x.y + mirrored.y);
    let turn = circle[k];
    let odd = vec2<f32>(
        difference.x * turn.x + difference.y * turn.y,
        difference.y * turn.x - difference.x * turn.y,
    );
    let scale = 0.5 / f32(FFT_POINTS);
    return scale * vec2<f32>(even.y + odd.x, even.x - odd.y);
}

fn fft_output(frame: u32, k: u32, z: vec2<f32>) {
    let at = frame * 2u * FFT_POINTS + 2u * k;
    windowed[at] = window[2u * k] * z.y;
    windowed[at + 1u] = window[2u * k + 1u] * z.x;
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
