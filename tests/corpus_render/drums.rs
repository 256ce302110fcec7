//! Drum kits on other channels than the tenth.

use super::*;

fn exclusive(data: &'static [u8]) -> Kind {
    TrackEventKind::SysEx(data)
}

/// Channel 11 becomes a rhythm part of GS: block A, map 2.
const GS_DRUMS: &[u8] = b"\x41\x10\x42\x12\x40\x1A\x15\x02\x0F\xF7";

#[test]
fn drums_by_a_message_or_a_bank_have_a_stem_of_their_own() {
    let hits = |channel| [(480, on(channel, 56)), (720, off(channel, 56))];
    let piano = vec![(0, change(0, 0)), (1440, on(0, 57)), (1680, off(0, 57))];
    let by_message = [
        vec![(0, exclusive(GS_DRUMS)), (0, change(10, 0))],
        hits(10).to_vec(),
    ]
    .concat();
    let by_bank = |bank| {
        let set = vec![(0, control(3, 0, bank)), (0, change(3, 0))];
        [set, hits(3).to_vec()].concat()
    };
    for (how, drums) in [
        ("GS", by_message),
        ("XG", by_bank(127)),
        ("effects of XG", by_bank(126)),
        ("GM2", by_bank(120)),
    ] {
        // the piano's track comes first: what is on at a moment is decided by time, not by tracks
        let (_workshop, track) = rendered(piece(&[piano.clone(), drums]));
        let programs: Vec<_> = metadata(&track)
            .stems
            .into_values()
            .map(|s| s.program_num)
            .collect();
        assert_eq!(programs, [0, 128], "{how}");
        let heard = |program| [0.6, 1.6].map(|t| sounds(&stem(&track, program), t));
        assert_eq!((heard(128), heard(0)), ([true, false], [false, true]), "{how}");
        assert_eq!(notes(&track.path.join("MIDI/S01.mid")).len(), 1, "{how}");
        // and whoever reads the stem's MIDI finds drums there
        let own = read_content_hash(&track.path.join("MIDI/S01.mid")).unwrap();
        assert_eq!(own, content(&hits(9)), "{how}");
    }
}

/// What a piece of these events is known by.
fn content(hits: &[(u32, Kind)]) -> [u8; 32] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mid");
    fs::write(&path, piece(&[hits.to_vec()])).unwrap();
    read_content_hash(&path).unwrap()
}

#[test]
fn two_drum_kits_do_not_share_a_channel() {
    // the volume of the one is not that of the other, and a kit is one on any channel
    let (_workshop, track) = rendered(piece(&[
        vec![(0, control(9, 7, 0)), (480, on(9, 56)), (720, off(9, 56))],
        vec![(0, exclusive(GS_DRUMS)), (960, on(10, 56)), (1200, off(10, 56))],
    ]));
    let samples = stem(&track, 128);
    assert_eq!([0.6, 1.1].map(|t| sounds(&samples, t)), [false, true]);
    // a channel 10 that is none any more is a piano
    let melody = b"\x41\x10\x42\x12\x40\x10\x15\x00\x1B\xF7";
    let (_workshop, track) = rendered(piece(&[vec![
        (0, exclusive(melody)),
        (0, on(9, 60)),
        (480, off(9, 60)),
    ]]));
    assert!(sounds(&stem(&track, 0), 0.2));
}
