//! Inputs in memory from which a device takes them, filled on any thread while another replay runs.

use std::{ops::Range, sync::Arc};

use super::{Format, Input, Var, input::Expected};
use crate::{
    error::{Error, Result},
    gpu::Staging,
};

/// Where each input of a program starts in a slot.
#[derive(Debug)]
pub(super) struct Layout {
    pub inputs: Vec<(Expected, usize)>,
    /// Bytes in all.
    pub bytes: usize,
}

/// Inputs start at multiples of this many bytes: enough for any copy, and for whole cache lines.
const ALIGNMENT: usize = 256;

impl Layout {
    pub fn new(expected: &[Expected]) -> Self {
        let mut bytes = 0;
        let inputs = expected.iter().map(|input| {
            let start = bytes;
            bytes += (4 * input.format.words(input.len)).next_multiple_of(ALIGNMENT);
            (input.clone(), start)
        });
        let inputs = inputs.collect();
        Layout { inputs, bytes }
    }

    /// The inputs in a slot's memory.
    pub fn inputs_in<'a>(&'a self, words: &'a [u32]) -> impl Iterator<Item = Input<'a>> {
        self.inputs.iter().map(|(expected, start)| {
            let words = &words[start / 4..][..expected.format.words(expected.len)];
            match expected.format {
                Format::F32 => Input::Real(bytemuck::cast_slice(words)),
                Format::Pcm16 => Input::Pcm16(&bytemuck::cast_slice(words)[..expected.len]),
            }
        })
    }
}

/// All inputs of one replay. Made by [`Session::slot`](super::Session::slot), written by whoever prepares the data,
/// consumed by [`Session::run_slot`](super::Session::run_slot), and given back when the device has taken it.
/// It is never cleared: what is not written anew is what was there, zeros at first.
#[derive(Debug)]
pub struct Slot {
    pub(super) layout: Arc<Layout>,
    pub(super) memory: Memory,
}

#[derive(Debug)]
pub(super) enum Memory {
    Host(Vec<u32>),
    Staging(Staging),
}

impl Slot {
    pub(super) fn host(layout: Arc<Layout>) -> Self {
        let memory = Memory::Host(vec![0; layout.bytes / 4]);
        Slot { layout, memory }
    }

    /// Size of the memory.
    pub fn bytes(&self) -> usize {
        self.layout.bytes
    }

    /// Writes samples of a [`Format::Pcm16`] input, from its `offset`-th on.
    ///
    /// # Errors
    /// [`Error::Length`] if they do not fit; [`Error::Tape`] for no such input or one of another format; a fault
    /// of the device.
    pub fn write_pcm16(&mut self, input: Var, offset: usize, samples: &[i16]) -> Result<()> {
        let range = self.range(input, Format::Pcm16, offset, samples.len())?;
        self.write_bytes(range, bytemuck::cast_slice(samples))
    }

    /// Writes values of a [`Format::F32`] input likewise.
    ///
    /// # Errors
    /// As [`write_pcm16`](Self::write_pcm16).
    pub fn write(&mut self, input: Var, offset: usize, values: &[f32]) -> Result<()> {
        let range = self.range(input, Format::F32, offset, values.len())?;
        self.write_bytes(range, bytemuck::cast_slice(values))
    }

    fn range(&self, input: Var, format: Format, offset: usize, len: usize) -> Result<Range<usize>> {
        let found = self
            .layout
            .inputs
            .iter()
            .find(|(expected, _)| expected.var == input);
        let Some((expected, start)) = found else {
            return Err(Error::Tape(format!(
                "{input:?} is no input of the slot's program"
            )));
        };
        if expected.format != format {
            let (name, own) = (&expected.name, expected.format);
            return Err(Error::Tape(format!(
                "input '{name}' takes {own:?}, not {format:?}"
            )));
        }
        match offset.checked_add(len).filter(|&end| end <= expected.len) {
            Some(end) => Ok(start + offset * format.bytes()..start + end * format.bytes()),
            None => Err(Error::Length {
                what: format!("input '{}' from {offset} on", expected.name),
                given: len,
                expected: expected.len.saturating_sub(offset),
            }),
        }
    }

    fn write_bytes(&mut self, range: Range<usize>, bytes: &[u8]) -> Result<()> {
        match &mut self.memory {
            Memory::Host(words) => bytemuck::cast_slice_mut(words)[range].copy_from_slice(bytes),
            Memory::Staging(staging) => staging.write(range.start, bytes)?,
        }
        Ok(())
    }
}
