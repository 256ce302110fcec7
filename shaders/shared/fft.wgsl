// The Fourier transform of FFT_POINTS complex numbers by one workgroup: Z[k] = Σ z[n] exp(-2πi kn / FFT_POINTS).
// Stockham's algorithm in passes of radix 4, the first of radix 2 where there is no power of 4. An invocation
// does #{BUTTERFLIES} butterflies a pass, on the values i, i + FFT_QUARTER, … that it has in registers; between two
// passes they move through workgroup memory: real and imaginary parts side by side, or with IN_TURN one after the
// other in half the memory.
// The file that imports this binds circle [2 · FFT_POINTS], which holds exp(-2πi k / (2 · FFT_POINTS)), and has
//   fft_input(frame, n) → z[n]
//   fft_output(frame, k, Z[k]), or with MIRRORED fft_output(frame, k, Z[k], Z[-k])
const FFT_POINTS: u32 = #{POINTS}u;
const FFT_QUARTER: u32 = FFT_POINTS / 4u;
const FFT_LANES: u32 = FFT_QUARTER / #{BUTTERFLIES}u;

#ifdef IN_TURN
var<workgroup> fft_moving: array<f32, FFT_POINTS>;
#else
var<workgroup> fft_moving: array<f32, 2 * FFT_POINTS>;
#endif

// Four complex numbers.
struct Four {
    re: vec4<f32>,
    im: vec4<f32>,
}

fn fft_store(places: vec4<u32>, values: vec4<f32>) {
    fft_moving[places.x] = values.x;
    fft_moving[places.y] = values.y;
    fft_moving[places.z] = values.z;
    fft_moving[places.w] = values.w;
}

fn fft_load(places: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(fft_moving[places.x], fft_moving[places.y], fft_moving[places.z], fft_moving[places.w]);
}

// Sum and difference of the first and third value, then of the second and fourth.
fn fft_pairs(v: vec4<f32>) -> vec4<f32> {
    return v.xxyy + vec4<f32>(1.0, -1.0, 1.0, -1.0) * v.zzww;
}

// The transform of four numbers.
fn fft_radix_4(z: Four) -> Four {
    let re = fft_pairs(z.re);
    let im = fft_pairs(z.im);
    return Four(
        vec4<f32>(re.x + re.z, re.y + im.w, re.x - re.z, re.y - im.w),
        vec4<f32>(im.x + im.z, im.y - re.w, im.x - im.z, im.y + re.w),
    );
}

// z · 1, w, w², w³ where w = exp(-2πi turn / (2 · FFT_POINTS))
fn fft_turn(z: Four, turn: u32) -> Four {
    let a = circle[turn];
    let b = circle[2u * turn];
    let c = circle[3u * turn];
    let re = vec4<f32>(1.0, a.x, b.x, c.x);
    let im = vec4<f32>(0.0, a.y, b.y, c.y);
    return Four(z.re * re - z.im * im, z.re * im + z.im * re);
}

// Needs uniform control flow: all invocations of the workgroup call it.
fn fft(frame: u32, lane: u32) {
#for b in 0..#{BUTTERFLIES}
    let i#{b} = lane + #{b}u * FFT_LANES;
    let at#{b} = i#{b} + FFT_QUARTER * vec4<u32>(0u, 1u, 2u, 3u);
    let w#{b} = fft_input(frame, at#{b}.x);
    let x#{b} = fft_input(frame, at#{b}.y);
    let y#{b} = fft_input(frame, at#{b}.z);
    let v#{b} = fft_input(frame, at#{b}.w);
    var z#{b} = Four(
        vec4<f32>(w#{b}.x, x#{b}.x, y#{b}.x, v#{b}.x),
        vec4<f32>(w#{b}.y, x#{b}.y, y#{b}.y, v#{b}.y),
    );
#ifdef RADIX_2
    z#{b} = Four(fft_pairs(z#{b}.re), fft_pairs(z#{b}.im));
    var to#{b} = 2u * at#{b}.xxyy + vec4<u32>(0u, 1u, 0u, 1u);
#else
    z#{b} = fft_radix_4(z#{b});
    var to#{b} = 4u * i#{b} + vec4<u32>(0u, 1u, 2u, 3u);
#endif
#endfor
#ifdef RADIX_2
    var done = 2u;
#else
    var done = 4u;
#endif
    // transforms of `done` points are done; four of them make the next
    for (; done < FFT_POINTS; done *= 4u) {
#for b in 0..#{BUTTERFLIES}
        fft_store(to#{b}, z#{b}.re);
#ifndef IN_TURN
        fft_store(to#{b} + FFT_POINTS, z#{b}.im);
#endif
#endfor
        workgroupBarrier();
#for b in 0..#{BUTTERFLIES}
        z#{b}.re = fft_load(at#{b});
#ifndef IN_TURN
        z#{b}.im = fft_load(at#{b} + FFT_POINTS);
#endif
#endfor
        workgroupBarrier();
#ifdef IN_TURN
#for b in 0..#{BUTTERFLIES}
        fft_store(to#{b}, z#{b}.im);
#endfor
        workgroupBarrier();
#for b in 0..#{BUTTERFLIES}
        z#{b}.im = fft_load(at#{b});
#endfor
        workgroupBarrier();
#endif
#for b in 0..#{BUTTERFLIES}
        let k#{b} = i#{b} % done;
        z#{b} = fft_radix_4(fft_turn(z#{b}, k#{b} * (FFT_POINTS / (2u * done))));
        to#{b} = 4u * (i#{b} - k#{b}) + k#{b} + done * vec4<u32>(0u, 1u, 2u, 3u);
#endfor
    }
    // the last pass leaves everything where it was taken from
#ifdef MIRRORED
#for b in 0..#{BUTTERFLIES}
    let mirror#{b} = (FFT_POINTS - at#{b}) % FFT_POINTS;
    fft_store(at#{b}, z#{b}.re);
#ifndef IN_TURN
    fft_store(at#{b} + FFT_POINTS, z#{b}.im);
#endif
#endfor
    workgroupBarrier();
#for b in 0..#{BUTTERFLIES}
    let mirrored_re#{b} = fft_load(mirror#{b});
#ifndef IN_TURN
    let mirrored_im#{b} = fft_load(mirror#{b} + FFT_POINTS);
#endif
#endfor
#ifdef IN_TURN
    workgroupBarrier();
#for b in 0..#{BUTTERFLIES}
    fft_store(at#{b}, z#{b}.im);
#endfor
    workgroupBarrier();
#for b in 0..#{BUTTERFLIES}
    let mirrored_im#{b} = fft_load(mirror#{b});
#endfor
#endif
#endif
#for b in 0..#{BUTTERFLIES}
#for r in 0..4
#ifdef MIRRORED
    fft_output(
        frame,
        at#{b}[#{r}],
        vec2<f32>(z#{b}.re[#{r}], z#{b}.im[#{r}]),
        vec2<f32>(mirrored_re#{b}[#{r}], mirrored_im#{b}[#{r}]),
    );
#else
    fft_output(frame, at#{b}[#{r}], vec2<f32>(z#{b}.re[#{r}], z#{b}.im[#{r}]));
#endif
#endfor
#endfor
}
