//! Buffers of f32 and their way to and from the host.

use std::sync::{Arc, atomic::Ordering, mpsc};

use super::{Counters, Gpu, WAIT_LIMIT};
use crate::error::{Error, Result};

/// A buffer in GPU memory. Zero when new.
#[derive(Debug)]
pub struct Buffer {
    pub(super) raw: wgpu::Buffer,
    bytes: u64,
    counters: Arc<Counters>,
}

impl Buffer {
    /// Length in 32-bit elements.
    pub fn len(&self) -> usize {
        (self.bytes / 4) as usize
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.counters.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A host-visible buffer that one range of a GPU buffer is read back through.
#[derive(Debug)]
pub struct Readback {
    buffer: Buffer,
}

impl Readback {
    /// Length in 32-bit elements.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl Gpu {
    /// A storage buffer of `len` 32-bit elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or what else the driver reports.
    pub fn buffer(&self, label: &str, len: usize) -> Result<Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.allocate(label, len, usage, false)
    }

    /// A uniform buffer of `len` 32-bit elements.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn uniform_buffer(&self, label: &str, len: usize) -> Result<Buffer> {
        self.allocate(
            label,
            len,
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            false,
        )
    }

    /// A readback buffer of `len` 32-bit elements.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn readback(&self, len: usize) -> Result<Readback> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(Readback {
            buffer: self.allocate("readback", len, usage, false)?,
        })
    }

    pub(super) fn allocate(
        &self,
        label: &str,
        len: usize,
        usage: wgpu::BufferUsages,
        mapped: bool,
    ) -> Result<Buffer> {
        let bytes = (len as u64).saturating_mul(4);
        let limits = self.limits();
        if bytes > limits.buffer {
            return Err(Error::TensorTooLarge {
                tensor: format!("buffer '{label}'"),
                bytes,
                limit: limits.buffer,
                what: "buffer",
                adapter: self.name.clone(),
                advice: "Use a smaller batch, width or segment".to_string(),
            });
        }
        let raw = self.scoped(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: mapped,
            })
        })?;
        self.counters.buffers.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Buffer {
            raw,
            bytes,
            counters: self.counters.clone(),
        })
    }

    /// Writes to a buffer, before anything that is submitted after this call. Several writes to one place
    /// before a submission leave only the last.
    pub fn write<T: bytemuck::Pod>(&self, buffer: &Buffer, offset: usize, data: &[T]) {
        self.queue
            .write_buffer(&buffer.raw, 4 * offset as u64, bytemuck::cast_slice(data));
    }

    /// Copies `out.len()` elements at `offset` of `buffer` to the host; waits for the GPU.
    ///
    /// # Errors
    /// [`Error::Length`] past the end of either buffer; a fault of the device, or [`Error::Timeout`].
    pub fn read(&self, buffer: &Buffer, offset: usize, through: &Readback, out: &mut [f32]) -> Result<()> {
        let there = through.len().min(buffer.len().saturating_sub(offset));
        if out.len() > there {
            return Err(Error::Length {
                what: format!("reading a buffer from {offset} on"),
                given: out.len(),
                expected: there,
            });
        }
        if out.is_empty() {
            return Ok(());
        }
        let bytes = 4 * out.len() as u64;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&buffer.raw, 4 * offset as u64, &through.buffer.raw, 0, bytes);
        let submission = self.submit_commands(encoder.finish());
        let (sender, receiver) = mpsc::channel();
        through
            .buffer
            .raw
            .map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
                // the receiver is gone only if the wait below failed, which is reported there
                let _ = sender.send(result);
            });
        self.wait(&submission)?;
        // one more poll, should another thread have waited for the copy before it was to be mapped; and that
        // thread's may be the poll that calls back. What goes wrong in it is a fault, checked below.
        let _ = self.device.poll(wgpu::PollType::Poll);
        let mapped = receiver.recv_timeout(WAIT_LIMIT);
        self.check()?;
        let mapped = mapped.map_err(|_| self.timed_out())?;
        mapped.map_err(|error| self.rejected(error))?;
        let view = through.buffer.raw.get_mapped_range(0..bytes);
        let view = view.map_err(|error| self.rejected(error))?;
        out.copy_from_slice(bytemuck::cast_slice(&view));
        drop(view);
        through.buffer.raw.unmap();
        Ok(())
    }
}
