//! The synthesised corpus, as a reader of it sees it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use midly::{MetaMessage, MidiMessage, Smf, TrackEventKind};
use stemwise::{
    corpus::{Instrument, Metadata},
    generate::synth::{Summary, SynthOptions, synthesise},
};

const RATE: f64 = 44_100.0;

fn options(seed: u64, train: u32, seconds: f64) -> SynthOptions {
    SynthOptions {
        seed,
        train,
        validation: 1,
        test: 1,
        seconds,
    }
}

/// A corpus of `train` + 2 tracks in a folder that goes when it is dropped.
fn corpus(options: &SynthOptions) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    synthesise(folder.path(), options, &|_, _| {}).unwrap();
    folder
}

fn tracks(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for split in ["train", "validation", "test"] {
        found.extend(fs::read_dir(root.join(split)).unwrap().map(|e| e.unwrap().path()));
    }
    found.sort();
    found
}

fn wav(path: &Path) -> Vec<i32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!(
        (spec.channels, spec.sample_rate, spec.bits_per_sample),
        (1, 44_100, 16)
    );
    reader.samples::<i32>().map(|x| x.unwrap()).collect()
}

fn metadata(track: &Path) -> Metadata {
    Metadata::parse(&fs::read_to_string(track.join("metadata.yaml")).unwrap()).unwrap()
}

fn stems(track: &Path) -> BTreeMap<String, Vec<i32>> {
    let name = |stem: &String| (stem.clone(), wav(&track.join(format!("stems/{stem}.wav"))));
    metadata(track).stems.keys().map(name).collect()
}

/// Every file below `root` with its bytes.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            let below = contents(&entry).into_iter();
            files
                .extend(below.map(|(path, bytes)| (Path::new(entry.file_name().unwrap()).join(path), bytes)));
        } else {
            files.insert(entry.file_name().unwrap().into(), fs::read(&entry).unwrap());
        }
    }
    files
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

#[test]
fn a_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let wanted = options(7, 1, 6.0);
    let parallel = corpus(&wanted);
    let alone = tempfile::tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| synthesise(alone.path(), &wanted, &|_, _| {}).unwrap());
    assert_eq!(contents(parallel.path()), contents(alone.path()));

    let other = corpus(&options(8, 1, 6.0));
    for (a, b) in tracks(parallel.path()).iter().zip(tracks(other.path())) {
        assert_ne!(wav(&a.join("mix.wav")), wav(&b.join("mix.wav")));
    }
}

#[test]
fn a_mix_is_the_sum_of_its_stems_and_every_stem_sounds() {
    let folder = corpus(&options(3, 6, 20.0));
    for track in tracks(folder.path()) {
        let mix = wav(&track.join("mix.wav"));
        assert_eq!(mix.len(), 20 * 44_100);
        let peak = mix.iter().map(|x| x.abs()).max().unwrap() as f64 / 32_767.0;
        assert!(
            (20.0 * peak.log10() + 1.0).abs() < 0.1 || peak < 0.9,
            "mix peaks at {peak}"
        );
        let power = |x: &[i32]| x.iter().map(|s| (*s as f64).powi(2)).sum::<f64>() / x.len() as f64;

        let mut sum = vec![0; mix.len()];
        let metadata = metadata(&track);
        assert_eq!(
            metadata.stems.len(),
            fs::read_dir(track.join("stems")).unwrap().count()
        );
        for (name, samples) in stems(&track) {
            let what = format!(
                "{} of {}",
                metadata.stems[&name].midi_program_name,
                track.display()
            );
            assert!(samples.iter().all(|x| x.abs() < 32_767), "{what} clips");
            let mean = samples.iter().sum::<i32>() as f64 / samples.len() as f64;
            assert!(mean.abs() < 2e-4 * 32_768.0, "{what} has DC {mean}");
            // Loudest tenth of the piece, against the mix there: 12 dB and some for absent moments.
            let windows = samples.chunks(88_200).zip(mix.chunks(88_200));
            let loudest = windows.max_by(|a, b| power(a.0).total_cmp(&power(b.0))).unwrap();
            let below = 10.0 * (power(loudest.1) / power(loudest.0)).log10();
            assert!(below < 15.0, "{what} lies {below:.1} dB below the mix");
            let rms = 10.0 * (power(&samples) / 32_767f64.powi(2)).log10();
            assert!((rms - metadata.stems[&name].integrated_loudness).abs() < 0.01);
            sum.iter_mut().zip(&samples).for_each(|(s, x)| *s += x);
        }
        assert_eq!(sum, mix);
    }
}

