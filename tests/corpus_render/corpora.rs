//! What is written: layout, splits, resuming.

use super::*;

#[test]
fn a_mix_is_the_sum_of_its_stems_and_readers_understand_it() {
    let workshop = Workshop::new(&[("x/a.mid", band(1)), ("x/y/b.MID", band(2))]);
    assert_eq!(workshop.render().written, 2);
    for (track, source) in workshop.tracks().iter().zip(["x/a.mid", "x/y/b.MID"]) {
        let metadata = metadata(track);
        let programs: Vec<u16> = metadata.stems.values().map(|s| s.program_num).collect();
        assert_eq!(programs, [0, 33, 128]);
        assert_eq!(
            (metadata.normalization_factor, metadata.lmd_midi_dir.as_str()),
            (-13.0, source)
        );
        let bass = &metadata.stems["S01"];
        assert_eq!(bass.midi_program_name, "Electric Bass (finger)");
        assert_eq!(
            (bass.inst_class.as_str(), bass.plugin_name.as_str()),
            ("Bass", "sine.sf2")
        );
        assert!(metadata.stems["S02"].is_drum && !bass.is_drum);
        assert!(track.instrument_stems(Instrument::Residuals).unwrap().is_empty());

        let mix = wav(&track.mix_path().unwrap());
        let mut sum = vec![0; mix.len()];
        let stems = track.stems().unwrap();
        assert!(stems.missing.is_empty() && stems.unlisted.is_empty());
        for stem in stems.present {
            let samples = wav(&stem.path);
            assert_eq!(samples.len(), mix.len());
            assert!(samples.iter().any(|x| *x != 0));
            sum.iter_mut().zip(samples).for_each(|(s, x)| *s += x);
        }
        assert_eq!(sum, mix);
        let peak = mix.iter().map(|x| x.abs()).max().unwrap() as f64 / 32_767.0;
        assert!(peak <= 10f64.powf(-0.05) + 1e-4, "{peak}");

        // the piece as it was, and what each stem plays of it
        let source = fs::read(workshop.midi().join(source)).unwrap();
        assert_eq!(fs::read(track.path.join("all_src.mid")).unwrap(), source);
        assert_eq!(read_tempo(&track.path.join("MIDI/S01.mid")).unwrap(), 120.0);
        let all = notes(&track.path.join("all_src.mid"));
        let stems = ["S00", "S01", "S02"].map(|s| notes(&track.path.join(format!("MIDI/{s}.mid"))));
        assert_eq!(stems.each_ref().map(Vec::len), [6, 6, 12]);
        assert_eq!(stems.concat(), all);
        assert!(stems[1].iter().all(|(channel, _)| [1, 2].contains(channel)));
    }
}

#[test]
fn a_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let mut workshop = Workshop::new(&[]);
    fs::create_dir_all(workshop.midi()).unwrap();
    for i in 0..6 {
        fs::write(workshop.midi().join(format!("{i}.mid")), band(i)).unwrap();
    }
    let other = workshop.folder.path().join("other.sf2");
    fs::write(&other, soundfont::sine_font(&[(0, 0), (0, 33), (128, 0)], 882.0)).unwrap();
    workshop.fonts.push(other);
    let on = |threads, name: &str| {
        let root = workshop.folder.path().join(name);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| workshop.try_render(&root).unwrap());
        contents(&root)
    };
    let one = on(1, "one");
    assert_eq!(one, on(2, "two"));
    // both SoundFonts are used, and another seed distributes them otherwise
    let used = |files: &BTreeMap<PathBuf, Vec<u8>>, font: &str| {
        let yaml = files.iter().filter(|(path, _)| path.ends_with("metadata.yaml"));
        let text = yaml.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
        text.map(|text| text.matches(font).count()).sum::<usize>()
    };
    assert_eq!(used(&one, "sine.sf2") + used(&one, "other.sf2"), 18);
    assert!(used(&one, "sine.sf2") > 2 && used(&one, "other.sf2") > 2);
    workshop.options.seed = 1;
    assert!(
        workshop
            .try_render(&workshop.folder.path().join("one"))
            .unwrap_err()
            .to_string()
            .contains("other options")
    );
    workshop.render();
    let different = contents(&workshop.root());
    assert!(different.keys().eq(one.keys()));
    assert_ne!(different, one);
}

