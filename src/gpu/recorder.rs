//! Recording dispatches, submitting them, and waiting for them.

use std::time::Instant;

use super::{Dispatchable, Gpu, WAIT_LIMIT};
use crate::error::{Error, Result};

/// A submission that can be waited for.
#[derive(Debug, Clone)]
pub struct Submission(pub(super) wgpu::SubmissionIndex);

impl Gpu {
    /// Submits dispatches, which run in order.
    ///
    /// # Errors
    /// A fault that the device reported before.
    pub fn submit<'a>(&self, dispatches: impl IntoIterator<Item = &'a Dispatchable>) -> Result<Submission> {
        self.check()?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for dispatch in dispatches {
                let [x, y, z] = dispatch.groups;
                pass.set_pipeline(&dispatch.pipeline.raw);
                pass.set_bind_group(0, &dispatch.bind_group, &[]);
                pass.dispatch_workgroups(x, y, z);
            }
        }
        Ok(Submission(self.queue.submit([encoder.finish()])))
    }

    /// Waits until a submission has finished.
    ///
    /// # Errors
    /// [`Error::Timeout`] after two minutes, or a fault of the device.
    pub fn wait(&self, submission: &Submission) -> Result<()> {
        let started = Instant::now();
        let polled = self.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission.0.clone()),
            timeout: Some(WAIT_LIMIT),
        });
        self.check()?;
        match polled {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => Err(Error::Timeout {
                adapter: self.name().to_string(),
                limit: started.elapsed(),
            }),
            Err(error) => Err(Error::Validation {
                adapter: self.name().to_string(),
                message: error.to_string(),
            }),
        }
    }
}