#[test]
fn notes_begin_where_the_sound_rises() {
    let folder = corpus(&options(11, 4, 15.0));
    // Of isolated onsets, and of the moments halfway between them: how many are followed by a rise.
    let (mut at_onsets, mut between, mut tested) = (0, 0, 0);
    for track in tracks(folder.path()) {
        let metadata = metadata(&track);
        let (tempo, all) = notes(&track.join("all_src.mid"));
        assert!((69.9..170.1).contains(&tempo));
        let mut counted = 0;
        for (name, samples) in stems(&track) {
            let (_, onsets) = notes(&track.join(format!("MIDI/{name}.mid")));
            counted += onsets.len();
            let stem = &metadata.stems[&name];
            assert!(onsets.iter().all(|(channel, _)| (*channel == 9) == stem.is_drum));
            if Instrument::of_program(stem.program_num) == Instrument::Residuals {
                continue; // Pads swell.
            }
            let mut times: Vec<f64> = onsets.iter().map(|(_, t)| *t).filter(|t| *t < 14.5).collect();
            times.sort_by(f64::total_cmp);
            // Differences of samples, so that a low note still ringing weighs less than an attack.
            let energy = |from: f64, to: f64| {
                let at = |t: f64| ((t.max(0.0) * RATE) as usize).min(samples.len());
                let slice = &samples[at(from)..at(to)];
                slice.windows(2).map(|w| (w[1] - w[0]).pow(2) as f64).sum::<f64>() / (slice.len() + 1) as f64
            };
            let rises = |t: f64| energy(t, t + 0.03) > 1.1 * energy(t - 0.032, t - 0.002);
            for pair in times.windows(2).filter(|pair| pair[1] - pair[0] > 0.2) {
                tested += 1;
                at_onsets += rises(pair[1]) as usize;
                between += rises((pair[0] + pair[1]) / 2.0) as usize;
            }
        }
        assert_eq!(counted, all.len());
    }
    assert!(tested > 200, "{tested} onsets");
    assert!(
        at_onsets * 100 > tested * 92,
        "{at_onsets} of {tested} onsets are heard"
    );
    assert!(
        between * 100 < tested * 25,
        "{between} of {tested} rises are heard where no note begins"
    );
}

/// The key of the last note of a MIDI file of one stem: for a bass, the tonic or another first chord.
fn last_key(path: &Path) -> Option<u8> {
    let bytes = fs::read(path).unwrap();
    let smf = Smf::parse(&bytes).unwrap();
    let mut ons = smf.tracks.iter().flatten().filter_map(|event| match event.kind {
        TrackEventKind::Midi {
            message: MidiMessage::NoteOn { key, .. },
            ..
        } => Some(key.as_int()),
        _ => None,
    });
    ons.next_back()
}

/// Energy of the slope over energy: a measure of how high the energy lies.
fn brightness(samples: &[i32]) -> f64 {
    let slope: f64 = samples.windows(2).map(|w| ((w[1] - w[0]) as f64).powi(2)).sum();
    (slope / samples.iter().map(|x| (*x as f64).powi(2)).sum::<f64>()).sqrt()
}

#[test]
fn pieces_differ() {
    let folder = corpus(&options(5, 22, 6.0));
    let (mut tempos, mut programs, mut instruments) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    let (mut roots, mut bright) = (Vec::new(), Vec::new());
    let tracks = tracks(folder.path());
    for track in &tracks {
        tempos.push(notes(&track.join("all_src.mid")).0);
        let mut mine: Vec<Instrument> = Vec::new();
        for (name, stem) in &metadata(track).stems {
            match Instrument::of_program(stem.program_num) {
                Instrument::Bass => {
                    roots.extend(last_key(&track.join(format!("MIDI/{name}.mid"))).map(|k| k % 12))
                }
                Instrument::Piano => bright.push(brightness(&wav(&track.join(format!("stems/{name}.wav"))))),
                _ => {}
            }
            *programs.entry(stem.program_num).or_insert(0) += 1;
            mine.push(Instrument::of_program(stem.program_num));
        }
        mine.sort();
        mine.dedup();
        assert!(mine.contains(&Instrument::Drums) && mine.contains(&Instrument::Bass));
        mine.into_iter()
            .for_each(|i| *instruments.entry(i).or_insert(0) += 1);
    }
    let mean = tempos.iter().sum::<f64>() / tempos.len() as f64;
    let deviation = (tempos.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / tempos.len() as f64).sqrt();
    assert!(deviation > 12.0, "tempos {tempos:?}");
    assert!(programs.len() > 14, "programs {programs:?}");
    let classes = (0..12).filter(|class| roots.contains(class)).count();
    assert!(classes >= 7, "last bass notes {roots:?}");
    let mean = bright.iter().sum::<f64>() / bright.len() as f64;
    let spread = bright.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / bright.len() as f64;
    assert!(spread.sqrt() > 0.2 * mean, "brightness of the piano {bright:?}");
    for instrument in Instrument::ALL {
        assert!(
            instruments[&instrument] * 3 > tracks.len() * 2,
            "{instrument} is rare: {instruments:?}"
        );
    }
}

#[test]
fn an_interrupted_run_is_resumed_and_a_foreign_folder_refused() {
    let wanted = options(1, 1, 6.0);
    let folder = corpus(&wanted);
    let before = contents(folder.path());
    fs::remove_dir_all(folder.path().join("train/Track00001")).unwrap();
    fs::create_dir_all(folder.path().join("train/.partial-Track00001/left over")).unwrap();
    let summary = synthesise(folder.path(), &wanted, &|_, _| {}).unwrap();
    assert_eq!(summary, Summary { written: 1, kept: 2 });
    assert_eq!(contents(folder.path()), before);

    let error = synthesise(folder.path(), &options(2, 1, 6.0), &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("other options"), "{error}");
    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("thesis.tex"), "").unwrap();
    let error = synthesise(foreign.path(), &wanted, &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("not empty"), "{error}");
    for wrong in [
        options(1, 1, 1.0),
        options(1, 1, f64::NAN),
        options(1, 100_000, 6.0),
    ] {
        assert!(synthesise(foreign.path(), &wrong, &|_, _| {}).is_err());
    }
}
