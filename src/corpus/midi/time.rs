//! Tempos, and when things are.

use std::collections::BTreeMap;

use midly::{MetaMessage, Smf, TrackEventKind};

/// Microseconds per quarter note where a file says nothing.
const DEFAULT_TEMPO: u64 = 500_000;

/// Of the tempos that a piece has, in beats a minute, the one that holds for the longest time; of equals, the first.
pub(super) fn tempo(smf: &Smf) -> f64 {
    let (changes, end) = tempo_changes(smf);
    // Time, in microseconds times the ticks of a quarter note, that each tempo holds for; and where it first does.
    let mut held: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let (mut since, mut tempo) = (0, DEFAULT_TEMPO);
    for (tick, next) in changes.into_iter().chain([(end.max(1), DEFAULT_TEMPO)]) {
        let until = tick.min(end.max(1));
        if until > since {
            let entry = held.entry(tempo).or_insert((0, since));
            entry.0 = entry.0.saturating_add((until - since).saturating_mul(tempo));
        }
        (since, tempo) = (until, next);
    }
    let longest = held
        .into_iter()
        .max_by_key(|&(_, (time, first))| (time, std::cmp::Reverse(first)));
    60e6 / longest.map_or(DEFAULT_TEMPO, |(tempo, _)| tempo) as f64
}

/// Microseconds a quarter note by the tick from which on they hold, and the tick at which the piece ends.
fn tempo_changes(smf: &Smf) -> (BTreeMap<u64, u64>, u64) {
    let mut changes = BTreeMap::new();
    let mut end = 0u64;
    for track in &smf.tracks {
        let mut tick = 0u64;
        for event in track {
            tick += u64::from(event.delta.as_int());
            if let TrackEventKind::Meta(MetaMessage::Tempo(tempo)) = event.kind
                && tempo.as_int() > 0
            {
                changes.insert(tick, u64::from(tempo.as_int()));
            }
        }
        end = end.max(tick);
    }
    (changes, end)
}

/// When each tick is, in seconds from the start.
pub(crate) struct TempoMap {
    ticks_per_beat: f64,
    /// First tick of every tempo, when that is in microseconds times the ticks of a quarter note, and the tempo.
    tempos: Vec<(u64, f64, u64)>,
}

impl TempoMap {
    pub fn new(smf: &Smf, ticks_per_beat: u64) -> Self {
        let (mut since, mut time, mut tempo) = (0, 0.0, DEFAULT_TEMPO);
        let mut tempos = vec![(since, time, tempo)];
        for (tick, next) in tempo_changes(smf).0 {
            time += (tick - since) as f64 * tempo as f64;
            (since, tempo) = (tick, next);
            tempos.push((since, time, tempo));
        }
        TempoMap {
            ticks_per_beat: ticks_per_beat as f64,
            tempos,
        }
    }

    pub fn seconds(&self, tick: u64) -> f64 {
        let (since, time, tempo) = self.tempos[self.tempos.partition_point(|t| t.0 <= tick) - 1];
        (time + (tick - since) as f64 * tempo as f64) / self.ticks_per_beat / 1e6
    }
}
