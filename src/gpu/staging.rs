//! Host-visible memory that the GPU copies from.

use super::{Buffer, Gpu, Submission};
use crate::error::{Error, Result};

/// A buffer that the host writes and the GPU copies from, in turn. Zero when new.
#[derive(Debug)]
pub struct Staging {
    // before the buffer, which must not be unmapped while there is a view
    view: Option<wgpu::BufferViewMut>,
    buffer: Buffer,
    adapter: String,
}

impl Staging {
    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// [`Error::Length`] past the end; what mapping gives.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        let len = 4 * self.buffer.len();
        let Some(end) = offset.checked_add(bytes.len()).filter(|&end| end <= len) else {
            return Err(Error::Length {
                what: format!("staging buffer of {len} bytes from {offset} on"),
                given: bytes.len(),
                expected: len.saturating_sub(offset),
            });
        };
        let view = match &mut self.view {
            Some(view) => view,
            none => {
                let mapped = self.buffer.raw.get_mapped_range_mut(..);
                none.insert(mapped.map_err(|error| Error::Validation {
                    adapter: self.adapter.clone(),
                    message: error.to_string(),
                })?)
            }
        };
        view.slice(offset..end).copy_from_slice(bytes);
        Ok(())
    }
}

impl Gpu {
    /// A staging buffer of `len` 32-bit elements.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn staging(&self, len: usize) -> Result<Staging> {
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        Ok(Staging {
            view: None,
            buffer: self.allocate("staging", len, usage, true)?,
            adapter: self.name().to_string(),
        })
    }

    /// Copies parts of a staging buffer, each given by its first element, to whole buffers. `done` gets the staging
    /// buffer back when it can be written again; it is called from whichever thread waits for the GPU then, and
    /// not at all if the device is lost.
    ///
    /// # Errors
    /// A fault that the device reported before.
    pub fn upload<'a>(
        &self,
        mut staging: Staging,
        copies: impl IntoIterator<Item = (usize, &'a Buffer)>,
        done: impl FnOnce(Staging) + Send + 'static,
    ) -> Result<Submission> {
        self.check()?;
        staging.view = None;
        staging.buffer.raw.unmap();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for (start, buffer) in copies {
            let (offset, bytes) = (4 * start as u64, 4 * buffer.len() as u64);
            encoder.copy_buffer_to_buffer(&staging.buffer.raw, offset, &buffer.raw, 0, bytes);
        }
        let submission = self.submit_commands(encoder.finish());
        let raw = staging.buffer.raw.clone();
        raw.map_async(wgpu::MapMode::Write, .., move |mapped| {
            // fails only with the device, which reports it to whoever uses it next
            if mapped.is_ok() {
                done(staging);
            }
        });
        Ok(submission)
    }

    /// Whether everything that was submitted is done. Does not wait, and lets finished uploads call back.
    pub fn is_idle(&self) -> bool {
        matches!(
            self.device.poll(wgpu::PollType::Poll),
            Ok(wgpu::PollStatus::QueueEmpty)
        )
    }
}
