//! Convolutions as their definitions read, in f64: seven loops, no tricks, nothing shared with the crate.

/// Height and width.
pub type Pair = [usize; 2];

/// `[batch, channels, height, width]`.
pub type Dims = [usize; 4];

#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    pub kernel: Pair,
    pub stride: Pair,
    pub padding: Pair,
}

fn at([_, channels, height, width]: Dims, n: usize, c: usize, y: usize, x: usize) -> usize {
    ((n * channels + c) * height + y) * width + x
}

/// Calls `visit(n, o, c, out_y, out_x, ky, kx, in_y, in_x)` for every product of a convolution from `input`
/// to `output` whose input element is not padding.
fn visit(
    input: Dims,
    output: Dims,
    g: Geometry,
    mut visit: impl FnMut(usize, usize, usize, Pair, Pair, Pair),
) {
    for n in 0..output[0] {
        for o in 0..output[1] {
            for c in 0..input[1] {
                for oy in 0..output[2] {
                    for ox in 0..output[3] {
                        for ky in 0..g.kernel[0] {
                            for kx in 0..g.kernel[1] {
                                let (y, x) = (oy * g.stride[0] + ky, ox * g.stride[1] + kx);
                                let inside = y >= g.padding[0]
                                    && x >= g.padding[1]
                                    && y - g.padding[0] < input[2]
                                    && x - g.padding[1] < input[3];
                                if inside {
                                    visit(n, o, c, [oy, ox], [ky, kx], [y - g.padding[0], x - g.padding[1]]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y[n,o,p] = b[o] + Σ x[n,c,p·s + k − pad] · w[o,c,k]`.
pub fn conv2d(x: &[f64], xd: Dims, w: &[f64], b: &[f64], yd: Dims, g: Geometry) -> Vec<f64> {
    let wd = [yd[1], xd[1], g.kernel[0], g.kernel[1]];
    let plane = yd[2] * yd[3];
    let mut y: Vec<f64> = (0..yd.iter().product()).map(|i| b[i / plane % yd[1]]).collect();
    visit(xd, yd, g, |n, o, c, p, k, q| {
        y[at(yd, n, o, p[0], p[1])] += x[at(xd, n, c, q[0], q[1])] * w[at(wd, o, c, k[0], k[1])];
    });
    y
}

/// `y[n,o,p·s + k − pad] += x[n,c,p] · w[c,o,k]`: every input element stamps the kernel.
pub fn conv_transpose2d(x: &[f64], xd: Dims, w: &[f64], b: &[f64], yd: Dims, g: Geometry) -> Vec<f64> {
    let wd = [xd[1], yd[1], g.kernel[0], g.kernel[1]];
    let plane = yd[2] * yd[3];
    let mut y: Vec<f64> = (0..yd.iter().product()).map(|i| b[i / plane % yd[1]]).collect();
    visit(yd, xd, g, |n, c, o, p, k, q| {
        y[at(yd, n, o, q[0], q[1])] += x[at(xd, n, c, p[0], p[1])] * w[at(wd, c, o, k[0], k[1])];
    });
    y
}

/// `∂w[o,c,k] = Σ x[n,c,p·s + k − pad] · ∂y[n,o,p]`.
pub fn conv2d_weight_gradient(x: &[f64], xd: Dims, dy: &[f64], yd: Dims, g: Geometry) -> Vec<f64> {
    let wd = [yd[1], xd[1], g.kernel[0], g.kernel[1]];
    let mut dw = vec![0.0; wd.iter().product()];
    visit(xd, yd, g, |n, o, c, p, k, q| {
        dw[at(wd, o, c, k[0], k[1])] += x[at(xd, n, c, q[0], q[1])] * dy[at(yd, n, o, p[0], p[1])];
    });
    dw
}
