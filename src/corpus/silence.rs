//! Where a stem sounds: the rule by which segments are chosen or left out.

use std::{collections::VecDeque, ops::Range};

/// Samples from one window of the rule to the next.
const STEP: usize = 5000;
/// Least peak-to-peak amplitude of a window that sounds.
const AMPLITUDE: f32 = 1e-4;

/// Length of the rule's windows: a quarter of the segment.
fn window(segment: usize) -> usize {
    (segment / 4).max(1)
}

/// Whether a segment counts as silent: within some window of a quarter of its length (one every 5000 samples),
/// the highest and the lowest sample differ by less than 1e-4. An empty segment is silent.
pub fn is_silent(segment: &[f32]) -> bool {
    let quiet = |part: &[f32]| {
        let range = part
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        range.1 - range.0 < AMPLITUDE
    };
    segment.is_empty() || segment.windows(window(segment.len())).step_by(STEP).any(quiet)
}

/// All positions at which a segment begins that is not silent, as disjoint ascending ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoundingStarts {
    ranges: Vec<Range<u64>>,
    count: u64,
}

impl SoundingStarts {
    /// Every `start` for which `!is_silent(&samples[start..start + len])`, in time linear in the signal.
    pub fn find(samples: &[f32], len: usize) -> Self {
        if len == 0 || samples.len() < len {
            return Self::default();
        }
        let window = window(len);
        let starts = samples.len() - len + 1;
        let quiet = quiet_windows(samples, window);
        // A quiet window at t silences the segments that have one of their windows there.
        let mut silent = Vec::new();
        for offset in (0..=len - window).step_by(STEP) {
            for run in &quiet {
                let run = run.start.saturating_sub(offset)..run.end.saturating_sub(offset).min(starts);
                if run.start < run.end {
                    silent.push(run);
                }
            }
        }
        silent.sort_by_key(|run| (run.start, run.end));
        let (mut ranges, mut at) = (Vec::new(), 0);
        for run in silent {
            if at < run.start {
                ranges.push(at as u64..run.start as u64);
            }
            at = at.max(run.end);
        }
        if at < starts {
            ranges.push(at as u64..starts as u64);
        }
        let count = ranges.iter().map(|r| r.end - r.start).sum();
        Self { ranges, count }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The `index`-th of them, in ascending order.
    pub fn nth(&self, mut index: u64) -> Option<u64> {
        for range in &self.ranges {
            let length = range.end - range.start;
            if index < length {
                return Some(range.start + index);
            }
            index -= length;
        }
        None
    }
}

/// The positions of all quiet windows, as runs.
fn quiet_windows(samples: &[f32], window: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    // Indices of candidates for the window's highest and lowest sample, best first.
    let (mut high, mut low) = (VecDeque::new(), VecDeque::new());
    for (i, &x) in samples.iter().enumerate() {
        slide(&mut high, i, window, |j| samples[j] <= x);
        slide(&mut low, i, window, |j| samples[j] >= x);
        let Some(start) = (i + 1).checked_sub(window) else {
            continue;
        };
        if samples[high[0]] - samples[low[0]] < AMPLITUDE {
            match runs.last_mut() {
                Some(run) if run.end == start => run.end = start + 1,
                _ => runs.push(start..start + 1),
            }
        }
    }
    runs
}

/// Moves the window on to sample `i`: forgets what has left it and what `i` beats.
fn slide(candidates: &mut VecDeque<usize>, i: usize, window: usize, beaten: impl Fn(usize) -> bool) {
    while candidates.back().is_some_and(|&j| beaten(j)) {
        candidates.pop_back();
    }
    candidates.push_back(i);
    if candidates[0] + window <= i {
        candidates.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_quiet_quarter_makes_a_segment_silent() {
        let loud: Vec<f32> = (0..40_000).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 }).collect();
        assert!(!is_silent(&loud));
        assert!(is_silent(&[]));
        assert!(is_silent(&vec![0.3; 40_000]), "a constant makes no sound");
        let quiet = |range: Range<usize>| {
            let mut samples = loud.clone();
            samples[range].fill(0.00004);
            is_silent(&samples)
        };
        assert!(quiet(5_000..15_000), "a whole window");
        assert!(!quiet(5_001..14_999), "no whole window");
        assert!(quiet(30_000..40_000), "the last window");
        assert!(!quiet(1_000..10_999), "between two windows");
    }

    #[test]
    fn sounding_starts_are_those_of_the_rule() {
        let mut state = 9u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for case in 0..6 {
            // Bursts and rests of random length.
            let mut samples = Vec::new();
            while samples.len() < 30_000 {
                let (length, loud) = (next(6000) as usize, next(3) > 0);
                samples.extend((0..length).map(|_| if loud { next(1000) as f32 / 1000.0 } else { 0.0 }));
            }
            let len = [8_001, 12_000, 22_000, 400, 3, 16_003][case];
            let found = SoundingStarts::find(&samples, len);
            let ideal: Vec<u64> = (0..=samples.len() - len)
                .filter(|&s| !is_silent(&samples[s..s + len]))
                .map(|s| s as u64)
                .collect();
            assert!(
                found.count() == ideal.len() as u64,
                "{case}: {} of {}",
                found.count(),
                ideal.len()
            );
            let starts: Vec<u64> = found.ranges.iter().flat_map(|range| range.clone()).collect();
            assert!(starts == ideal);
            for i in [
                0,
                1,
                found.count() / 2,
                found.count().saturating_sub(1),
                found.count(),
            ] {
                assert_eq!(found.nth(i), ideal.get(i as usize).copied());
            }
        }
        assert_eq!(SoundingStarts::find(&[1.0, -1.0], 3).count(), 0);
        assert_eq!(SoundingStarts::find(&[1.0, -1.0], 0).count(), 0);
        assert_eq!(SoundingStarts::find(&[0.0; 50_000], 1000).count(), 0);
    }
}
