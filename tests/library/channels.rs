//! Channels that cancel one another.

use super::*;

fn scaled(samples: &[f32], by: f32) -> Vec<f32> {
    samples.iter().map(|x| x * by).collect()
}

/// What is described by one channel, and as what it is known to be like.
#[test]
fn opposite_channels_are_described_by_the_loudest() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 0);
    let (a, b) = (song(3, 2.2), song(8, 2.2));
    let file = |name: &str, channels: &[&[f32]]| wav_of(&root.join(name), channels);
    // a channel alone is what it is compared with
    file("mono.wav", &[&a]);
    file("mono-louder.wav", &[&scaled(&a, -1.1)]);
    file("mono-b.wav", &[&b]);
    file("opposite.wav", &[&a, &scaled(&a, -1.0)]);
    file("nearly.wav", &[&a, &scaled(&a, -0.95)]);
    file("louder.wav", &[&a, &scaled(&a, -1.1)]);
    let half: Vec<f32> = a
        .iter()
        .enumerate()
        .map(|(i, x)| if i < 50_000 { *x } else { -x })
        .collect();
    file("half.wav", &[&a, &half]);
    let (minus_a, minus_b) = (scaled(&a, -0.2), scaled(&b, -1.0));
    file("four.wav", &[&scaled(&a, 0.2), &minus_a, &b, &minus_b]);
    // these do not
    file("same.wav", &[&a, &a]);
    file("unlike.wav", &[&a, &b]);
    file("left.wav", &[&a, &vec![0.0; a.len()]]);
    file("weaker.wav", &[&a, &scaled(&a, -0.5)]);
    // an offset is no sound, and hides none
    let offset = |x: &[f32]| x.iter().map(|x| 0.5 * x + 0.2).collect::<Vec<_>>();
    file("offset.wav", &[&offset(&a), &offset(&scaled(&a, -1.0))]);
    file("constant.wav", &[&vec![0.3; 40_000], &vec![-0.1; 40_000]]);

    let run = model(folder.path(), 1);
    let library = folder.path().join("library");
    let output = embed_command(&root, &run, &library).output().unwrap();
    let said = done(&output);
    assert!(said.contains("14 described (1 silent)"), "{said}");
    let held = rows(&library);
    let by_channel = [
        ("opposite.wav", 0),
        ("nearly.wav", 0),
        ("louder.wav", 1),
        ("half.wav", 0),
        ("four.wav", 2),
        ("offset.wav", 0),
    ];
    for (name, (entry, row)) in &held {
        let expected = by_channel.iter().find(|(other, _)| Path::new(other) == name);
        assert_eq!(
            entry.channel,
            expected.map(|(_, channel)| *channel),
            "{}",
            name.display()
        );
        assert_eq!(
            row.is_none(),
            name == Path::new("constant.wav"),
            "{}",
            name.display()
        );
    }
    let row = |name: &str| &held[Path::new(name)].1;
    for (name, like) in [
        ("opposite.wav", "mono.wav"),
        ("nearly.wav", "mono.wav"),
        ("half.wav", "mono.wav"),
        ("same.wav", "mono.wav"),
        ("louder.wav", "mono-louder.wav"),
        ("four.wav", "mono-b.wav"),
    ] {
        assert!(row(name) == row(like), "{name} is not {like}");
    }
    let notes = text(&output.stderr);
    for (name, channel) in by_channel {
        let line = notes.lines().find(|line| line.contains(name)).unwrap_or_default();
        assert!(
            line.contains(&format!("channel {}", channel + 1)),
            "{name}: {notes}"
        );
    }
    assert!(!notes.contains("unlike.wav"), "{notes}");

    // a query, too, in the library or not
    let stranger = folder.path().join("stranger.wav");
    wav_of(&stranger, &[&scaled(&b, 0.5), &scaled(&b, -0.5)]);
    for query in [stranger, root.join("opposite.wav")] {
        let output = command(["search", "--device", "cpu", "--library"])
            .arg(&library)
            .arg(&query)
            .output()
            .unwrap();
        done(&output);
        assert!(
            text(&output.stderr).contains("cancel one another"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn what_sounds_in_one_of_many_channels_is_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    let root = music(folder.path(), 0);
    // some 20 steps of 16 bits; in the mean of eight channels two or three, which count as none
    let quiet = scaled(&song(2, 1.2), 16.0 / 32768.0);
    let none = vec![0.0; quiet.len()];
    let mut channels = vec![none.as_slice(); 8];
    channels[4] = &quiet;
    wav_of(&root.join("quiet.wav"), &channels);
    let mut describer = load(&[model(folder.path(), 1)]);
    let library = folder.path().join("library");
    let summary = embed_with(&mut describer, &[root], &library, OPTIONS);
    assert_eq!((summary.described, summary.silent), (1, 0));
}
