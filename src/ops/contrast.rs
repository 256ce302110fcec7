//! Supervised contrast over all pairs of a batch, in every sub-space at once.

use rayon::prelude::*;

use super::{inputs, parallel, same};
use crate::{
    error::{Error, Result},
    kernel::{Binding, Dispatch, Kernels, Slot, flat_grid, fold},
    shader,
    shape::Shape,
    tape::{Case, Class, Cpu, Gradient, Io, MAX_ELEMENTS, Op, Real, Tape, Trusted, Values, Var},
};

/// Supervised contrast (Khosla et al. 2020) in each of S sub-spaces, of vectors of length one.
/// `vectors [N, S·D], labels [N, S] → scalar`
///
/// In a sub-space, the items that take part are those with a label there, which is 0 or more; one below 0 is none.
/// An anchor is an item i with positives Pᵢ: other items of its label. Its loss is
/// `−1/|Pᵢ| Σ_{p ∈ Pᵢ} ln( exp(zᵢ·zₚ/τ) / Σ_{j ≠ i} exp(zᵢ·zⱼ/τ) )`, j going through all items that take part.
/// The output is the mean over the sub-spaces that have an anchor of the mean over their anchors. Items without
/// positives are only what others are told from; a sub-space without anchors counts for nothing, and if none has any,
/// the loss is 0. Labels have no gradient.
#[derive(Debug, Clone)]
pub struct ContrastLoss {
    /// τ: the smaller, the more the nearest count.
    pub temperature: f32,
}

/// The gradient of [`ContrastLoss`] in the vectors. `vectors [N, S·D], labels [N, S], g scalar → [N, S·D]`
#[derive(Debug, Clone)]
pub struct ContrastLossGradient {
    /// That of the [`ContrastLoss`].
    pub temperature: f32,
}

/// What an op of this file is of.
#[derive(Clone, Copy)]
struct Sizes {
    items: usize,
    subspaces: usize,
    /// Numbers of a vector in one sub-space.
    len: usize,
}

impl Sizes {
    /// Those of the shapes, or an error that names what does not fit.
    fn new(op: &'static str, vectors: Shape, labels: Shape, temperature: f32) -> Result<Self> {
        let message = match (vectors.dims(), labels.dims()) {
            _ if !(temperature > 0.0 && temperature.is_finite()) => {
                format!("a temperature of {temperature}: use a number above 0")
            }
            (&[items, all], &[labelled, subspaces]) if items == labelled && all.is_multiple_of(subspaces) => {
                let pairs = items.checked_mul(items).and_then(|n| n.checked_mul(subspaces));
                if pairs.is_some_and(|pairs| pairs <= MAX_ELEMENTS) {
                    let len = all / subspaces;
                    return Ok(Sizes {
                        items,
                        subspaces,
                        len,
                    });
                }
                format!("{items} items have more pairs in {subspaces} sub-spaces than a tensor can hold")
            }
            _ => {
                format!("needs vectors [N, S·D] and labels [N, S], but was given [{vectors}] and [{labels}]")
            }
        };
        Err(Error::shape(op, message))
    }

    /// Of shapes that were checked.
    fn of(io: &Io<'_>) -> Self {
        let [items, subspaces] = [io.inputs[1][0], io.inputs[1][1]];
        let len = io.inputs[0][1] / subspaces;
        Sizes {
            items,
            subspaces,
            len,
        }
    }

    fn rows(self) -> usize {
        self.items * self.subspaces
    }

    fn pairs(self) -> usize {
        self.items * self.rows()
    }

    /// Similarities into the first scratch buffer, what is known of the anchors into the second.
    fn dispatches(self, temperature: f32) -> [Dispatch; 2] {
        let Sizes {
            items,
            subspaces,
            len,
        } = self;
        let similarities = Dispatch::new(
            shader!("contrast/similarities"),
            [Binding::Read(Slot::Input(0)), Binding::Write(Slot::Scratch(0))],
            flat_grid(self.pairs()),
        );
        let anchors = Dispatch::new(
            shader!("contrast/anchors"),
            [
                Binding::Read(Slot::Scratch(0)),
                Binding::Read(Slot::Input(1)),
                Binding::Write(Slot::Scratch(1)),
            ],
            fold(self.rows()),
        );
        [
            similarities
                .params([self.pairs(), items, subspaces, len])
                .param_f32(temperature),
            anchors.params([self.rows(), items, subspaces]),
        ]
    }

