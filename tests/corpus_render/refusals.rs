//! What cannot be used.

use super::*;

#[test]
fn what_cannot_be_used_is_reported_and_skipped() {
    let good = band(1);
    // a track without its end mark, which does no harm
    let shortened = |by: usize| {
        let mut bytes = piece(&[vec![(0, on(0, 60)), (480, off(0, 60))]]);
        bytes.truncate(bytes.len() - by);
        let length = bytes.len() as u32 - 22;
        bytes[18..22].copy_from_slice(&length.to_be_bytes());
        bytes
    };
    // an event without status where none has been given
    let mut damaged = piece(&[vec![(0, on(0, 60)), (480, off(0, 60))]]);
    damaged[23] = 0x3C;
    let mut riff = b"RIFF\0\0\0\0RMIDdata".to_vec();
    riff.extend((band(3).len() as u32).to_le_bytes());
    riff.extend(band(3));
    let mut format = good.clone();
    format[9] = 3;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "damaged.mid",
            damaged,
            "track 1 is damaged 13 bytes before its end",
        ),
        ("empty.mid", Vec::new(), "does not begin"),
        ("format.mid", format, "its format is 3"),
        ("garbage.mid", vec![0xA5; 1000], "does not begin"),
        ("header.mid", good[..14].to_vec(), "none of its 5 tracks"),
        (
            "instant.mid",
            piece(&[vec![(0, on(0, 60)), (0, off(0, 60))]]),
            "no length",
        ),
        (
            "late.mid",
            piece(&[vec![(96_000, on(0, 70)), (96_480, off(0, 70))]]),
            "nothing sounds in its first 20",
        ),
        (
            "mute.mid",
            piece(&[vec![(0, tempo(500_000)), (99, change(0, 1))]]),
            "no notes",
        ),
        (
            "noise.rmi",
            b"RIFF\x04\0\0\0WAVE".to_vec(),
            "something else than MIDI",
        ),
        ("twice.mid", good.clone(), "same music as good.mid"),
    ];
    let mut files: Vec<(&str, Vec<u8>)> = cases.iter().map(|(n, b, _)| (*n, b.clone())).collect();
    let stuck = piece(&[vec![(0, on(0, 60)), (480, on(0, 64)), (960, off(0, 64))]]);
    files.extend([
        ("good.mid", good),
        ("open.mid", shortened(4)),
        ("riff.rmi", riff),
        ("stuck.mid", stuck),
        ("read.me", vec![1]),
    ]);
    let mut workshop = Workshop::new(&files);
    workshop.options.seconds = 20.0;
    let summary = workshop.render();
    assert_eq!(summary.written, 4);
    let skipped: Vec<_> = summary.notices.iter().filter(|n| n.skipped).collect();
    assert_eq!(skipped.len(), cases.len(), "{skipped:#?}");
    for (notice, (name, _, reason)) in skipped.iter().zip(&cases) {
        assert_eq!(notice.source, *name);
        assert!(notice.message.contains(reason), "{name}: {}", notice.message);
    }
    let flaws: Vec<_> = summary.notices.iter().filter(|n| !n.skipped).collect();
    assert_eq!(flaws.len(), 1);
    assert_eq!(flaws[0].source, "stuck.mid");
    assert!(flaws[0].message.contains("ends: 1"), "{}", flaws[0].message);

    // whatever bytes come, there is an answer
    let folder = workshop.folder.path().join("noise");
    fs::create_dir_all(&folder).unwrap();
    let mut state = 1u32;
    for i in 0..200 {
        let mut bytes = band(2);
        for _ in 0..5 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % bytes.len();
            bytes[at] = state as u8;
        }
        fs::write(folder.join(format!("{i}.mid")), bytes).unwrap();
    }
    workshop.options.seconds = 1.0;
    let (root, stop) = (workshop.folder.path().join("loud"), AtomicBool::new(false));
    let summary = render(&folder, &workshop.fonts, &root, &workshop.options, &stop, &|_| {}).unwrap();
    let skipped = summary.notices.iter().filter(|n| n.skipped).count();
    assert_eq!(summary.written + skipped, 200);
}

#[test]
fn a_soundfont_whose_bytes_lie_is_refused_or_played() {
    let short = piece(&[
        vec![(0, change(0, 0)), (0, on(0, 69)), (240, off(0, 69))],
        vec![
            (0, on(9, 36)),
            (100, on(9, 120)),
            (240, off(9, 36)),
            (240, off(9, 120)),
        ],
    ]);
    let workshop = Workshop::new(&[("a.mid", short)]);
    let (font, root) = (&workshop.fonts[0], workshop.root());
    let whole = fs::read(font).unwrap();
    let tables = whole.windows(4).position(|four| four == b"pdta").unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut refused, mut skipped, mut played) = (0, 0, 0);
    for variant in 0..400 {
        let mut bytes = whole.clone();
        // half of them in the tables behind the samples
        let from = if variant % 2 == 0 { 0 } else { tables };
        for _ in 0..random.random_range(1..=4) {
            let at = random.random_range(from..bytes.len());
            bytes[at] ^= random.random_range(1..=255u8);
        }
        fs::write(font, bytes).unwrap();
        match workshop.try_render(&root) {
            Err(error) => {
                refused += 1;
                assert!(
                    matches!(error, CorpusError::SoundFont { .. }),
                    "{variant}: {error}"
                );
                assert!(!root.exists(), "{variant}: nothing was begun");
                continue;
            }
            Ok(summary) if summary.written == 0 => skipped += 1,
            Ok(_) => {
                played += 1;
                let track = &workshop.tracks()[0];
                let metadata = metadata(track);
                assert!(metadata.overall_gain.is_finite(), "{variant}");
                for stem in metadata.stems.values() {
                    assert!(stem.integrated_loudness.is_finite(), "{variant}");
                }
                assert!(!wav(&track.mix_path().unwrap()).is_empty(), "{variant}");
            }
        }
        fs::remove_dir_all(&root).unwrap();
    }
    assert!(
        refused > 20 && skipped > 0 && played > 20,
        "{refused} refused, {skipped} skipped, {played} played: the bytes make no difference"
    );
}

