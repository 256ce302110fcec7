// partial[c, s] = Σ f over slice s of channel c, for the summand f that is defined:
//   SUM             x
//   SQUARE          x²
//   NOT_FINITE      1 where x is infinite or no number
//   ABSOLUTE_ERROR  |x − y|
//   SQUARED_ERROR   (x − y)²
//   CROSS_ENTROPY   ln(1 + eˣ) − xy
//   NORM            the pair (y, y · x̂), where x̂ = (x − mean) / √(variance + EPSILON) and y is a gradient
// Grid: one workgroup per (channel, slice), folded. Lanes stride through the slice by Elements, then add as a tree.
#import shared/elements
#import shared/grid
#import shared/reduce

@group(0) @binding(0) var<storage, read> x: array<Elements>; // [batch, channels, inner]
#ifdef PAIRED
@group(0) @binding(1) var<storage, read> y: array<Elements>; // [batch, channels, inner]
#endif
#ifdef NORM
@group(0) @binding(2) var<storage, read> statistics: array<f32>; // [2, channels]: mean, variance
override EPSILON: f32;
#endif
@group(0) @binding(#{OUT}) var<storage, read_write> partials: array<vec2<f32>>; // [channels, slices]
struct Params { batch: u32, channels: u32, inner: u32, slices: u32 }
@group(0) @binding(#{PARAMS}) var<uniform> params: Params;

#ifdef CROSS_ENTROPY
// ln(1 + x) for 0 ≤ x ≤ 1, also where 1 + x is rounded to 1: 2 artanh(x / (2 + x)), up to order 13.
fn log_1p(x: Elements) -> Elements {
    let s = x / (2.0 + x);
    let q = s * s;
    var sum = Elements(1.0 / 13.0);
#for k in 0..6
    sum = sum * q + 1.0 / f32(11u - 2u * #{k}u);
#endfor
    return 2.0 * s * sum;
}
#endif

@compute @workgroup_size(REDUCE_WIDTH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let task = flat_group(group, groups);
    let channel = task / params.slices;
    let slice = task % params.slices;
    let len = params.batch * params.inner;
    let slice_len = (len + params.slices - 1u) / params.slices;
    var first = Elements(0.0);
    var second = Elements(0.0);
    // a folded grid may have workgroups past the last channel: they sum nothing, but reach the barriers
    if channel < params.channels {
#ifdef NORM
        let mean = statistics[channel];
        let inverse = 1.0 / sqrt(statistics[params.channels + channel] + EPSILON);
#endif
        let end = min((slice + 1u) * slice_len, len);
        for (var k = slice * slice_len + lane; k < end; k += REDUCE_WIDTH) {
            let i = ((k / params.inner) * params.channels + channel) * params.inner + k % params.inner;
#ifdef SUM
            first += x[i];
#endif
#ifdef SQUARE
            first += x[i] * x[i];
#endif
#ifdef NOT_FINITE
            // a compiler may take it that no number is infinite: all bits of the exponent are set in one that is
            let exponent = bitcast<Bits>(x[i]) & Bits(0x7f800000u);
            first += select(Elements(0.0), Elements(1.0), exponent == Bits(0x7f800000u));
#endif
#ifdef ABSOLUTE_ERROR
            first += abs(x[i] - y[i]);
#endif
#ifdef SQUARED_ERROR
            let error = x[i] - y[i];
            first += error * error;
#endif
#ifdef CROSS_ENTROPY
            let logit = x[i];
            first += max(logit, Elements(0.0)) - logit * y[i] + log_1p(exp(-min(abs(logit), Elements(87.0))));
#endif
#ifdef NORM
            first += y[i];
            second += y[i] * (x[i] - mean) * inverse;
#endif
        }
    }
    let sum = workgroup_sum(lane, vec2<f32>(total(first), total(second)));
    if lane == 0u && channel < params.channels {
        partials[task] = sum;
    }
}