#[test]
fn an_interrupted_rendering_is_resumed() {
    let pieces: Vec<(String, Vec<u8>)> = (0..5).map(|i| (format!("{i}.mid"), band(i))).collect();
    let pieces: Vec<(&str, Vec<u8>)> = pieces.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    let workshop = Workshop::new(&pieces);
    let stop = AtomicBool::new(false);
    let observer = |event| {
        if let RenderEvent::Rendered { .. } = event {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let root = workshop.root();
    let stopped = pool.install(|| {
        render(
            &workshop.midi(),
            &workshop.fonts,
            &root,
            &workshop.options,
            &stop,
            &observer,
        )
        .unwrap()
    });
    assert!(stopped.interrupted);
    assert_eq!((stopped.written, workshop.tracks().len()), (1, 1));
    let before = contents(&workshop.root());
    let resumed = workshop.render();
    assert_eq!(
        (resumed.written, resumed.kept, resumed.interrupted),
        (4, 1, false)
    );
    assert_eq!(resumed.splits.iter().sum::<usize>(), 5);
    let after = contents(&workshop.root());
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));

    // a piece more is another corpus
    fs::write(workshop.midi().join("5.mid"), band(5)).unwrap();
    let error = workshop.try_render(&workshop.root()).unwrap_err().to_string();
    assert!(error.contains("other options"), "{error}");
}

