//! What is heard: notes, programs, tempo, loudness.

use super::*;

#[test]
fn a_change_of_program_moves_later_notes_to_another_stem() {
    // half a second a beat; the first note is held across the change
    let (_workshop, track) = rendered(piece(&[vec![
        (0, on(3, 60)),
        (480, change(3, 24)),
        (960, on(3, 64)),
        (1440, off(3, 60)),
        (1920, off(3, 64)),
        (2400, change(3, 0)),
        (2880, on(3, 67)),
        (3360, off(3, 67)),
    ]]));
    let (piano, guitar) = (stem(&track, 0), stem(&track, 24));
    let heard = |samples: &[i32]| [0.25, 0.75, 1.25, 1.75, 2.25, 3.25].map(|t| sounds(samples, t));
    assert_eq!(heard(&piano), [true, true, true, false, false, true]);
    assert_eq!(heard(&guitar), [false, false, true, true, false, false]);
    assert_eq!(notes(&track.path.join("MIDI/S00.mid")), [(3, 60), (3, 67)]);
    assert_eq!(notes(&track.path.join("MIDI/S01.mid")), [(3, 64)]);
}

#[test]
fn onsets_lie_where_the_tempo_map_says() {
    // a beat lasts 0.5 s, from beat 2 on 1 s, from beat 4 on 0.3 s
    let conductor = vec![
        (0, tempo(500_000)),
        (960, tempo(1_000_000)),
        (1920, tempo(300_000)),
    ];
    let ticks = [0, 477, 960, 1451, 1920, 2399, 3001];
    let notes = ticks
        .iter()
        .flat_map(|&tick| [(tick, on(0, 69)), (tick + 200, off(0, 69))]);
    let drums = vec![(1440, on(9, 40)), (1500, off(9, 40))];
    let (_workshop, track) = rendered(piece(&[notes.collect(), drums, conductor]));
    let seconds = |tick: u32| {
        let beats = f64::from(tick) / 480.0;
        0.5 * beats.min(2.0) + (beats.min(4.0) - 2.0).max(0.0) + 0.3 * (beats - 4.0).max(0.0)
    };
    let found = onsets(&stem(&track, 0));
    assert_eq!(found.len(), ticks.len(), "{found:?}");
    for (tick, found) in ticks.into_iter().zip(found) {
        let wanted = (seconds(tick) * RATE).round() as usize;
        assert!(
            LATE.contains(&(found as i64 - wanted as i64)),
            "{found} for {wanted}"
        );
    }
    let drum = onsets(&stem(&track, 128))[0];
    assert!(LATE.contains(&(drum as i64 - 2 * 44_100)), "{drum}");
}

#[test]
fn channel_messages_reach_the_stem() {
    let bend = |value: u16| MidiMessage::PitchBend {
        bend: PitchBend(value.into()),
    };
    // a second a beat. Key 69 has 441 Hz: 441 sign changes in half a second
    let (_workshop, track) = rendered(piece(&[vec![
        (0, tempo(1_000_000)),
        (0, on(0, 69)),
        (480, control(0, 101, 0)),
        (480, control(0, 100, 0)),
        (480, control(0, 6, 12)),
        (480, midi(0, bend(16_383))),
        (960, midi(0, bend(8192))),
        (960, control(0, 7, 0)),
        (1440, control(0, 7, 127)),
        (1440, control(0, 64, 127)),
        (1450, off(0, 69)),
        (2400, control(0, 64, 0)),
        (2880, on(0, 69)),
        (3360, control(0, 120, 0)),
        (3840, off(0, 69)),
        // struck again at its end: whichever of the two comes first, it sounds on
        (4320, on(0, 69)),
        (4800, on(0, 69)),
        (4800, off(0, 69)),
        (5280, off(0, 69)),
        (5280, on(0, 69)),
        (5760, off(0, 69)),
        // to ring out, or not
        (6240, on(0, 69)),
    ]]));
    let samples = stem(&track, 0);
    let near = |found: usize, wanted: usize| found.abs_diff(wanted) <= 2;
    assert!(
        near(crossings(&samples, 0.25), 441),
        "{}",
        crossings(&samples, 0.25)
    );
    assert!(
        near(crossings(&samples, 1.25), 882),
        "an octave of bend: {}",
        crossings(&samples, 1.25)
    );
    let heard = [2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5].map(|t| sounds(&samples, t));
    assert_eq!(
        heard,
        [
            false, true, true, false, true, false, false, true, true, true, false
        ],
        "volume, pedal, all sound off, repeated notes"
    );
}

#[test]
fn loudness_is_what_was_asked_for() {
    let long = piece(&[vec![(0, on(0, 69)), (4800, off(0, 69))]]);
    let workshop = |loudness| {
        let mut workshop = Workshop::new(&[("a.mid", long.clone())]);
        workshop.options.loudness = loudness;
        workshop.render();
        let metadata = metadata(&workshop.tracks()[0]);
        let mix = wav(&workshop.tracks()[0].mix_path().unwrap());
        let peak = 20.0 * (mix.iter().map(|x| x.abs()).max().unwrap() as f64 / 32_767.0).log10();
        (metadata.stems["S00"].integrated_loudness, peak)
    };
    // A sine of 441 Hz: its power, weighted by almost nothing there. −0.691 is the standard's offset.
    let (loudness, peak) = workshop(-20.0);
    assert!((loudness + 20.0).abs() < 0.02, "{loudness} LUFS");
    assert!((peak - (loudness + 3.01 + 0.691)).abs() < 0.6, "{peak} dBFS");
    // where it would be louder than −1 dBFS, the peak decides
    let (loudness, peak) = workshop(-5.0);
    assert!(
        (-6.0..-4.5).contains(&loudness) && peak <= -0.99,
        "{loudness} LUFS, {peak} dBFS"
    );
}

#[test]
fn what_a_soundfont_lacks_is_played_by_a_relative_or_by_nobody() {
    let song = piece(&[
        vec![(0, change(0, 27)), (0, on(0, 60)), (480, off(0, 60))],
        vec![(0, change(1, 73)), (0, on(1, 60)), (480, off(1, 60))],
        vec![(0, change(9, 48)), (0, on(9, 60)), (480, off(9, 60))],
    ]);
    let workshop = Workshop::new(&[("a.mid", song)]);
    let summary = workshop.render();
    assert_eq!((summary.written, summary.notices.len()), (1, 1));
    let message = &summary.notices[0].message;
    assert!(
        message.contains("Flute") && !summary.notices[0].skipped,
        "{message}"
    );
    let track = &workshop.tracks()[0];
    let metadata = metadata(track);
    let rendered: Vec<_> = metadata
        .stems
        .values()
        .map(|s| (s.program_num, s.audio_rendered))
        .collect();
    assert_eq!(rendered, [(27, Some(true)), (73, Some(false)), (128, Some(true))]);
    assert_eq!(track.stems().unwrap().missing, ["S01"]);
    assert!(sounds(&stem(track, 27), 0.2) && sounds(&stem(track, 128), 0.2));
}
