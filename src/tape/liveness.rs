//! What of a tape is needed, and until when.

use super::{Node, Tape, Var};

/// Marks what `outputs` and mutating operations depend on.
pub(super) fn live_entries(tape: &Tape, outputs: &[Var]) -> Vec<bool> {
    let mut live = vec![false; tape.entries.len()];
    for var in outputs.iter().chain(tape.pinned.iter().map(|(var, ..)| var)) {
        live[var.index()] = true;
    }
    for index in (0..tape.entries.len()).rev() {
        if let Node::Op { op, inputs } = &tape.entries[index].node {
            live[index] |= !op.mutates().is_empty();
            if live[index] {
                inputs.iter().for_each(|v| live[v.index()] = true);
            }
        }
    }
    live
}

/// For every tensor the entry that reads it last (its own, if none does); `None` for those that must
/// survive the replay.
pub(super) fn last_uses(tape: &Tape, live: &[bool], outputs: &[Var]) -> Vec<Option<usize>> {
    let mut last: Vec<Option<usize>> = (0..tape.entries.len()).map(Some).collect();
    for index in (0..tape.entries.len()).filter(|&i| live[i]) {
        if let Node::Op { inputs, .. } = &tape.entries[index].node {
            for &input in inputs {
                last[tape.root(input).index()] = Some(index);
            }
        }
    }
    for &output in outputs {
        last[tape.root(output).index()] = None;
    }
    last
}
