//! What an adapter can bind and hold, against what a plan needs.

use super::{Flat, Plan, plan::Content};
use crate::error::{Error, Result};

impl Plan {
    /// Checks every buffer against what an adapter can bind and hold.
    ///
    /// # Errors
    /// [`Error::TensorTooLarge`], naming the tensor and the batch that would fit.
    pub fn check_limits(&self, adapter: &str, buffer_limit: u64, binding_limit: u64) -> Result<()> {
        let (limit, what) = if binding_limit <= buffer_limit {
            (binding_limit, "binding")
        } else {
            (buffer_limit, "buffer")
        };
        let too_large = |tensor: String, bytes: u64, advice: String| {
            Err(Error::TensorTooLarge {
                tensor,
                bytes,
                limit,
                what,
                adapter: adapter.to_string(),
                advice,
            })
        };
        let shared_from = self.lengths.len() - self.largest.len();
        for (index, &len) in self.lengths.iter().enumerate() {
            let bytes = 4 * len as u64;
            if bytes <= limit {
                continue;
            }
            if index >= shared_from {
                let (_, label, shape) = &self.largest[index - shared_from];
                let batch = shape.dims().first().copied().unwrap_or(1);
                let fits = (batch as u64 * limit / bytes) as usize;
                let advice = if fits > 0 {
                    format!("A batch of {fits} instead of {batch} would fit")
                } else {
                    "Use a smaller width or a shorter segment".to_string()
                };
                return too_large(label.clone(), bytes, advice);
            }
            let name = match (
                Flat::ALL.get(index),
                self.contents.get(index.wrapping_sub(Flat::ALL.len())),
            ) {
                (Some(flat), _) => format!("the {} buffer", flat.name()),
                (_, Some(Content::Input)) => self.input_name(index),
                _ => "a constant".to_string(),
            };
            return too_large(name, bytes, "Use a smaller batch, width or segment".to_string());
        }
        Ok(())
    }
}