    /// Lengths of the two scratch buffers.
    fn scratch(self) -> Vec<usize> {
        vec![self.pairs(), 4 * self.rows()]
    }
}

/// What a CPU implementation reads.
#[derive(Clone, Copy)]
struct Pairs<'a, T> {
    vectors: &'a [T],
    labels: &'a [T],
    sizes: Sizes,
    temperature: T,
}

/// An item with positives.
#[derive(Clone, Copy)]
struct Anchor<T> {
    loss: T,
    /// `ln Σ_{j ≠ i} exp(zᵢ·zⱼ/τ)`
    log_sum: T,
    /// `|Pᵢ|`
    positives: T,
}

impl<'a, T: Real> Pairs<'a, T> {
    fn new(io: &Cpu<'a, T>, temperature: f32) -> Self {
        let [vectors, labels, ..] = io.inputs;
        Pairs {
            vectors,
            labels,
            sizes: Sizes::of(&io.shapes),
            temperature: T::of(f64::from(temperature)),
        }
    }

    fn vector(&self, item: usize, subspace: usize) -> &'a [T] {
        let Sizes { subspaces, len, .. } = self.sizes;
        &self.vectors[(item * subspaces + subspace) * len..][..len]
    }

    /// The item's label, if it takes part.
    fn label(&self, item: usize, subspace: usize) -> Option<T> {
        let label = self.labels[item * self.sizes.subspaces + subspace];
        (label >= T::zero()).then_some(label)
    }

    /// The others that take part, each with whether it is of a label.
    fn others(&self, item: usize, subspace: usize, label: T) -> impl Iterator<Item = (usize, bool)> {
        let others = (0..self.sizes.items).filter(move |&other| other != item);
        others.filter_map(move |other| Some((other, self.label(other, subspace)? == label)))
    }

    fn similarity(&self, a: usize, b: usize, subspace: usize) -> T {
        let [a, b] = [a, b].map(|item| self.vector(item, subspace));
        parallel::sum_pairs(a, b, |a, b| a * b) / self.temperature
    }

    fn anchor(&self, item: usize, subspace: usize) -> Option<Anchor<T>> {
        let label = self.label(item, subspace)?;
        let others = self.others(item, subspace, label);
        let others: Vec<(T, bool)> = others
            .map(|(other, positive)| (self.similarity(item, other, subspace), positive))
            .collect();
        let positives = T::of(others.iter().filter(|(_, positive)| *positive).count() as f64);
        if positives == T::zero() {
            return None;
        }
        let top = others
            .iter()
            .fold(T::neg_infinity(), |top, &(similarity, _)| top.max(similarity));
        let log_sum = top + others.iter().map(|&(s, _)| (s - top).exp()).sum::<T>().ln();
        let near = others.iter().filter(|(_, positive)| *positive);
        let near = near.map(|&(similarity, _)| similarity).sum::<T>() / positives;
        Some(Anchor {
            loss: log_sum - near,
            log_sum,
            positives,
        })
    }

    /// By sub-space, then item.
    fn anchors(&self) -> Vec<Option<Anchor<T>>> {
        let rows = (0..self.sizes.rows()).into_par_iter();
        let items = self.sizes.items;
        rows.map(|row| self.anchor(row % items, row / items)).collect()
    }
}

/// How many anchors each sub-space has, and how many sub-spaces have any; at least one, to divide by.
fn counts<T: Real>(anchors: &[Option<Anchor<T>>], items: usize) -> (Vec<T>, T) {
    let count = |row: &[Option<Anchor<T>>]| T::of(row.iter().flatten().count() as f64);
    let counts: Vec<T> = anchors.chunks_exact(items).map(count).collect();
    let used = counts.iter().filter(|count| **count > T::zero()).count();
    (counts, T::of(used.max(1) as f64))
}

