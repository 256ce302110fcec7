//! Which activation shares which buffer: liveness colouring.

/// Hands out buffers to tensors whose lifetimes do not overlap.
#[derive(Debug, Default)]
pub(super) struct Colouring {
    /// Length of every buffer so far.
    pub lengths: Vec<usize>,
    free: Vec<usize>,
}

impl Colouring {
    /// A buffer of at least `len` elements: the free one that wastes least, else the largest free one,
    /// grown, else a new one.
    pub fn take(&mut self, len: usize) -> usize {
        let fit = |&i: &usize| self.lengths[i] >= len;
        let best = self
            .free
            .iter()
            .copied()
            .filter(fit)
            .min_by_key(|&i| (self.lengths[i], i));
        let best = best.or_else(|| self.free.iter().copied().max_by_key(|&i| (self.lengths[i], i)));
        let Some(buffer) = best else {
            self.lengths.push(len);
            return self.lengths.len() - 1;
        };
        self.free.retain(|&i| i != buffer);
        self.lengths[buffer] = self.lengths[buffer].max(len);
        buffer
    }

    /// Gives a buffer back after its last reader.
    pub fn give(&mut self, buffer: usize) {
        debug_assert!(!self.free.contains(&buffer));
        self.free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_buffers_are_never_shared_and_freed_ones_are() {
        let mut colouring = Colouring::default();
        let (a, b) = (colouring.take(10), colouring.take(20));
        assert_ne!(a, b);
        colouring.give(a);
        assert_eq!(colouring.take(5), a);
        colouring.give(b);
        assert_eq!(colouring.take(40), b);
        assert_eq!(colouring.lengths, [10, 40]);
    }
}
