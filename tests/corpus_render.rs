//! A corpus rendered from MIDI files, as a reader of it sees it.

#[path = "common/soundfont.rs"]
mod soundfont;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use midly::{Format, Header, MetaMessage, MidiMessage, PitchBend, Smf, Timing, TrackEvent, TrackEventKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stemwise::corpus::{
    Corpus, CorpusError, Instrument, Metadata, Split, Track,
    check::check,
    midi::read_tempo,
    render::{RenderEvent, RenderOptions, Summary, render},
};

const RATE: f64 = 44_100.0;
/// Samples from a note's moment to its first sample that is not 0: half a block early to half a block, the SoundFont's
/// own delay of 1 ms (in whole blocks of 32), and the zero at which the sine begins, late.
const LATE: std::ops::RangeInclusive<i64> = -16..=16 + 64 + 1;

// ---------------------------------------------------------------------------------------------- MIDI

type Kind = TrackEventKind<'static>;

fn midi(channel: u8, message: MidiMessage) -> Kind {
    let channel = channel.into();
    TrackEventKind::Midi { channel, message }
}

fn on(channel: u8, key: u8) -> Kind {
    let (key, vel) = (key.into(), 100.into());
    midi(channel, MidiMessage::NoteOn { key, vel })
}

fn off(channel: u8, key: u8) -> Kind {
    let (key, vel) = (key.into(), 0.into());
    midi(channel, MidiMessage::NoteOff { key, vel })
}

fn program(channel: u8, program: u8) -> Kind {
    let program = program.into();
    midi(channel, MidiMessage::ProgramChange { program })
}

fn control(channel: u8, controller: u8, value: u8) -> Kind {
    let (controller, value) = (controller.into(), value.into());
    midi(channel, MidiMessage::Controller { controller, value })
}

fn tempo(micros: u32) -> Kind {
    TrackEventKind::Meta(MetaMessage::Tempo(micros.into()))
}

/// A file of `tracks`, events at ticks of which a quarter note has 480.
fn file(timing: Timing, tracks: &[Vec<(u32, Kind)>]) -> Vec<u8> {
    let mut smf = Smf::new(Header::new(Format::Parallel, timing));
    for track in tracks {
        let mut now = 0;
        let mut events = Vec::new();
        for (tick, kind) in track {
            let (delta, kind) = ((tick - now).into(), *kind);
            events.push(TrackEvent { delta, kind });
            now = *tick;
        }
        let (delta, kind) = (0.into(), TrackEventKind::Meta(MetaMessage::EndOfTrack));
        events.push(TrackEvent { delta, kind });
        smf.tracks.push(events);
    }
    let mut bytes = Vec::new();
    smf.write_std(&mut bytes).unwrap();
    bytes
}

const BEATS: Timing = Timing::Metrical(midly::num::u15::new(480));

fn piece(tracks: &[Vec<(u32, Kind)>]) -> Vec<u8> {
    file(BEATS, tracks)
}

/// Piano, two basses and drums for a few seconds; music of its own for every `number`.
fn band(number: u8) -> Vec<u8> {
    let melody = (0..6).flat_map(|i: u8| {
        let (tick, key) = (480 * u32::from(i), 60 + (i * number) % 13);
        [(tick, on(0, key)), (tick + 400, off(0, key))]
    });
    let bass = |channel| {
        let notes = (0..3).flat_map(move |i: u8| {
            let (tick, key) = (960 * u32::from(i), 36 + (i + number) % 12);
            [(tick, on(channel, key)), (tick + 900, off(channel, key))]
        });
        [(0, program(channel, 33))]
            .into_iter()
            .chain(notes)
            .collect::<Vec<_>>()
    };
    let drums = (0..12).flat_map(|i| [(240 * i, on(9, 38)), (240 * i + 100, off(9, 38))]);
    piece(&[
        vec![(0, tempo(500_000))],
        melody.collect(),
        bass(1),
        bass(2),
        drums.collect(),
    ])
}

// ---------------------------------------------------------------------------------------------- a rendering

/// A folder with a collection and a SoundFont.
struct Workshop {
    folder: tempfile::TempDir,
    fonts: Vec<PathBuf>,
    options: RenderOptions,
}

impl Workshop {
    fn new(pieces: &[(&str, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let font = folder.path().join("sine.sf2");
        fs::write(
            &font,
            soundfont::sine_font(&[(0, 0), (0, 24), (0, 33), (128, 0)], 441.0),
        )
        .unwrap();
        let workshop = Workshop {
            folder,
            fonts: vec![font],
            options: RenderOptions::default(),
        };
        for (name, bytes) in pieces {
            let path = workshop.midi().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        workshop
    }

    fn midi(&self) -> PathBuf {
        self.folder.path().join("midi")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    fn try_render(&self, root: &Path) -> Result<Summary, CorpusError> {
        let stop = AtomicBool::new(false);
        render(&self.midi(), &self.fonts, root, &self.options, &stop, &|_| {})
    }

    fn render(&self) -> Summary {
        self.try_render(&self.root()).unwrap()
    }

    /// By number.
    fn tracks(&self) -> Vec<Track> {
        let mut tracks = Corpus::open(self.root()).unwrap().tracks().to_vec();
        tracks.sort_by_key(|track| track.id);
        tracks
    }
}

/// The only track of one piece.
fn rendered(bytes: Vec<u8>) -> (Workshop, Track) {
    let workshop = Workshop::new(&[("a.mid", bytes)]);
    workshop.render();
    let track = workshop.tracks().remove(0);
    (workshop, track)
}

fn wav(path: &Path) -> Vec<i32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    let format = (spec.channels, spec.sample_rate, spec.bits_per_sample);
    assert_eq!(format, (1, 44_100, 16));
    reader.samples::<i32>().map(|x| x.unwrap()).collect()
}

/// The samples of the stem of a program.
fn stem(track: &Track, program: u16) -> Vec<i32> {
    let stems = track.stems().unwrap().present;
    let found = stems.iter().find(|s| s.metadata.program_num == program);
    wav(&found.unwrap().path)
}

fn metadata(track: &Track) -> Metadata {
    track.metadata().unwrap()
}

fn sounds(samples: &[i32], seconds: f64) -> bool {
    let at = (seconds * RATE) as usize;
    samples.iter().skip(at).take(200).any(|x| x.abs() > 200)
}

/// Where sound begins, after 1 ms of silence.
fn onsets(samples: &[i32]) -> Vec<usize> {
    let silent = |i: usize| samples[i.saturating_sub(44)..i].iter().all(|x| *x == 0);
    (0..samples.len())
        .filter(|&i| samples[i] != 0 && silent(i))
        .collect()
}

/// Sign changes in half a second.
fn crossings(samples: &[i32], seconds: f64) -> usize {
    let at = (seconds * RATE) as usize;
    let half = &samples[at..at + 22_050];
    half.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count()
}

/// Onsets (channel, key) in a MIDI file.
fn notes(path: &Path) -> Vec<(u8, u8)> {
    let bytes = fs::read(path).unwrap();
    let smf = Smf::parse(&bytes).unwrap();
    let events = smf.tracks.iter().flatten();
    let ons = events.filter_map(|event| match event.kind {
        TrackEventKind::Midi {
            channel,
            message: MidiMessage::NoteOn { key, vel },
        } if vel > 0 => Some((channel.as_int(), key.as_int())),
        _ => None,
    });
    ons.collect()
}

/// Every file below `root` with its bytes.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(|e| e.unwrap()) {
        let (path, name) = (entry.path(), PathBuf::from(entry.file_name()));
        if path.is_dir() {
            let below = contents(&path).into_iter();
            files.extend(below.map(|(path, bytes)| (name.join(path), bytes)));
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

// ---------------------------------------------------------------------------------------------- tests

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
fn what_cannot_be_used_is_reported_and_skipped() {
    let good = band(1);
    // a track without the last bytes of its end mark, and one without all of it, which does no harm
    let shortened = |by: usize| {
        let mut bytes = piece(&[vec![(0, on(0, 60)), (480, off(0, 60))]]);
        bytes.truncate(bytes.len() - by);
        let length = bytes.len() as u32 - 22;
        bytes[18..22].copy_from_slice(&length.to_be_bytes());
        bytes
    };
    let mut sequential = good.clone();
    sequential[9] = 2;
    let mut riff = b"RIFF\0\0\0\0RMIDdata".to_vec();
    riff.extend((band(3).len() as u32).to_le_bytes());
    riff.extend(band(3));
    let film = file(
        Timing::Timecode(midly::Fps::Fps25, 40),
        &[vec![(0, on(0, 60)), (99, off(0, 60))]],
    );
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "cut.mid",
            good[..good.len() - 30].to_vec(),
            "cut short in track 5 of 5",
        ),
        ("damaged.mid", shortened(2), "damaged 2 bytes before"),
        ("empty.mid", Vec::new(), "does not begin"),
        ("film.mid", film, "film"),
        ("garbage.mid", vec![0xA5; 1000], "does not begin"),
        ("header.mid", good[..14].to_vec(), "0 of 5 tracks"),
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
            piece(&[vec![(0, tempo(500_000)), (99, program(0, 1))]]),
            "no notes",
        ),
        ("sequential.mid", sequential, "format 2"),
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
fn a_change_of_program_moves_later_notes_to_another_stem() {
    // half a second a beat; the first note is held across the change
    let (_workshop, track) = rendered(piece(&[vec![
        (0, on(3, 60)),
        (480, program(3, 24)),
        (960, on(3, 64)),
        (1440, off(3, 60)),
        (1920, off(3, 64)),
        (2400, program(3, 0)),
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
        vec![(0, program(0, 27)), (0, on(0, 60)), (480, off(0, 60))],
        vec![(0, program(1, 73)), (0, on(1, 60)), (480, off(1, 60))],
        vec![(0, program(9, 48)), (0, on(9, 60)), (480, off(9, 60))],
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
    assert_eq!(rendered, [(27, true), (73, false), (128, true)]);
    assert_eq!(track.stems().unwrap().missing, ["S01"]);
    assert!(sounds(&stem(track, 27), 0.2) && sounds(&stem(track, 128), 0.2));
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

#[test]
fn a_soundfont_whose_bytes_lie_is_refused_or_played() {
    let short = piece(&[
        vec![(0, program(0, 0)), (0, on(0, 69)), (240, off(0, 69))],
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
    assert!(fails(&workshop, &root).contains("sine.sf2 is not a usable SoundFont"));
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
