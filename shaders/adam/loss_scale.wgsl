// scaler = (scale, factor, clean, left out): where a gradient is not finite, the update is left out (factor 0) and the
// scale halved; else factor ← 1 / scale, and the scale is doubled after so many clean updates
// Grid: one invocation.

@group(0) @binding(0) var<storage, read_write> scaler: array<f32>; // [4]
@group(0) @binding(1) var<storage, read> bad: array<f32>; // scalar
struct Params { interval: f32, least: f32, most: f32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
    let scale = scaler[0];
    if bad[0] > 0.0 {
        scaler[0] = max(0.5 * scale, params.least);
        scaler[1] = 0.0;
        scaler[2] = 0.0;
        scaler[3] += 1.0;
        return;
    }
    let grows = scaler[2] + 1.0 >= params.interval;
    scaler[0] = select(scale, min(2.0 * scale, params.most), grows);
    scaler[1] = 1.0 / scale;
    scaler[2] = select(scaler[2] + 1.0, 0.0, grows);
}