#[test]
fn the_split_is_decided_by_the_music() {
    let again = |bytes: &[u8]| {
        // other ticks, velocities and instruments: the same music
        let smf = Smf::parse(bytes).unwrap();
        let mut other = smf.clone();
        other.header.timing = Timing::Metrical(960.into());
        for event in other.tracks.iter_mut().flatten() {
            event.delta = (2 * event.delta.as_int()).into();
            match &mut event.kind {
                TrackEventKind::Midi {
                    message: MidiMessage::NoteOn { vel, .. },
                    ..
                } => *vel = 50.into(),
                TrackEventKind::Midi {
                    message: MidiMessage::ProgramChange { program },
                    ..
                } => *program = 24.into(),
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        other.write_std(&mut bytes).unwrap();
        bytes
    };
    let pieces: Vec<(String, Vec<u8>)> = (0..12).map(|i| (format!("{i:02}.mid"), band(i))).collect();
    let pieces: Vec<(&str, Vec<u8>)> = pieces.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    let mut first = Workshop::new(&pieces);
    first.options.seconds = 1.0;
    let summary = first.render();
    let sums = [Split::Train, Split::Validation, Split::Test]
        .map(|split| first.tracks().iter().filter(|track| track.split == split).count());
    assert_eq!(summary.splits, sums);
    assert!(sums.iter().filter(|n| **n > 0).count() > 1, "{sums:?}");
    let split_of = |workshop: &Workshop| -> BTreeMap<String, Split> {
        let tracks = workshop.tracks();
        tracks
            .iter()
            .map(|track| (metadata(track).uuid, track.split))
            .collect()
    };
    // a check of the corpus knows the pieces by what decided, and finds none twice
    let report = check(
        &Corpus::open(first.root()).unwrap(),
        &AtomicBool::new(false),
        &|_, _| {},
    )
    .unwrap();
    let known = report
        .tracks
        .iter()
        .map(|track| (track.content.clone().unwrap(), track.split));
    assert_eq!(known.collect::<BTreeMap<_, _>>(), split_of(&first));
    assert_eq!(split_of(&first).len(), 12);
    // another collection, seed and order: the same splits
    let mut second = Workshop::new(&[]);
    second.options = first.options.clone();
    second.options.seed = 9;
    fs::create_dir_all(second.midi()).unwrap();
    for (i, (_, bytes)) in pieces.iter().skip(4).rev().enumerate() {
        fs::write(second.midi().join(format!("{i}.mid")), again(bytes)).unwrap();
    }
    fs::write(second.midi().join("copy.mid"), &pieces[5].1).unwrap();
    assert_eq!(second.render().written, 8);
    let (before, after) = (split_of(&first), split_of(&second));
    assert_eq!(after.len(), 8);
    assert!(after.iter().all(|(uuid, split)| before[uuid] == *split));

    second.options.shares = [0, 0, 3];
    let root = second.folder.path().join("tests only");
    assert_eq!(second.try_render(&root).unwrap().splits, [0, 0, 8]);
}

#[test]
fn pieces_are_chosen_by_instrument_and_number() {
    let piano = piece(&[vec![(0, on(0, 60)), (480, off(0, 60))]]);
    let mut workshop = Workshop::new(&[("a.mid", piano), ("b.mid", band(1)), ("c.mid", band(2))]);
    workshop.options.require = vec![Instrument::Drums, Instrument::Bass];
    workshop.options.pieces = Some(1);
    let summary = workshop.render();
    assert_eq!(summary.written, 1);
    assert_eq!(summary.notices[0].message, "it has no drums");
    assert_eq!(metadata(&workshop.tracks()[0]).lmd_midi_dir, "b.mid");
}

/// Of one collection, another corpus for every seed, in which training knows the pieces again.
#[test]
fn arranged_pieces_are_played_by_others_and_keep_their_names() {
    let mut plain = Workshop::new(&[("a.mid", band(1)), ("b.mid", band(2))]);
    plain.render();
    let uuids = |workshop: &Workshop| -> Vec<String> {
        workshop
            .tracks()
            .iter()
            .map(|track| metadata(track).uuid)
            .collect()
    };
    let names = uuids(&plain);
    let plain_bytes = contents(&plain.root());
    plain.options.arrange = true;
    let error = plain.try_render(&plain.root()).unwrap_err().to_string();
    assert!(error.contains("other options"), "{error}");
    let mut seen = std::collections::BTreeSet::from([plain_bytes]);
    for seed in [1, 2] {
        let mut arranged = Workshop::new(&[("a.mid", band(1)), ("b.mid", band(2))]);
        (arranged.options.seed, arranged.options.arrange) = (seed, true);
        assert_eq!(arranged.render().written, 2);
        assert_eq!(uuids(&arranged), names);
        for track in arranged.tracks() {
            let of = |program: u16| Instrument::of_program(program);
            let stems = track.stems().unwrap().present;
            let mut instruments: Vec<_> = stems.iter().map(|stem| of(stem.metadata.program_num)).collect();
            instruments.dedup();
            instruments.sort_unstable();
            instruments.dedup();
            // the basses stay basses, what was a piano is the first that takes its turn
            assert_eq!(
                instruments,
                [Instrument::Drums, Instrument::Bass, Instrument::Piano]
            );
        }
        assert!(
            seen.insert(contents(&arranged.root())),
            "seed {seed} is another corpus"
        );
    }
}

#[test]
fn a_table_decides_the_splits_and_what_is_rendered() {
    let mut workshop = Workshop::new(&[("a/b.mid", band(1)), ("c.mid", band(2)), ("d.mid", band(3))]);
    let table = workshop.folder.path().join("table.tsv");
    fs::write(
        &table,
        "split\tpath\ntest\ta/b.mid\ntrain\td.mid\ntrain\tgone.mid\n",
    )
    .unwrap();
    workshop.options.list = Some(read_split_list(&table).unwrap());
    let summary = workshop.render();
    assert_eq!((summary.written, summary.splits), (2, [1, 0, 1]));
    let told: Vec<_> = summary
        .notices
        .iter()
        .map(|n| (n.source.as_str(), n.skipped))
        .collect();
    assert_eq!(told, [("c.mid", true), ("gone.mid", true)]);
    let tracks = workshop.tracks();
    let splits = tracks
        .iter()
        .map(|track| (metadata(track).lmd_midi_dir, track.split));
    let wanted = [
        ("a/b.mid".to_string(), Split::Test),
        ("d.mid".into(), Split::Train),
    ];
    assert_eq!(splits.collect::<BTreeMap<_, _>>(), BTreeMap::from(wanted));
}
