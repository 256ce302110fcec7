//! Where the judged segments lie.

use super::*;

#[test]
fn clips_are_where_the_indices_say() {
    let files = ["dict_triplet_1.json", "dict_triplet_2.json"].map(fixture);
    let clips = Clips::read(&files).unwrap();
    assert_eq!((clips.count(), clips.simulated()), (12, false));
    let judgements = answers();
    let clip = |track, start, end| Clip {
        track,
        start,
        end,
        rate: 44_100,
    };
    let piano = item(&judgements, "piano");
    // not seg × length: pieces begin elsewhere
    assert_eq!(
        clips.of(&piano.reference).unwrap(),
        clip(107, 6_135_975, 6_355_111)
    );
    assert_eq!(
        clips.of(&piano.samples[0]).unwrap(),
        clip(212, 8_546_304, 8_765_440),
        "Track00212, 44100.0"
    );
    assert_eq!(
        clips.of(&piano.samples[1]).unwrap(),
        clip(107, 1_753_088, 1_972_224),
        "text"
    );

    let triplets = clips
        .triplets(&Items::clear(&judgements, Criterion::default()).judged())
        .unwrap();
    let [piano, guitar, bass] = triplets[..] else {
        panic!("a mix is no triplet: {triplets:?}")
    };
    assert_eq!(
        (piano.instrument, guitar.instrument),
        (Instrument::Piano, Instrument::Guitar)
    );
    assert_eq!(piano.reference, clip(107, 6_135_975, 6_355_111));
    assert_eq!(
        (piano.positive.start, piano.negative.start),
        (1_753_088, 8_546_304),
        "Y won"
    );
    assert_eq!(
        (piano.agreeing, piano.disagreeing, piano.positive_is_own),
        (4, 1, Some(true))
    );
    // C won, and the name of X follows from its segment
    assert_eq!(
        (
            guitar.positive.track,
            guitar.negative.track,
            guitar.reference.track
        ),
        (212, 107, 107)
    );
    assert_eq!((guitar.agreeing, guitar.positive_is_own), (2, Some(false)));
    assert_eq!(
        (guitar.condition(), bass.condition()),
        (Condition::OneShared, Condition::AllDiff)
    );
    assert_eq!(
        (bass.positive.track, bass.agreeing, bass.disagreeing),
        (331, 4, 0)
    );

    let one = Clips::read(&files[1..]).unwrap();
    let message = one
        .triplets(&Items::clear(&judgements, Criterion::default()).judged())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("set2/0/") && message.contains("JSON"),
        "{message}"
    );
    let bass = item(&judgements, "bass");
    let judged = |sides| Judged {
        item: bass.clone(),
        sides,
    };
    let [bass] = clips.triplets(&[judged([2, 1])]).unwrap()[..] else {
        panic!("one triplet")
    };
    assert_eq!(
        (bass.positive.track, bass.agreeing, bass.positive_is_own),
        (77, 2, None)
    );
}

/// At any rate, clips of one length have middles as far from their beginnings, wherever in a piece they are.
#[test]
fn the_middle_of_a_clip_depends_on_its_length_alone() {
    for start in 1_000..1_003 {
        let clip = Clip {
            track: 1,
            start,
            end: start + 441,
            rate: 44_100,
        };
        assert_eq!((clip.samples(44_100), clip.samples(22_050)), (441, 220));
        assert_eq!(clip.middle(44_100, 41), start + 200);
        assert_eq!(clip.middle(22_050, 41), start / 2 + 89);
        assert_eq!(
            clip.middle(44_100, 500),
            start,
            "no longer than what is heard of it"
        );
    }
}

#[test]
fn broken_clips_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    let text = fs::read_to_string(fixture("dict_triplet_2.json")).unwrap();
    let refused = |text: &str, says: &[&str]| {
        fs::write(&path, text).unwrap();
        let message = Clips::read(&[fixture("dict_triplet_1.json"), path.clone()])
            .unwrap_err()
            .to_string();
        for says in [&["broken.json"], says].concat() {
            assert!(message.contains(says), "'{says}' is not in: {message}");
        }
    };
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let x = "set3/0/test2/mix/X";
    refused(&text[..text.len() / 2], &["line"]);
    refused("[]", &["object"]);
    refused("3", &["object"]);
    refused(
        &with("\"index_s\": 438272", "\"index_s\": -1"),
        &[x, "'index_s'", "-1"],
    );
    refused(
        &with("\"index_s\": 438272", "\"index_s\": 0.5"),
        &[x, "'index_s'", "0.5"],
    );
    refused(&with("\"index_s\": 438272, ", ""), &[x, "'index_s' is missing"]);
    refused(
        &with("\"index_e\": 657408", "\"index_e\": 438272"),
        &[x, "'index_e'"],
    );
    refused(&with("\"sr\": 44100", "\"sr\": 0"), &[x, "'sr'"]);
    refused(
        &with("\"ID\": 803", "\"ID\": \"Song 803\""),
        &[x, "'ID'", "Song 803"],
    );
    refused(&with("\"ID\": 803", "\"ID\": 804"), &[x, "804", "another piece"]);
    refused(
        &with("\"filename\": \"X_803-2.wav\"", "\"filename\": 2"),
        &[x, "'filename'"],
    );
    refused(&with("\"mix\"", "\"kazoo\""), &["set3/0/test2/kazoo", "kazoo"]);
    refused(&with("set3", "setting"), &["setting"]);
    refused(&with("\"0\"", "\"first\""), &["set3/first"]);
    // the same sample elsewhere
    let other = fs::read_to_string(fixture("dict_triplet_1.json"))
        .unwrap()
        .replace("5916843", "5916844");
    refused(&other, &["2/1/test2/bass/X", "elsewhere"]);
}