#[test]
fn what_cannot_work_is_an_error_that_says_why() {
    let mut workshop = Workshop::new(&[("a.mid", band(1))]);
    let font = workshop.fonts[0].clone();
    let whole = fs::read(&font).unwrap();
    let fails = |workshop: &Workshop, root: &Path| workshop.try_render(root).unwrap_err().to_string();
    let root = workshop.root();

    fs::write(&font, b"not a SoundFont at all").unwrap();
    let said = fails(&workshop, &root);
    assert!(
        said.contains("sine.sf2 is not a usable SoundFont: it does not begin as one"),
        "{said}"
    );
    // samples as those of an SF3 begin
    let samples = whole.windows(4).position(|four| four == b"smpl").unwrap() + 8;
    let mut compressed = whole.clone();
    compressed[samples..samples + 4].copy_from_slice(b"OggS");
    fs::write(&font, &compressed).unwrap();
    let said = fails(&workshop, &root);
    assert!(
        said.contains("SF3") && said.contains("convert it to SF2"),
        "{said}"
    );
    // cut anywhere, a SoundFont is refused
    for length in (0..whole.len()).step_by(13) {
        fs::write(&font, &whole[..length]).unwrap();
        assert!(
            fails(&workshop, &root).contains("not a usable SoundFont"),
            "{length} bytes"
        );
    }
    fs::write(&font, soundfont::sine_font(&[(8, 1)], 441.0)).unwrap();
    assert!(fails(&workshop, &root).contains("no General MIDI program"));
    fs::write(&font, &whole).unwrap();
    workshop.fonts = vec![workshop.folder.path().join("none.sf2")];
    assert!(fails(&workshop, &root).contains("cannot read"));
    workshop.fonts = vec![];
    assert!(fails(&workshop, &root).contains("no SoundFont"));
    workshop.fonts = vec![font];
    assert!(fails(&workshop, &workshop.midi().join("deep/below")).contains("lies in the folder"));
    for (seconds, loudness, shares) in [
        (0.0, -13.0, [1, 1, 1]),
        (f64::NAN, -13.0, [1, 1, 1]),
        (9.0, 0.0, [1, 1, 1]),
        (9.0, -13.0, [0; 3]),
    ] {
        workshop.options = RenderOptions {
            seconds,
            loudness,
            shares,
            ..RenderOptions::default()
        };
        assert!(matches!(
            workshop.try_render(&root),
            Err(CorpusError::Invalid { .. })
        ));
    }
    workshop.options = RenderOptions::default();
    fs::remove_file(workshop.midi().join("a.mid")).unwrap();
    assert!(fails(&workshop, &root).contains("no MIDI file"));
    fs::remove_dir(workshop.midi()).unwrap();
    assert!(fails(&workshop, &root).contains("the folder of MIDI files is missing"));
    assert!(!root.exists(), "nothing was begun");
}

#[test]
fn a_soundfont_at_which_the_synthesizer_panics_is_one_sentence() {
    let workshop = Workshop::new(&[("a.mid", band(1))]);
    let font = &workshop.fonts[0];
    let mut bytes = fs::read(font).unwrap();
    let headers = bytes.windows(4).position(|four| four == b"shdr").unwrap() + 8;
    // the rate of its only sample, in Hz
    bytes[headers + 36..headers + 40].copy_from_slice(&4_000_000_000u32.to_le_bytes());
    fs::write(font, bytes).unwrap();
    let mut command = program::command([
        "corpus",
        "render",
        "--midi",
        "midi",
        "--soundfont",
        "sine.sf2",
        "--out",
        "c",
    ]);
    let command = command
        .current_dir(workshop.folder.path())
        .env("RUST_BACKTRACE", "1");
    let output = command.output().unwrap();
    program::refused(
        &output,
        1,
        &["cannot be played", "sine.sf2", "no track was written"],
    );
    let said = program::text(&output.stderr);
    assert_eq!(said.trim().lines().count(), 2, "{said}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_listed_is_reported_and_the_others_are_rendered() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let workshop = Workshop::new(&[("a.mid", band(1)), ("locked/b.mid", band(2))]);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let locked = workshop.midi().join("locked");
    mode(&locked, 0o000);
    let arguments = [
        "corpus",
        "render",
        "--midi",
        "midi",
        "--soundfont",
        "sine.sf2",
        "--out",
        "corpus",
    ];
    let mut command = program::command(arguments);
    if fs::read_dir(&locked).is_ok() {
        // nobody can lock out root: the program runs as somebody else, from where that may go
        let here = workshop.folder.path();
        let program = here.join("stemwise");
        fs::copy(env!("CARGO_BIN_EXE_stemwise"), &program).unwrap();
        mode(here, 0o777);
        command = std::process::Command::new(program);
        command.args(arguments).uid(65_534).gid(65_534);
    }
    let output = command.current_dir(workshop.folder.path()).output().unwrap();
    mode(&locked, 0o700);
    let said = program::done(&output);
    assert!(
        said.contains("1 tracks written") && said.contains("1 files or folders skipped"),
        "{said}"
    );
    let noted = program::text(&output.stderr);
    assert!(noted.contains("locked/ skipped: it cannot be listed"), "{noted}");
}
