//! Files that the format forbids, and that players play.

use super::*;

/// A chunk by name, content and the length that it claims.
fn chunk(name: &[u8; 4], length: u32, content: &[u8]) -> Vec<u8> {
    [&name[..], &length.to_be_bytes(), content].concat()
}

fn track_chunk(content: &[u8]) -> Vec<u8> {
    chunk(b"MTrk", content.len() as u32, content)
}

fn header(format: u8, tracks: u8, division: [u8; 2]) -> Vec<u8> {
    chunk(b"MThd", 6, &[0, format, 0, tracks, division[0], division[1]])
}

/// Ticks of a quarter note, 480: half a second.
const TICKS: [u8; 2] = [0x01, 0xE0];
const END: &[u8] = b"\x00\xFF\x2F\x00";

/// After half a second a note of a quarter of a second, and after a second and a half another. `key` makes every file
/// music of its own; `between` stands in between, and what follows it has no status.
fn two_notes(key: u8, between: &[u8]) -> Vec<u8> {
    let first = [0x83, 0x60, 0x90, key, 0x64, 0x81, 0x70];
    let second = [key, 0x00, 0x85, 0x50, key + 1, 0x64, 0x81, 0x70, key + 1, 0x00];
    [&first[..], between, &second].concat()
}

fn one_track(key: u8, between: &[u8]) -> Vec<u8> {
    track_chunk(&[&two_notes(key, between), END].concat())
}

fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// Name, bytes, and a part of what is said of it, if anything.
fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let plain = |key| one_track(key, b"");
    let one = || header(0, 1, TICKS);
    let cut = |key, by: usize| {
        let mut bytes = whole(&[one(), plain(key)]);
        bytes.truncate(bytes.len() - by);
        bytes
    };
    // 25 frames of 40 ticks: a tick is a millisecond; and a tempo, which has no part in it
    let film = [
        &b"\x00\xFF\x51\x03\x01\x00\x00\x83\x74\x90\x45\x64\x81\x7A\x45\x00"[..],
        b"\x85\x6E\x46\x64\x81\x7A\x46\x00",
        END,
    ]
    .concat();
    let riff = |chunks: &[&[u8]]| {
        let chunks = chunks.concat();
        [
            b"RIFF",
            &(chunks.len() as u32 + 4).to_le_bytes()[..],
            b"RMID",
            &chunks,
        ]
        .concat()
    };
    let inner = whole(&[one(), plain(47)]);
    let list = b"LIST\x0F\0\0\0INFOINAM\x03\0\0\0abc\0";
    let data = [b"data", &(inner.len() as u32).to_le_bytes()[..], &inner].concat();
    // nobody filled in the lengths
    let endless = |length, key| chunk(b"MTrk", length, &[&two_notes(key, b""), END].concat());
    let mut sequential = header(2, 2, TICKS);
    let half = |key| {
        let note = [0x83, 0x60, 0x90, key, 0x64, 0x81, 0x70, key, 0, 0x81, 0x70];
        track_chunk(&[&note, &END[1..]].concat())
    };
    sequential.extend([half(78), half(79)].concat());
    vec![
        ("as it should be.mid", whole(&[one(), plain(36)]), ""),
        (
            "status behind a text.mid",
            whole(&[one(), one_track(37, b"\xFF\x01\x02hi\x00")]),
            "",
        ),
        (
            "status behind a message.mid",
            whole(&[one(), one_track(38, b"\xF0\x05\x7E\x7F\x09\x01\xF7\x00")]),
            "",
        ),
        (
            "value of 255.mid",
            whole(&[one(), one_track(39, b"\xB0\x07\xFF\x00\x90\x00\x00\x00")]),
            "",
        ),
        (
            "of cables.mid",
            whole(&[
                one(),
                one_track(40, b"\xF8\x00\xF1\x7F\x00\xF2\x01\x02\x00\xFE\x00"),
            ]),
            "",
        ),
        (
            "five bytes.mid",
            whole(&[
                one(),
                one_track(41, b"\xFF\x01\x80\x80\x80\x80\x02hi\x80\x80\x80\x80\x00"),
            ]),
            "",
        ),
        (
            "unknown chunks.mid",
            whole(&[
                one(),
                chunk(b"XFIH", 3, b"abc"),
                plain(42),
                chunk(b"XFKM", 1, b"d"),
            ]),
            "",
        ),
        (
            "more tracks.mid",
            whole(&[header(1, 1, TICKS), plain(43), plain(44)]),
            "",
        ),
        (
            "fewer tracks.mid",
            whole(&[header(1, 3, TICKS), plain(45)]),
            "1 of the 3 tracks",
        ),
        (
            "frames.mid",
            whole(&[header(0, 1, [0xE7, 0x28]), track_chunk(&film)]),
            "",
        ),
        ("list first.rmi", riff(&[&list[..], &data]), ""),
        (
            "no end.mid",
            whole(&[one(), track_chunk(&two_notes(48, b""))]),
            "",
        ),
        // before the end mark, and within it
        ("cut.mid", cut(49, 4), "cut short in track 1"),
        (
            "cut in an event.mid",
            cut(50, 1),
            "ends within an event, of which 3 bytes",
        ),
        (
            "length 0.mid",
            whole(&[header(1, 2, TICKS), endless(0, 52), plain(53)]),
            "",
        ),
        (
            "length of all.mid",
            whole(&[header(1, 2, TICKS), endless(u32::MAX, 54), plain(55)]),
            "",
        ),
        (
            "length too large.mid",
            whole(&[header(1, 2, TICKS), endless(30, 56), plain(57)]),
            "",
        ),
        ("format 2.mid", sequential, ""),
    ]
}

