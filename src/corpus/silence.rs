//! Where a stem sounds: the rule by which segments are chosen or left out.

use std::{collections::VecDeque, ops::Range};

/// Samples from one window of the rule to the next.
const STEP: usize = 5000;
/// Least peak-to-peak amplitude of a window that sounds.
pub(super) const AMPLITUDE: f32 = 1e-4;
/// Mean power above which a segment sounds for the norm loss.
const POWER: f64 = 1e-4;

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

/// Whether an instrument counts as sounding in a segment for the norm loss (Hashizume et al. 2025): its mean power is
/// above 1e-4, full scale being 1. Stricter on quiet stems than [`is_silent`], more lenient on rests.
pub fn has_power(segment: &[i16]) -> bool {
    let sum: i64 = segment.iter().map(|&x| i64::from(x) * i64::from(x)).sum();
    // a mean of no samples is no number, and compares as false
    sum as f64 / segment.len() as f64 > POWER * 32768.0 * 32768.0
}

/// All positions at which a segment begins that is not silent, as disjoint ascending ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoundingStarts {
    ranges: Vec<Range<u64>>,
    /// By range: how many positions lie in those before it.
    before: Vec<u64>,
    count: u64,
}

impl SoundingStarts {
    /// Every `start` for which `!is_silent(&samples[start..start + len])`, in time linear in the signal.
    pub fn find(samples: &[f32], len: usize) -> Self {
        Self::of(&QuietStretches::find(samples, window(len)), len).unwrap_or_default()
    }

    /// The same from what is known of the signal's quiet stretches; `None` if those that matter for segments of
    /// this length were too short to be listed, that is if `len / 4 < quiet.least()`.
    pub fn of(quiet: &QuietStretches, len: usize) -> Option<Self> {
        let (window, len) = (window(len) as u64, len as u64);
        if window < quiet.least {
            return None;
        }
        if len == 0 || quiet.frames < len {
            return Some(Self::default());
        }
        let starts = quiet.frames - len + 1;
        // A quiet window at t silences the segments that have one of their windows there.
        let mut silent = Vec::new();
        for offset in (0..=len - window).step_by(STEP) {
            for stretch in quiet.stretches.iter().filter(|s| s.end - s.start >= window) {
                let run = stretch.start.saturating_sub(offset)
                    ..(stretch.end - window + 1).saturating_sub(offset).min(starts);
                if run.start < run.end {
                    silent.push(run);
                }
            }
        }
        silent.sort_by_key(|run| (run.start, run.end));
        let (mut ranges, mut at) = (Vec::new(), 0);
        for run in silent {
            if at < run.start {
                ranges.push(at..run.start);
            }
            at = at.max(run.end);
        }
        if at < starts {
            ranges.push(at..starts);
        }
        Some(Self::from_ranges(ranges))
    }

    /// The positions at which at least one of `parts` sounds.
    pub fn union<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all: Vec<_> = parts
            .into_iter()
            .flat_map(|part| part.ranges.iter().cloned())
            .collect();
        all.sort_by_key(|range| range.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for range in all {
            match ranges.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => ranges.push(range),
            }
        }
        Self::from_ranges(ranges)
    }

    fn from_ranges(ranges: Vec<Range<u64>>) -> Self {
        let mut count = 0;
        let mut before = Vec::with_capacity(ranges.len());
        for range in &ranges {
            before.push(count);
            count += range.end - range.start;
        }
        Self {
            ranges,
            before,
            count,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Those that are multiples of `step`.
    pub fn multiples(&self, step: u64) -> Self {
        let of = |range: &Range<u64>| {
            let first = range.start.next_multiple_of(step);
            (first..range.end)
                .step_by(step as usize)
                .map(|start| start..start + 1)
        };
        Self::from_ranges(self.ranges.iter().flat_map(of).collect())
    }

    /// The `index`-th of them, in ascending order.
    pub fn nth(&self, index: u64) -> Option<u64> {
        let after = self.before.partition_point(|&before| before <= index);
        let range = (index < self.count).then(|| after - 1)?;
        Some(self.ranges[range].start + (index - self.before[range]))
    }

    /// How many of them lie before `start`.
    pub fn rank(&self, start: u64) -> u64 {
        let range = self.ranges.partition_point(|range| range.end <= start);
        self.ranges.get(range).map_or(self.count, |next| {
            self.before[range] + start.saturating_sub(next.start)
        })
    }

    /// Whether `start` is one of them.
    pub fn contains(&self, start: u64) -> bool {
        let range = self.ranges.partition_point(|range| range.end <= start);
        self.ranges.get(range).is_some_and(|next| next.start <= start)
    }
}

/// The stretches of a signal in which the highest and the lowest sample differ by less than 1e-4: each as long as
/// it can be, so that a window is quiet exactly if one of them holds all of it. They may overlap. From these,
/// [`SoundingStarts`] follow for segments of any length that is at least four times that of the shortest stretch
/// listed, without the signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuietStretches {
    frames: u64,
    least: u64,
    stretches: Vec<Range<u64>>,
}

