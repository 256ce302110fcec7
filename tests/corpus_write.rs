//! A written track, as a reader of it sees it.

use std::{fs, path::Path};

use midly::{MetaMessage, MidiMessage, Smf, TrackEventKind};
use stemwise::{
    corpus::Metadata,
    generate::write::{NewStem, NewTrack, Note},
};

fn wav(path: &Path) -> Vec<i32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!(
        (spec.channels, spec.sample_rate, spec.bits_per_sample),
        (1, 44_100, 16)
    );
    reader.samples::<i32>().map(|x| x.unwrap()).collect()
}

/// Tempo (beats a minute), channel and note onsets in seconds of a MIDI file.
fn notes(path: &Path) -> (f64, Vec<(u8, f64)>) {
    let bytes = fs::read(path).unwrap();
    let smf = Smf::parse(&bytes).unwrap();
    let midly::Timing::Metrical(ticks) = smf.header.timing else {
        panic!("metrical time is expected")
    };
    let (mut micros, mut onsets) = (0.0, Vec::new());
    for track in &smf.tracks {
        let mut now = 0u64;
        for event in track {
            now += event.delta.as_int() as u64;
            match event.kind {
                TrackEventKind::Meta(MetaMessage::Tempo(t)) => micros = t.as_int() as f64,
                TrackEventKind::Midi {
                    channel,
                    message: MidiMessage::NoteOn { vel, .. },
                } if vel > 0 => {
                    onsets.push((
                        channel.as_int(),
                        now as f64 / ticks.as_int() as f64 * micros / 1e6,
                    ));
                }
                _ => {}
            }
        }
    }
    (60e6 / micros, onsets)
}

fn stem(program: u16, samples: Vec<f32>) -> NewStem {
    let note = |start_beats| Note {
        start_beats,
        beats: 2.0,
        key: 60,
        velocity: 90,
    };
    NewStem {
        program,
        program_name: format!("Program {program}: \"x\" # y"),
        inst_class: "None".into(),
        plugin_name: "no".into(),
        samples,
        notes: vec![note(0.0), note(1.0), note(4.0)],
    }
}

fn track(stems: Vec<NewStem>) -> NewTrack {
    let uuid = "0123".into();
    NewTrack {
        number: 12,
        split: "train".into(),
        stems,
        tempo_bpm: 120.0,
        beats_per_bar: 3,
        uuid,
    }
}

#[test]
fn a_track_of_stems_that_cancel_does_not_clip() {
    let wave: Vec<f32> = (0..4410).map(|i| (i as f32 * 0.05).sin() * 20.0).collect();
    let counter: Vec<f32> = wave.iter().map(|x| -0.999 * x).collect();
    let folder = tempfile::tempdir().unwrap();
    let new = track(vec![stem(128, wave), stem(0, counter), stem(33, vec![0.0; 4410])]);
    new.write(folder.path()).unwrap();
    let written = new.folder(folder.path());
    let text = fs::read_to_string(written.join("metadata.yaml")).unwrap();
    let metadata = Metadata::parse(&text).unwrap();
    assert_eq!(
        (metadata.uuid.as_str(), metadata.stems["S01"].plugin_name.as_str()),
        ("0123", "no")
    );
    assert_eq!(metadata.stems["S01"].midi_program_name, "Program 0: \"x\" # y");
    assert_eq!(metadata.stems["S02"].integrated_loudness, -120.0);
    let [a, b] = ["S00", "S01"].map(|name| wav(&written.join(format!("stems/{name}.wav"))));
    assert!(a.iter().map(|x| x.abs()).max() <= Some(32_767));
    let sum: Vec<i32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    assert_eq!(sum, wav(&written.join("mix.wav")));
    // Three onsets of one key, the first cut short by the second, and a second writing refused.
    let (tempo, onsets) = notes(&written.join("MIDI/S01.mid"));
    assert_eq!((tempo, onsets), (120.0, vec![(0, 0.0), (0, 0.5), (0, 2.0)]));
    assert!(
        new.write(folder.path())
            .unwrap_err()
            .to_string()
            .contains("exists")
    );
}

#[test]
fn a_track_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = || stem(0, vec![0.1; 100]);
    let mut nan = good();
    nan.samples[7] = f32::NAN;
    let wrong = [
        (track(vec![]), "no stems"),
        (track(vec![good(), stem(1, vec![0.1; 99])]), "S01 has 99 samples"),
        (track(vec![nan]), "sample 7"),
        (track(vec![stem(129, vec![0.1; 100])]), "program 129"),
        (
            NewTrack {
                tempo_bpm: 0.0,
                ..track(vec![good()])
            },
            "tempo",
        ),
        (
            NewTrack {
                number: 100_000,
                ..track(vec![good()])
            },
            "number",
        ),
    ];
    for (track, what) in wrong {
        let error = track.write(folder.path()).unwrap_err().to_string();
        assert!(error.contains(what), "'{error}' does not say '{what}'");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
