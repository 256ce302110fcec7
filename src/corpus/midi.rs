//! What is read of a piece's MIDI file.

use std::{collections::BTreeMap, fs, path::Path};

use midly::{MetaMessage, Smf, Timing, TrackEventKind};

use super::CorpusError;

/// Microseconds per quarter note where a file says nothing.
const DEFAULT_TEMPO: u64 = 500_000;

/// The tempo of a MIDI file in quarter notes a minute: of those it has, the one that holds for the longest time; of
/// equals, the first.
///
/// # Errors
/// [`CorpusError::Io`]; [`CorpusError::Midi`] for what is no MIDI file, or has no tempo (its time is counted in
/// frames of a film).
pub fn read_tempo(path: &Path) -> Result<f64, CorpusError> {
    let bytes = fs::read(path).map_err(|source| CorpusError::Io {
        what: "read",
        path: path.into(),
        source,
    })?;
    tempo(&bytes).map_err(|message| CorpusError::Midi {
        path: path.into(),
        message,
    })
}

fn tempo(bytes: &[u8]) -> Result<f64, String> {
    let smf = Smf::parse(bytes).map_err(|error| error.to_string())?;
    let Timing::Metrical(_) = smf.header.timing else {
        return Err("its time is counted in frames of a film, not in beats".to_string());
    };
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
    Ok(60e6 / longest.map_or(DEFAULT_TEMPO, |(tempo, _)| tempo) as f64)
}

#[cfg(test)]
mod tests {
    use midly::{Format, Header, TrackEvent};

    use super::*;

    fn file(timing: Timing, events: &[(u32, Option<u32>)]) -> Vec<u8> {
        let event = |&(delta, tempo): &(u32, Option<u32>)| TrackEvent {
            delta: delta.into(),
            kind: TrackEventKind::Meta(match tempo {
                Some(tempo) => MetaMessage::Tempo(tempo.into()),
                None => MetaMessage::EndOfTrack,
            }),
        };
        let mut smf = Smf::new(Header::new(Format::SingleTrack, timing));
        smf.tracks.push(events.iter().map(event).collect());
        let mut bytes = Vec::new();
        smf.write_std(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_tempo_that_holds_longest() {
        let timing = Timing::Metrical(480.into());
        let of = |events: &[(u32, Option<u32>)]| tempo(&file(timing, events)).unwrap();
        assert_eq!(of(&[(0, None)]), 120.0, "the default, even of an empty piece");
        assert_eq!(of(&[(0, Some(400_000)), (960, None)]), 150.0);
        // 120 for 3 beats (1.5 s), then 60 for 2 (2 s)
        let two = [(0, Some(500_000)), (1440, Some(1_000_000)), (960, None)];
        assert_eq!(of(&two), 60.0, "by time, not by beats");
        // the last change at one tick counts; a change at the end holds for no time
        let same = [
            (0, Some(500_000)),
            (0, Some(250_000)),
            (480, Some(900_000)),
            (0, None),
        ];
        assert_eq!(of(&same), 240.0);
        assert!(tempo(b"MThd").is_err());
        let film = Timing::Timecode(midly::Fps::Fps25, 40);
        assert!(tempo(&file(film, &[(0, None)])).unwrap_err().contains("film"));
    }
}
