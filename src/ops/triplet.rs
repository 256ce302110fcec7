//! The triplet loss: an anchor is to lie closer to its positive than to its negative.

use super::{inputs, parallel, same};
use crate::{
    error::{Error, Result},
    kernel::{Binding, Dispatch, Kernels, Slot, fold, uniform},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, Op, Real, Trusted, Values},
};

/// `Σ wᵢ max(0, d(aᵢ, pᵢ) − d(aᵢ, nᵢ) + margin) / max(Σ wᵢ, 1)`, where `d(x, y) = ‖m (x − y) + 10⁻⁶‖` over all
/// dimensions: PyTorch's `triplet_margin_loss` of embeddings that are masked, not normalised.
/// `embeddings [3B, D], mask [B, D], weight [B] → scalar`
///
/// The embeddings are one batch of a network: B anchors, then B positives, then B negatives. The mask holds 1 for
/// the dimensions that count, as those of an instrument's sub-space, and 0 for the others. A weight of 0 leaves its
/// triplet out. Mask and weight have no gradient.
#[derive(Debug, Clone)]
pub struct TripletLoss {
    /// How much closer the positive must be, 0.2 in the papers.
    pub margin: f32,
}

/// The gradient of [`TripletLoss`] in the embeddings; 0 outside the mask, and for a triplet that is left out or
/// keeps its margin. A distance of 0 has no direction, and none is made up.
/// `embeddings [3B, D], mask [B, D], weight [B], g scalar → [3B, D]`
#[derive(Debug, Clone)]
pub struct TripletLossGradient {
    /// The margin of the [`TripletLoss`].
    pub margin: f32,
}

/// Added to each component of a difference. As in the shaders a 32-bit number, in f64, too.
const EPSILON: f32 = 1e-6;

/// Triplets and dimensions, or an error that names what does not fit.
fn sizes(op: &'static str, embeddings: Shape, mask: Shape, weight: Shape) -> Result<[usize; 2]> {
    match (embeddings.dims(), mask.dims(), weight.dims()) {
        (&[items, dimensions], &[triplets, masked], &[weights])
            if items == 3 * triplets && dimensions == masked && weights == triplets =>
        {
            Ok([triplets, dimensions])
        }
        _ => {
            let message = format!(
                "needs embeddings [3B, D], a mask [B, D] and weights [B], but was given [{embeddings}], [{mask}] \
                 and [{weight}]"
            );
            Err(Error::shape(op, message))
        }
    }
}

/// An error unless the margin is a distance.
fn check(op: &'static str, margin: f32) -> Result<()> {
    match margin >= 0.0 && margin.is_finite() {
        true => Ok(()),
        false => Err(Error::shape(op, format!("a margin of {margin}: use 0 or more"))),
    }
}

/// What a CPU implementation reads.
#[derive(Clone, Copy)]
struct Triplets<'a, T> {
    embeddings: &'a [T],
    mask: &'a [T],
    weight: &'a [T],
    margin: T,
}

impl<'a, T: Real> Triplets<'a, T> {
    fn new(io: &Cpu<'a, T>, margin: f32) -> Self {
        let [embeddings, mask, weight, ..] = io.inputs;
        Triplets {
            embeddings,
            mask,
            weight,
            margin: T::of(f64::from(margin)),
        }
    }

    /// Mask, anchor, positive and negative.
    fn rows(&self, triplet: usize) -> [&'a [T]; 4] {
        let len = self.mask.len() / self.weight.len();
        let embedding = |kind: usize| &self.embeddings[kind * self.mask.len() + triplet * len..][..len];
        let mask = &self.mask[triplet * len..][..len];
        [mask, embedding(0), embedding(1), embedding(2)]
    }

    /// The distances of the positive and the negative from the anchor.
    fn distances(&self, triplet: usize) -> [T; 2] {
        let [mask, anchor, positive, negative] = self.rows(triplet);
        [positive, negative].map(|other| {
            let pairs = mask.iter().zip(anchor).zip(other);
            let squares = pairs.map(|((&m, &a), &o)| apart(m, a, o)).map(|u| u * u);
            squares.sum::<T>().sqrt()
        })
    }

    /// What the weighted losses are divided by.
    fn divisor(&self) -> T {
        parallel::sum_slice(self.weight, |w| w).max(T::one())
    }

    /// The loss of a triplet, unless it is left out or keeps its margin.
    fn loss(&self, triplet: usize, [positive, negative]: [T; 2]) -> Option<T> {
        let loss = positive - negative + self.margin;
        // what is no number is no kept margin
        let none = self.weight[triplet] == T::zero() || loss <= T::zero();
        (!none).then_some(self.weight[triplet] * loss)
    }
}

/// A component of a masked difference.
fn apart<T: Real>(mask: T, a: T, b: T) -> T {
    mask * (a - b) + T::of(f64::from(EPSILON))
}