impl Op for ContrastLoss {
    const NAME: &'static str = "contrast_loss";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [vectors, labels] = inputs(Self::NAME, given)?;
        Sizes::new(Self::NAME, vectors, labels, self.temperature)?;
        Ok(Shape::SCALAR)
    }

    fn gradient(&self, at: &mut Gradient<'_>) -> Result<()> {
        if at.wants(1) {
            return at.none();
        }
        let op = ContrastLossGradient {
            temperature: self.temperature,
        };
        at.give(0, op, &[at.input(0), at.input(1), at.upstream()])
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let pairs = Pairs::new(&io, self.temperature);
        let anchors = pairs.anchors();
        let (counts, used) = counts(&anchors, pairs.sizes.items);
        let subspaces = anchors.chunks_exact(pairs.sizes.items).zip(counts);
        // from 0, which the sum of none is not: that is -0
        let total = subspaces.fold(T::zero(), |total, (anchors, count)| {
            let sum: T = anchors.iter().flatten().map(|anchor| anchor.loss).sum();
            total + if count > T::zero() { sum / count } else { T::zero() }
        });
        io.output[0] = total / used;
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let sizes = Sizes::of(io);
        let mean = Dispatch::new(
            shader!("contrast/mean"),
            [Binding::Read(Slot::Scratch(1)), Binding::Write(Slot::Output)],
            fold(1),
        );
        let [similarities, anchors] = sizes.dispatches(self.temperature);
        Kernels {
            dispatches: vec![similarities, anchors, mean.params([sizes.items, sizes.subspaces])],
            scratch: sizes.scratch(),
        }
    }

    fn cases() -> Vec<Case> {
        let mut cases = cases(|temperature, shapes| {
            let op = ContrastLoss { temperature };
            Case::new(Class::Reduction, op, shapes).differentiable(&[0])
        });
        // where the exponentials of what is not less the largest would overflow
        let large = ContrastLoss { temperature: 0.01 };
        cases.push(
            Case::new(Class::Reduction, large, [[5, 6], [5, 2]])
                .fill(0, Values::Uniform(-2.0, 2.0))
                .fill(1, labels(5, 2, |i, s| ((i + s) % 2) as f32))
                .differentiable(&[]),
        );
        // vectors of length one, as a network gives them
        let whole = |tape: &mut Tape, given: &[Var]| {
            let unit = super::normalise_subspaces(tape, given[0], 3)?;
            tape.push(ContrastLoss { temperature: 0.25 }, &[unit, given[1]])
        };
        cases.push(
            Case::function(
                Class::Reduction,
                "contrast of unit vectors",
                whole,
                [[7, 15], [7, 3]],
            )
            .fill(1, labels(7, 3, |i, s| ((i * (s + 2)) % 3) as f32))
            .differentiable(&[0]),
        );
        cases
    }
}

impl Op for ContrastLossGradient {
    const NAME: &'static str = "contrast_loss_gradient";
    const TRUSTED: Option<Trusted<Self>> = Trusted::OWN;

    fn shape(&self, given: &[Shape]) -> Result<Shape> {
        let [vectors, labels, upstream] = inputs(Self::NAME, given)?;
        Sizes::new(Self::NAME, vectors, labels, self.temperature)?;
        same(Self::NAME, upstream, Shape::SCALAR)?;
        Ok(vectors)
    }

    fn cpu<T: Real>(&self, io: Cpu<'_, T>) {
        let pairs = Pairs::new(&io, self.temperature);
        let Sizes { items, len, .. } = pairs.sizes;
        let anchors = pairs.anchors();
        let (counts, used) = counts(&anchors, items);
        let upstream = io.inputs[2][0] / (used * pairs.temperature);
        // the derivative of an anchor's loss in its similarity to another
        let weight = |anchor: Option<Anchor<T>>, similarity: T, positive: bool| match anchor {
            None => T::zero(),
            Some(anchor) => {
                let share = (similarity - anchor.log_sum).exp();
                share
                    - if positive {
                        anchor.positives.recip()
                    } else {
                        T::zero()
                    }
            }
        };
        let row = |item: usize, subspace: usize, out: &mut [T]| {
            out.fill(T::zero());
            let Some(label) = pairs.label(item, subspace) else {
                return;
            };
            let scale = match counts[subspace] > T::zero() {
                true => upstream / counts[subspace],
                false => return,
            };
            for (other, positive) in pairs.others(item, subspace, label) {
                let similarity = pairs.similarity(item, other, subspace);
                let [own, theirs] = [item, other].map(|i| anchors[subspace * items + i]);
                let both = weight(own, similarity, positive) + weight(theirs, similarity, positive);
                let factor = scale * both;
                for (out, &z) in out.iter_mut().zip(pairs.vector(other, subspace)) {
                    *out += factor * z;
                }
            }
        };
        let subspaces = pairs.sizes.subspaces;
        let rows = io.output.par_chunks_exact_mut(len).enumerate();
        rows.for_each(|(i, out)| row(i / subspaces, i % subspaces, out));
    }