#[test]
fn what_others_play_is_played_at_its_time() {
    let files = files();
    let pieces: Vec<_> = files
        .iter()
        .map(|(name, bytes, _)| (*name, bytes.clone()))
        .collect();
    let workshop = Workshop::new(&pieces);
    let summary = workshop.render();
    assert_eq!(summary.written, files.len(), "{:#?}", summary.notices);
    let expected: BTreeMap<_, _> = files
        .iter()
        .filter(|f| !f.2.is_empty())
        .map(|f| (f.0, f.2))
        .collect();
    assert_eq!(summary.notices.len(), expected.len(), "{:#?}", summary.notices);
    for notice in &summary.notices {
        let wanted = expected[notice.source.as_str()];
        assert!(notice.message.contains(wanted) && !notice.skipped, "{notice:?}");
    }
    for track in workshop.tracks() {
        let name = metadata(&track).lmd_midi_dir;
        let found = onsets(&stem(&track, 0));
        assert_eq!(found.len(), 2, "{name}: {found:?}");
        for (found, seconds) in found.into_iter().zip([0.5, 1.5]) {
            let late = found as i64 - (seconds * RATE) as i64;
            assert!(LATE.contains(&late), "{name}: {late} late");
        }
        // the piece as it was reads again, and so does what the stem plays of it
        for midi in [track.path.join("all_src.mid"), track.path.join("MIDI/S00.mid")] {
            let mut times = read_note_times(&midi).unwrap();
            times.sort_by(|a, b| a.start.total_cmp(&b.start));
            times.dedup_by(|a, b| (a.start - b.start).abs() < 1e-9);
            let starts: Vec<_> = times
                .iter()
                .map(|time| (time.start * 1e9).round() / 1e9)
                .collect();
            assert_eq!(starts, [0.5, 1.5], "{name}");
        }
        let tempo = read_tempo(&track.path.join("all_src.mid"));
        match name.as_str() {
            "frames.mid" => assert!(tempo.unwrap_err().to_string().contains("frames of a film")),
            _ => assert_eq!(tempo.unwrap(), 120.0, "{name}"),
        }
    }
}

#[test]
fn thirty_drop_frames_last_a_thousandth_longer_than_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mid");
    // 29: 30 frames of 80 ticks in 1.001 s; a note from tick 2400 on
    let note = b"\x92\x60\x90\x45\x64\x81\x70\x45\x00";
    fs::write(&path, whole(&[header(0, 1, [0xE3, 80]), track_chunk(note)])).unwrap();
    let times = read_note_times(&path).unwrap();
    assert!((times[0].start - 1.001).abs() < 1e-9, "{times:?}");
}
