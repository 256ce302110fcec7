//! What plans do in one pass: each pair of an operation and the one that reads its result, and what takes their place.

use std::any::Any;

use super::{
    Add, BatchNorm, BatchNormActivation, ChannelSoftmaxGradient, ChannelSoftmaxMaskGradient, LeakyRelu,
    LeakyReluGradient, LeakyReluGradientOfSum, Multiply, MultiplyChannels, Sigmoid, SigmoidGradient,
    SigmoidMask, SigmoidMaskGradient,
};
use crate::tape::{
    Fused,
    Operand::{Absorbed, Own},
};

/// What fuses a reader with the producer of its n-th input, if they are the pair that it is for.
type Pair = fn(&dyn Any, usize, &dyn Any) -> Option<Fused>;

const PAIRS: [Pair; 5] = [
    |reader, _, producer| {
        let activation = reader.downcast_ref::<LeakyRelu>()?.clone();
        let norm = producer.downcast_ref::<BatchNorm>()?.clone();
        let op = BatchNormActivation { norm, activation };
        Some(Fused::new(op, [0, 1, 2, 3].map(Absorbed)))
    },
    |reader, input, producer| {
        let slope = reader.downcast_ref::<LeakyReluGradient>()?.slope;
        producer.downcast_ref::<Add>().filter(|_| input == 1)?;
        let op = LeakyReluGradientOfSum { slope };
        Some(Fused::new(op, [Own(0), Absorbed(0), Absorbed(1)]))
    },
    |reader, mask, producer| {
        reader.downcast_ref::<Multiply>()?;
        producer.downcast_ref::<Sigmoid>()?;
        Some(Fused::new(SigmoidMask, [Absorbed(0), Own(1 - mask)]))
    },
    |reader, input, producer| {
        reader.downcast_ref::<SigmoidGradient>()?;
        producer.downcast_ref::<Multiply>().filter(|_| input == 1)?;
        Some(Fused::new(
            SigmoidMaskGradient,
            [Own(0), Absorbed(0), Absorbed(1)],
        ))
    },
    |reader, input, producer| {
        reader.downcast_ref::<ChannelSoftmaxGradient>()?;
        producer
            .downcast_ref::<MultiplyChannels>()
            .filter(|_| input == 1)?;
        Some(Fused::new(
            ChannelSoftmaxMaskGradient,
            [Own(0), Absorbed(0), Absorbed(1)],
        ))
    },
];

/// As [`Op::absorb`](crate::tape::Op::absorb).
pub(super) fn fused(reader: &dyn Any, input: usize, producer: &dyn Any) -> Option<Fused> {
    PAIRS.iter().find_map(|pair| pair(reader, input, producer))
}