impl QuietStretches {
    /// The stretches of at least `least` samples, in time linear in the signal.
    pub fn find(samples: &[f32], least: usize) -> Self {
        let least = least.max(1) as u64;
        let mut stretches = Vec::new();
        // The longest quiet stretch that ends before sample i begins at `start`.
        let mut start = 0;
        let mut emit = |range: Range<usize>| {
            let range = range.start as u64..range.end as u64;
            if range.end - range.start >= least {
                stretches.push(range);
            }
        };
        // Indices of candidates for the stretch's highest and lowest sample, best first.
        let (mut high, mut low) = (VecDeque::new(), VecDeque::new());
        for (i, &x) in samples.iter().enumerate() {
            admit(&mut high, i, |j| samples[j] <= x);
            admit(&mut low, i, |j| samples[j] >= x);
            if samples[high[0]] - samples[low[0]] < AMPLITUDE {
                continue;
            }
            emit(start..i);
            while samples[high[0]] - samples[low[0]] >= AMPLITUDE {
                start += 1;
                for candidates in [&mut high, &mut low] {
                    if candidates[0] < start {
                        candidates.pop_front();
                    }
                }
            }
        }
        emit(start..samples.len());
        QuietStretches {
            frames: samples.len() as u64,
            least,
            stretches,
        }
    }

    /// What [`QuietStretches::find`] found in a signal of `frames` samples.
    pub fn from_parts(frames: u64, least: u64, stretches: Vec<Range<u64>>) -> Self {
        QuietStretches {
            frames,
            least,
            stretches,
        }
    }

    /// Length of the signal.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Length of the shortest stretches that are listed.
    pub fn least(&self) -> u64 {
        self.least
    }

    /// The stretches; their starts and their ends ascend.
    pub fn stretches(&self) -> &[Range<u64>] {
        &self.stretches
    }
}

/// Appends sample `i`, and forgets what it beats.
fn admit(candidates: &mut VecDeque<usize>, i: usize, beaten: impl Fn(usize) -> bool) {
    while candidates.back().is_some_and(|&j| beaten(j)) {
        candidates.pop_back();
    }
    candidates.push_back(i);
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
    fn power_counts_rests_and_levels_together() {
        assert!(!has_power(&[]));
        assert!(!has_power(&[0; 100]));
        // 0.01 of full scale is 327.68
        assert!(has_power(&[328, -328]) && !has_power(&[327, -327]));
        let mut rest = [0i16; 1000];
        rest[..10].fill(3300);
        assert!(has_power(&rest), "a loud hit in a rest");
        rest[..10].fill(3200);
        assert!(!has_power(&rest));
        assert!(has_power(&[i16::MIN; 4096]));
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
            let quiet = QuietStretches::find(&samples, 50);
            match len {
                3 => assert!(SoundingStarts::of(&quiet, len).is_none()),
                _ => assert_eq!(SoundingStarts::of(&quiet, len).as_ref(), Some(&found)),
            }
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
            for start in (0..30_000).step_by(7) {
                assert_eq!(found.contains(start), ideal.binary_search(&start).is_ok());
                assert_eq!(found.rank(start), ideal.partition_point(|&s| s < start) as u64);
            }
        }
        assert_eq!(SoundingStarts::find(&[1.0, -1.0], 3).count(), 0);
        assert_eq!(SoundingStarts::find(&[1.0, -1.0], 0).count(), 0);
        assert_eq!(SoundingStarts::find(&[0.0; 50_000], 1000).count(), 0);
    }

    #[test]
    fn a_union_holds_what_any_part_holds() {
        let of = |ranges: &[Range<u64>]| SoundingStarts::from_ranges(ranges.to_vec());
        let union = SoundingStarts::union([&of(&[2..5, 9..12]), &of(&[]), &of(&[5..6, 10..11, 11..20])]);
        assert_eq!(union, of(&[2..6, 9..20]));
        assert_eq!(union.count(), 15);
        assert_eq!(SoundingStarts::union([]), SoundingStarts::default());
    }
}
