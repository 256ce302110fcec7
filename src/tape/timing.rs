//! The clock: as many runs as give a steady time.

use std::time::Duration;

use crate::error::Result;

/// More of them in a row tell no more.
const MOST_RUNS: f64 = 1e6;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Measurements, of which the median counts.
    pub samples: usize,
    /// The least that one of them should take.
    pub sample: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Effort {
            samples: 5,
            sample: Duration::from_millis(20),
        }
    }
}

impl Effort {
    /// The time of one run, where `time` runs something so many times. The first run does not count: it may still
    /// compile, and memory is touched for the first time.
    ///
    /// # Errors
    /// Those of `time`.
    pub fn median(&self, time: impl FnMut(usize) -> Result<Duration>) -> Result<Duration> {
        let all = self.sorted(time)?;
        Ok(all[all.len() / 2])
    }

    /// The same at its best, for what is to be a bound.
    ///
    /// # Errors
    /// Those of `time`.
    pub fn least(&self, time: impl FnMut(usize) -> Result<Duration>) -> Result<Duration> {
        Ok(self.sorted(time)?[0])
    }

    fn sorted(&self, mut time: impl FnMut(usize) -> Result<Duration>) -> Result<Vec<Duration>> {
        time(1)?;
        let once = time(1)?.max(Duration::from_nanos(100));
        let runs = (self.sample.as_secs_f64() / once.as_secs_f64())
            .ceil()
            .clamp(1.0, MOST_RUNS) as usize;
        let mut all = Vec::new();
        for _ in 0..self.samples.max(1) {
            all.push(time(runs)? / runs as u32);
        }
        all.sort();
        Ok(all)
    }
}