    fn gpu(&self, io: &Io<'_>) -> Kernels {
        let sizes = Sizes::of(io);
        let Sizes {
            items,
            subspaces,
            len,
        } = sizes;
        let read = Binding::Read;
        let [similarities, anchors] = sizes.dispatches(self.temperature);
        let scales = Dispatch::new(
            shader!("contrast/scales"),
            [
                read(Slot::Scratch(1)),
                read(Slot::Input(2)),
                Binding::Write(Slot::Scratch(2)),
            ],
            fold(1),
        )
        .params([items, subspaces])
        .param_f32(self.temperature);
        let pairs = Dispatch::new(
            shader!("contrast/pairs"),
            [
                read(Slot::Scratch(0)),
                read(Slot::Input(1)),
                read(Slot::Scratch(1)),
                read(Slot::Scratch(2)),
                Binding::Write(Slot::Scratch(3)),
            ],
            flat_grid(sizes.pairs()),
        )
        .params([sizes.pairs(), items, subspaces]);
        let total = io.output.len();
        let gradient = Dispatch::new(
            shader!("contrast/gradient"),
            [
                read(Slot::Input(0)),
                read(Slot::Scratch(3)),
                Binding::Write(Slot::Output),
            ],
            flat_grid(total),
        )
        .params([total, items, subspaces, len]);
        let mut scratch = sizes.scratch();
        scratch.extend([subspaces, sizes.pairs()]);
        Kernels {
            dispatches: vec![similarities, anchors, scales, pairs, gradient],
            scratch,
        }
    }

    fn cases() -> Vec<Case> {
        cases(|temperature, [vectors, labels]| {
            let op = ContrastLossGradient { temperature };
            Case::new(Class::Reduction, op, [vectors, labels, Shape::SCALAR]).differentiable(&[])
        })
    }
}

fn labels(items: usize, subspaces: usize, label: impl Fn(usize, usize) -> f32) -> Values {
    let all = (0..items * subspaces).map(|i| label(i / subspaces, i % subspaces));
    Values::Exactly(all.collect())
}

/// What both operations are tested on; `case` makes one from the temperature and the shapes.
fn cases(case: impl Fn(f32, [Shape; 2]) -> Case) -> Vec<Case> {
    let of = |temperature, n: usize, s: usize, d: usize, label: fn(usize, usize) -> f32| {
        let shapes = [Shape::from([n, s * d]), Shape::from([n, s])];
        case(temperature, shapes).fill(1, labels(n, s, label))
    };
    vec![
        of(0.5, 7, 3, 5, |i, s| ((i + s) % 3) as f32),
        of(1.0, 5, 1, 1, |i, _| (i % 2) as f32),
        // items without a label; in the second sub-space without positives, in the third without any label
        of(0.5, 9, 4, 3, |i, s| match s {
            0 => [2.0, -1.0, 0.0][i % 3],
            1 => i as f32,
            2 => -1.0,
            _ => (i / 4) as f32,
        }),
        // no anchor at all
        of(0.5, 4, 2, 3, |i, s| [i as f32, -1.0][s]).differentiable(&[]),
        of(0.5, 1, 2, 3, |_, _| 0.0).differentiable(&[]),
        // more items than a workgroup has lanes
        of(0.7, 131, 2, 3, |i, s| [(i % 11) as f32, (i % 5) as f32 - 1.0][s]).differentiable(&[]),
    ]
}
