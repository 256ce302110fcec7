//! Shapes that the convolutions are tested and timed on: the U-Net's layers in small, and odd ones.

use super::{Conv2d, Conv2dWeightGradient, ConvTranspose2d};
use crate::{
    shape::Shape,
    tape::{Case, Class, Op},
};

/// Big image, small channels, kernel, stride, padding.
struct Layer([usize; 4], usize, [usize; 2], [usize; 2], [usize; 2]);

fn layers() -> Vec<Layer> {
    let unet = |big: [usize; 4], k| Layer(big, k, [5, 5], [2, 2], [2, 2]);
    vec![
        unet([2, 1, 33, 21], 16),
        unet([2, 16, 17, 11], 1),
        unet([3, 5, 9, 6], 7),
        unet([3, 17, 4, 3], 33),
        unet([2, 3, 1, 2], 5),
        Layer([2, 3, 7, 11], 5, [3, 4], [1, 2], [1, 0]),
        Layer([3, 7, 5, 3], 3, [1, 1], [1, 1], [0, 0]),
        Layer([1, 2, 13, 9], 3, [4, 2], [3, 1], [0, 1]),
        Layer([2, 9, 6, 7], 4, [3, 3], [1, 1], [1, 1]),
        // one for each shape of a tile of channel lanes, 16 × 1 to 2 × 8, with a rest in both directions, and
        // for both widths of a lane
        unet([1, 9, 5, 71], 35),
        unet([2, 12, 7, 13], 9),
        unet([1, 33, 13, 8], 17),
        unet([2, 10, 19, 3], 41),
        // channel lanes under other windows: taps fewer than the stride, stride 1, stride 3, one tap
        Layer([2, 9, 7, 11], 10, [3, 4], [1, 2], [1, 0]),
        Layer([1, 8, 13, 20], 18, [2, 2], [1, 3], [0, 1]),
        Layer([2, 17, 6, 19], 11, [3, 3], [1, 1], [1, 1]),
        Layer([3, 18, 5, 3], 9, [1, 1], [1, 1], [0, 0]),
    ]
}

impl Layer {
    fn conv(&self) -> Conv2d {
        Conv2d {
            stride: self.3,
            padding: self.4,
        }
    }

    fn weight(&self) -> Shape {
        Shape::from([self.1, self.0[1], self.2[0], self.2[1]])
    }

    fn small(&self) -> Option<Shape> {
        Op::shape(&self.conv(), &[Shape::from(self.0), self.weight()]).ok()
    }
}

fn with_and_without_bias<O: Op + Clone>(op: &O, shapes: [Shape; 2], channels: usize) -> [Case; 2] {
    let [x, w] = shapes;
    [
        Case::new(Class::Reduction, op.clone(), [x, w, Shape::from([channels])]),
        Case::new(Class::Reduction, op.clone(), [x, w]),
    ]
}

pub fn conv2d() -> Vec<Case> {
    let case = |l: Layer| with_and_without_bias(&l.conv(), [Shape::from(l.0), l.weight()], l.1);
    layers().into_iter().flat_map(case).collect()
}

pub fn conv_transpose2d() -> Vec<Case> {
    let case = |l: Layer| {
        let op = ConvTranspose2d {
            stride: l.3,
            padding: l.4,
            output: [l.0[2], l.0[3]],
        };
        l.small()
            .map(|small| with_and_without_bias(&op, [small, l.weight()], l.0[1]))
    };
    layers().into_iter().filter_map(case).flatten().collect()
}

pub fn weight_gradient() -> Vec<Case> {
    let case = |l: Layer| {
        let op = Conv2dWeightGradient {
            stride: l.3,
            padding: l.4,
            kernel: l.2,
        };
        l.small()
            .map(|small| Case::new(Class::Reduction, op, [Shape::from(l.0), small]))
    };
    layers().into_iter().filter_map(case).collect()
}