impl Op for TripletLoss {
    const NAME: &'static str = "triplet_loss";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [embeddings, mask, weight] = inputs(Self::NAME, given)?;
        sizes(Self::NAME, embeddings, mask, weight)?;
        check(Self::NAME, self.margin)?;
        Ok(Shape::SCALAR)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(1) || at.wants(2) {
            return at.none();
        }
        let op = TripletLossGradient { margin: self.margin };
        at.give(0, op, &[at.input(0), at.input(1), at.input(2), at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let triplets = Triplets::new(&io, self.margin);
        let losses = (0..triplets.weight.len()).filter_map(|i| triplets.loss(i, triplets.distances(i)));
        // from 0, which the sum of none is not: that is -0
        io.output[0] = losses.fold(T::zero(), |sum, loss| sum + loss) / triplets.divisor();
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let [triplets, len] = [io.inputs[1][0], io.inputs[1][1]];
        let losses = Dispatch::new(
            shader!("triplet/losses"),
            io.bindings(Slot::Scratch(0)),
            fold(triplets),
        )
        .params([triplets, len])
        .param_f32(self.margin);
        let mean = Dispatch::new(
            shader!("triplet/mean"),
            [Binding::Read(Slot::Scratch(0)), Binding::Write(Slot::Output)],
            fold(1),
        )
        .params([triplets]);
        Kernels {
            dispatches: vec![losses, mean],
            scratch: vec![2 * triplets],
        }
    }

    fn cases() -> Vec<Case> {
        cases(|margin, [embeddings, mask, weight]| {
            let op = TripletLoss { margin };
            Case::new(Class::Reduction, op, [embeddings, mask, weight]).differentiable(&[0])
        })
    }
}

impl Op for TripletLossGradient {
    const NAME: &'static str = "triplet_loss_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [embeddings, mask, weight, upstream] = inputs(Self::NAME, given)?;
        sizes(Self::NAME, embeddings, mask, weight)?;
        same(Self::NAME, upstream, Shape::SCALAR)?;
        check(Self::NAME, self.margin)?;
        Ok(embeddings)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let triplets = Triplets::new(&io, self.margin);
        let upstream = io.inputs[3][0] / triplets.divisor();
        let len = io.shape(1)[1];
        let (anchors, others) = io.output.split_at_mut(io.inputs[1].len());
        let (positives, negatives) = others.split_at_mut(io.inputs[1].len());
        let rows = anchors
            .chunks_exact_mut(len)
            .zip(positives.chunks_exact_mut(len))
            .zip(negatives.chunks_exact_mut(len));
        for (i, ((da, dp), dn)) in rows.enumerate() {
            let distances = triplets.distances(i);
            let factor = match triplets.loss(i, distances) {
                Some(_) => upstream * triplets.weight[i],
                None => T::zero(),
            };
            let [to_positive, to_negative] = distances.map(|d| match d > T::zero() {
                true => factor / d,
                false => T::zero(),
            });
            let [mask, a, p, n] = triplets.rows(i);
            for j in 0..len {
                let positive = to_positive * mask[j] * apart(mask[j], a[j], p[j]);
                let negative = to_negative * mask[j] * apart(mask[j], a[j], n[j]);
                (da[j], dp[j], dn[j]) = (positive - negative, -positive, negative);
            }
        }
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let [triplets, len] = [io.inputs[1][0], io.inputs[1][1]];
        Dispatch::new(
            shader!("triplet/gradient"),
            io.bindings(Slot::Output),
            fold(triplets),
        )
        .params([triplets, len])
        .param_f32(self.margin)
        .into()
    }

    fn cases() -> Vec<Case> {
        cases(|margin, [embeddings, mask, weight]| {
            let op = TripletLossGradient { margin };
            let shapes = [embeddings, mask, weight, Shape::SCALAR];
            Case::new(Class::Reduction, op, shapes).differentiable(&[])
        })
    }
}

/// What both operations are tested on; `case` makes one from the margin and the shapes.
fn cases(case: impl Fn(f32, [Shape; 3]) -> Case) -> Vec<Case> {
    let of = |margin, b: usize, d: usize, mask: fn(usize, usize) -> bool, weights: &[f32]| {
        let shapes = [Shape::from([3 * b, d]), Shape::from([b, d]), Shape::from([b])];
        let mask = (0..b * d).map(|i| f32::from(u8::from(mask(i / d, i % d))));
        case(margin, shapes)
            .fill(1, Values::Exactly(mask.collect()))
            .fill(2, Values::Exactly(weights.into()))
    };
    // positives and negatives at given distances from their anchors, in the first dimension
    let placed = |b: usize, d: usize, positive: f32, negative: f32| {
        let value = |i: usize| {
            let (kind, at) = (i / (b * d), i % (b * d));
            let moved = [0.0, positive, negative][kind] * f32::from(u8::from(at % d == 0));
            // eighths: a difference of two is exact, in 32 bits, too
            (8.0 * uniform([3, 5], 0, 0, at as u32)).floor() / 8.0 + moved
        };
        Values::Exactly((0..3 * b * d).map(value).collect())
    };
    let all = |_, _| true;
    let mut cases = vec![
        of(0.2, 5, 7, all, &[1.0; 5]),
        of(0.2, 1, 3, all, &[1.0]),
        // sub-spaces; more dimensions than a workgroup has lanes; one triplet left out, weights that differ
        of(0.5, 3, 645, |i, j| j / 129 == i + 1, &[1.0, 0.0, 0.25]),
        // no triplet counts, and none has a dimension
        of(0.2, 3, 5, all, &[0.0; 3]),
        of(0.2, 3, 5, |_, _| false, &[1.0; 3]),
        // all hinges inactive: the margin is kept
        of(0.2, 3, 5, all, &[1.0; 3]).fill(0, placed(3, 5, 0.5, 2.0)),
    ];
    // positives on their anchors, where only the 10⁻⁶ has a direction; and more triplets than lanes
    cases.push(
        of(0.2, 3, 5, all, &[1.0; 3])
            .fill(0, placed(3, 5, 0.0, 0.125))
            .differentiable(&[]),
    );
    cases.push(of(0.2, 131, 3, |i, j| (i + j) % 3 != 0, &[1.0; 131]).differentiable(&[]));
    // a difference of −10⁻⁶ in the only dimension: a distance of 0
    cases.push(
        of(0.2, 1, 1, all, &[1.0])
            .fill(0, Values::Exactly([0.0, EPSILON, 0.125].into()))
            .differentiable(&[]),
    );
    cases
}
