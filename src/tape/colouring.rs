//! Which activations share a buffer: colouring by liveness.

/// Tensors, the steps at which they live, and buffers for those whose lives do not overlap.
#[derive(Debug, Default)]
pub(super) struct Colouring {
    tensors: Vec<Tensor>,
}

#[derive(Debug)]
struct Tensor {
    len: usize,
    /// The step that makes it.
    first: usize,
    /// The step that reads it last.
    last: usize,
}

/// What [`Colouring::buffers`] gives.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// The buffer of every tensor.
    pub of: Vec<usize>,
    pub lengths: Vec<usize>,
}

impl Colouring {
    /// A tensor that is made in a step and outlives all others, unless it [ends](Self::end).
    pub fn begin(&mut self, len: usize, step: usize) -> usize {
        self.tensors.push(Tensor {
            len,
            first: step,
            last: usize::MAX,
        });
        self.tensors.len() - 1
    }

    /// Sets the last step that uses a tensor.
    pub fn end(&mut self, tensor: usize, step: usize) {
        self.tensors[tensor].last = step;
    }

    /// Buffers for all of them. The largest tensors choose first, so that no buffer grows; each takes the smallest of
    /// the buffers that are free as long as it lives.
    pub fn buffers(&self) -> Buffers {
        let mut order: Vec<usize> = (0..self.tensors.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(self.tensors[i].len), i));
        let mut of = vec![0; order.len()];
        let mut lengths = Vec::new();
        let mut held: Vec<Vec<usize>> = Vec::new();
        for index in order {
            let tensor = &self.tensors[index];
            let apart = |&other: &usize| {
                let other = &self.tensors[other];
                other.last < tensor.first || tensor.last < other.first
            };
            // they come in the order of their lengths
            let free = held.iter().rposition(|held| held.iter().all(apart));
            of[index] = free.unwrap_or(held.len());
            match free {
                Some(buffer) => held[buffer].push(index),
                None => {
                    held.push(vec![index]);
                    lengths.push(tensor.len);
                }
            }
        }
        Buffers { of, lengths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tensors_that_never_live_together_share_a_buffer() {
        let mut colouring = Colouring::default();
        let lives = [
            (10, 0, 3),
            (20, 1, 1),
            (30, 2, 5),
            (5, 4, 4),
            (20, 3, usize::MAX),
            (7, 6, 6),
        ];
        for (tensor, (len, first, last)) in lives.into_iter().enumerate() {
            assert_eq!(colouring.begin(len, first), tensor);
            if last < usize::MAX {
                colouring.end(tensor, last);
            }
        }
        let Buffers { of, lengths } = colouring.buffers();
        for (a, (len, first, last)) in lives.into_iter().enumerate() {
            assert!(lengths[of[a]] >= len);
            for b in 0..a {
                let overlap = lives[b].1 <= last && first <= lives[b].2;
                assert!(!(overlap && of[a] == of[b]), "{a} {b}");
            }
        }
        // 30, 20 twice one after the other, and 10: the small ones need none of their own
        assert_eq!(lengths, [30, 20, 10]);
    }
}
