//! Reverse-mode differentiation: appends the gradient operations to the tape.

use super::{Add, Copy, Flat, Gradient, Node, Tape, Var};
use crate::{
    error::{Error, Result},
    shape::Shape,
};

impl Tape {
    /// Appends the gradients of a scalar with respect to `wanted`. A tensor that the scalar does not
    /// depend on has none.
    ///
    /// # Errors
    /// [`Error::Tape`] if `loss` is no scalar, or a tensor is of another tape; [`Error::Shape`] from an operation
    /// without gradient.
    pub fn gradients(&mut self, loss: Var, wanted: &[Var]) -> Result<Vec<Option<Var>>> {
        wanted.iter().try_for_each(|&var| self.own(var))?;
        let one = self.constant(Shape::SCALAR, &[1.0])?;
        self.gradients_from(loss, one, wanted)
    }

    /// The same, multiplied by the scalar `seed`.
    fn gradients_from(&mut self, loss: Var, seed: Var, wanted: &[Var]) -> Result<Vec<Option<Var>>> {
        if self.shape(loss)? != Shape::SCALAR {
            return Err(Error::Tape(format!(
                "{} is no scalar: sum or average it first",
                self.describe(loss)
            )));
        }
        let end = loss.index() + 1;
        let needed = self.depends_on(wanted, end);
        let mut gradients: Vec<Option<Var>> = vec![None; end];
        gradients[loss.index()] = Some(seed);

        for index in (0..end).rev() {
            let (Some(upstream), true) = (gradients[index], needed[index]) else {
                continue;
            };
            let Node::Op { op, inputs } = self.entries[index].node.clone() else {
                continue;
            };
            if !op.mutates().is_empty() {
                continue; // a running statistic: its new value is not part of the function
            }
            let scope = std::mem::replace(&mut self.scope, self.entries[index].scope.clone());
            let mut at = Gradient {
                wanted: inputs.iter().map(|v| needed[v.index()]).collect(),
                given: vec![None; inputs.len()],
                output: self.var(index),
                name: op.name(),
                tape: self,
                inputs,
                upstream,
            };
            op.gradient(&mut at)?;
            let Gradient { inputs, given, .. } = at;
            for (input, given) in inputs.iter().zip(given) {
                let Some(given) = given else { continue };
                if self.shape(given)? != self.shape_of(*input) {
                    return Err(Error::Tape(format!(
                        "the gradient of {} is {}",
                        self.describe(*input),
                        self.describe(given)
                    )));
                }
                let sum = match gradients[input.index()] {
                    Some(before) => self.push(Add, &[before, given])?,
                    None => given,
                };
                gradients[input.index()] = Some(sum);
            }
            self.scope = scope;
        }
        Ok(wanted
            .iter()
            .map(|var| gradients.get(var.index()).copied().flatten())
            .collect())
    }

    /// Appends the gradients of a scalar with respect to every trainable parameter on the tape, and keeps
    /// them in the flat gradient buffer; where the tape [narrows](Self::narrow), multiplied by the
    /// [loss scale](Self::loss_scale).
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients).
    pub fn backward(&mut self, loss: Var) -> Result<()> {
        let mut places: Vec<(usize, Vec<Var>)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if let Node::Flat {
                flat: Flat::Parameters,
                offset,
                ..
            } = entry.node
            {
                // one parameter may have been recorded several times
                match places.iter_mut().find(|(at, _)| *at == offset) {
                    Some((_, vars)) => vars.push(self.var(index)),
                    None => places.push((offset, vec![self.var(index)])),
                }
            }
        }
        let wanted: Vec<Var> = places.iter().flat_map(|(_, vars)| vars.iter().copied()).collect();
        let seed = match self.narrows {
            true => self.loss_scale(),
            false => self.constant(Shape::SCALAR, &[1.0])?,
        };
        let mut gradients = self.gradients_from(loss, seed, &wanted)?.into_iter();
        for (offset, vars) in places {
            let mut sum = None;
            for gradient in gradients.by_ref().take(vars.len()).flatten() {
                sum = Some(match sum {
                    None => gradient,
                    Some(before) => self.push(Add, &[before, gradient])?,
                });
            }
            if let Some(sum) = sum {
                self.pin(sum, Flat::Gradients, offset)?;
            }
        }
        Ok(())
    }

    /// For every tensor up to `end`: whether it depends on one of `sources`.
    fn depends_on(&self, sources: &[Var], end: usize) -> Vec<bool> {
        let mut depends = vec![false; end];
        for source in sources.iter().filter(|s| s.index() < end) {
            depends[source.index()] = true;
        }
        for index in 0..end {
            if let Node::Op { inputs, .. } = &self.entries[index].node {
                depends[index] |= inputs.iter().any(|v| depends[v.index()]);
            }
        }
        depends
    }

    /// Makes `var` live in a flat buffer. No dispatch may read and write one buffer, so what is read by
    /// another pinned operation, or is not an operation's own output, is copied.
    fn pin(&mut self, var: Var, flat: Flat, offset: usize) -> Result<()> {
        // a view has the memory of what it views, and as many elements
        let mut home = self.root(var);
        if self.is_pinned(home) {
            home = self.push(Copy, &[home])?;
        }
        let own = match self.node(home) {
            Node::Op { op, inputs } => op.mutates().is_empty() && !inputs.iter().any(|&v| self.is_pinned(v)),
            _ => false,
        };
        let feeds_pinned = self.pinned.iter().any(|(pinned, ..)| match self.node(*pinned) {
            Node::Op { inputs, .. } => inputs.iter().any(|&v| self.root(v) == home),
            _ => false,
        });
        if !own || feeds_pinned {
            // through an activation, should the source itself be pinned to this buffer
            home = self.push(Copy, &[home])?;
        }
        self.pinned.push((home, flat, offset));
        Ok(())
    }

    fn is_pinned(&self, var: Var) -> bool {
        let root = self.root(var);
        self.pinned.iter().any(|(pinned, ..)| *pinned == root)
    }
}
