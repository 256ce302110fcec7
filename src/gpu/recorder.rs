//! Recording dispatches, submitting them, and waiting for them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Dispatchable, Gpu, WAIT_LIMIT};
use crate::error::Result;

/// A submission that can be waited for.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Grows from one submission of a device to the next.
    sequence: u64,
    index: wgpu::SubmissionIndex,
}

/// The submissions that nobody has waited for yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<(u64, VecDeque<Submission>)>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<Submission>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest submission up to and including `last`.
    fn oldest(&self, last: u64) -> Option<Submission> {
        self.lock().1.front().filter(|s| s.sequence <= last).cloned()
    }

    /// Forgets all up to and including `last`.
    fn finished(&self, last: u64) {
        let mut pending = self.lock();
        while pending.1.front().is_some_and(|s| s.sequence <= last) {
            pending.1.pop_front();
        }
    }
}

impl Dispatchable {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y, z] = self.groups;
        pass.set_pipeline(&self.pipeline.raw);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

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
                dispatch.record(&mut pass);
            }
        }
        Ok(self.submit_commands(encoder.finish()))
    }

    pub(super) fn submit_commands(&self, commands: wgpu::CommandBuffer) -> Submission {
        let mut pending = self.pending.lock();
        pending.0 += 1;
        let submission = Submission {
            sequence: pending.0,
            index: self.queue.submit([commands]),
        };
        pending.1.push_back(submission.clone());
        submission
    }

    /// Waits until a submission, and all before it, have finished.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) if one of them alone takes two minutes: a long step on a slow device is none. A fault
    /// of the device.
    pub fn wait(&self, submission: &Submission) -> Result<()> {
        while let Some(oldest) = self.pending.oldest(submission.sequence) {
            self.wait_for(&oldest)?;
            self.pending.finished(oldest.sequence);
        }
        Ok(())
    }

    fn wait_for(&self, submission: &Submission) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission.index.clone()),
            timeout: Some(WAIT_LIMIT),
        });
        self.check()?;
        match polled {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => Err(self.timed_out()),
            Err(error) => Err(self.rejected(error)),
        }
    }
}
