//! Every parser of bytes that come from outside.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use stemwise::{
    audio::AudioReader,
    corpus::{
        Corpus, ExcludeList, Instrument, MAPPING_FILE, SPLIT_FILE, SoundingStarts, Split, Store, Track,
        midi::{read_content_hash, read_note_times, read_tempo},
        read_splits,
        store::LEAST_QUIET,
    },
    eval::Evaluation,
    generate::render::{RenderOptions, render},
    library::{FOLD, Library, Query, Wanted, Writer, search},
    listening::{Clips, Criterion, Items, Judgements, SplitBy, Summary},
    train::{
        Run, RunConfig,
        exchange::{export, import},
        recipe::{Overrides, resolve},
    },
};

use crate::{
    common::EXPORT,
    seeds,
    tokens::{BINARY, CSV, JSON, LINES, LOG, TOML, YAML},
};

/// What reading gave: nothing, or a message.
pub type Read = Result<(), Box<dyn Error>>;
/// Reads the bytes of a file.
pub type Reader = Box<dyn Fn(&[u8]) -> Read>;

/// What is put into texts; nothing for binary formats.
type Tokens = &'static [&'static str];
/// Whole files; what they need is made in the folder.
type Seeds = fn(&Path) -> Vec<Vec<u8>>;
/// The parser, which has the folder for itself.
type Open = fn(&Path) -> Reader;

/// A parser, as campaigns know it.
pub struct Parser {
    pub name: &'static str,
    /// Inputs of a whole campaign.
    pub count: u64,
    pub tokens: Tokens,
    pub seeds: Seeds,
    pub open: Open,
}

/// Samples after which a file of music has been read enough: 45 s of stereo.
const ENOUGH: usize = 4_000_000;

/// All of them.
pub const PARSERS: &[Parser] = &[
    Parser::cheap("wav", BINARY, seeds::wav, audio),
    Parser::cheap("flac", BINARY, seeds::flac, audio),
    Parser::costly("music", BINARY, seeds::music, audio),
    Parser::cheap("midi", BINARY, seeds::midi, midi),
    Parser::costly("render", BINARY, seeds::midi, piece),
    Parser::costly("soundfont", BINARY, seeds::font, font),
    Parser::cheap("metadata", YAML, seeds::metadata, metadata),
    Parser::cheap("exclude", LINES, seeds::exclude, exclude),
    Parser::cheap("mapping", TOML, seeds::mapping, mapping),
    Parser::cheap("splits", CSV, seeds::splits, splits),
    Parser::cheap("recipe", TOML, seeds::recipe, recipe),
    Parser::cheap("config", TOML, seeds::config, config),
    Parser::cheap("run", JSON, seeds::record, record),
    Parser::cheap("checkpoint", BINARY, seeds::checkpoint, checkpoint),
    Parser::cheap("weights", BINARY, seeds::weights, weights),
    Parser::cheap("evaluation", JSON, seeds::evaluation, evaluation),
    Parser::cheap("answers", CSV, seeds::answers, answers),
    Parser::cheap("clips", JSON, seeds::clips, clips),
    Parser::cheap("store_record", JSON, seeds::store_record, store_record),
    Parser::cheap("store_manifest", JSON, seeds::store_manifest, store_manifest),
    Parser::cheap("library_header", JSON, seeds::library_header, library_header),
    Parser::cheap("library_log", LOG, seeds::library_log, library_log),
];

impl Parser {
    const fn cheap(name: &'static str, tokens: Tokens, seeds: Seeds, open: Open) -> Self {
        Parser {
            name,
            count: 1_000_000,
            tokens,
            seeds,
            open,
        }
    }

    const fn costly(name: &'static str, tokens: Tokens, seeds: Seeds, open: Open) -> Self {
        Parser {
            count: 100_000,
            ..Self::cheap(name, tokens, seeds, open)
        }
    }
}

/// A reader of the file `path`, which is written for every input.
fn file<E: Into<Box<dyn Error>>>(path: PathBuf, read: impl Fn(&Path) -> Result<(), E> + 'static) -> Reader {
    Box::new(move |bytes| {
        fs::write(&path, bytes)?;
        read(&path).map_err(Into::into)
    })
}

fn audio(folder: &Path) -> Reader {
    file(folder.join("audio"), |path| {
        let mut reader = AudioReader::open(path)?;
        let (channels, mut samples) = (reader.channels(), 0);
        while let Some(chunk) = reader.next_chunk()? {
            assert!(chunk.len() % channels == 0 && chunk.iter().all(|x| x.is_finite()));
            samples += chunk.len();
            if samples > ENOUGH {
                return Ok(());
            }
        }
        // back to the middle: past it, as many are left as there were
        let frames = samples / channels;
        reader.seek(frames as u64 / 2)?;
        let mut left = 0;
        while let Some(chunk) = reader.next_chunk()? {
            left += chunk.len() / channels;
        }
        assert_eq!(left, frames - frames / 2, "of {frames}, after a seek");
        Ok::<(), Box<dyn Error>>(())
    })
}

// ---------------------------------------------------------------------------------------------- MIDI

fn midi(folder: &Path) -> Reader {
    file(folder.join("a.mid"), |path| {
        let (tempo, hash, notes) = (read_tempo(path), read_content_hash(path), read_note_times(path));
        let (tempo, _, notes) = (tempo?, hash?, notes?);
        assert!(tempo.is_finite() && tempo > 0.0);
        assert!(
            notes
                .iter()
                .all(|note| note.start.is_finite() && note.end >= note.start)
        );
        Ok::<(), Box<dyn Error>>(())
    })
}

/// Renders a second of one piece.
fn rendered(folder: &Path, font: &Path) -> Read {
    let out = folder.join("out");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let options = RenderOptions {
        seconds: 1.0,
        ..RenderOptions::default()
    };
    let stop = AtomicBool::new(false);
    let summary = render(
        &folder.join("midi"),
        &[font.into()],
        &out,
        &options,
        &stop,
        &|_| {},
    )?;
    match summary.notices.into_iter().find(|notice| notice.skipped) {
        Some(notice) => Err(notice.message.into()),
        None => Ok(()),
    }
}

fn piece(folder: &Path) -> Reader {
    let (folder, font) = (folder.to_path_buf(), folder.join("font.sf2"));
    fs::create_dir_all(folder.join("midi")).unwrap();
    fs::write(&font, seeds::font(&folder).swap_remove(0)).unwrap();
    file(folder.join("midi/a.mid"), move |_| rendered(&folder, &font))
}

fn font(folder: &Path) -> Reader {
    let folder = folder.to_path_buf();
    fs::create_dir_all(folder.join("midi")).unwrap();
    fs::write(folder.join("midi/a.mid"), seeds::midi(&folder).swap_remove(0)).unwrap();
    file(folder.join("font.sf2"), move |font| rendered(&folder, font))
}

// ---------------------------------------------------------------------------------------------- texts

fn metadata(folder: &Path) -> Reader {
    let track = Track {
        id: 1,
        split: Split::Train,
        path: folder.into(),
        excluded: Vec::new(),
        mapping: None,
    };
    file(folder.join("metadata.yaml"), move |_| track.metadata().map(drop))
}

/// Finds a piece by it, and its stems.
fn mapping(folder: &Path) -> Reader {
    let root = folder.to_path_buf();
    fs::create_dir_all(root.join("a song/kit")).unwrap();
    for file in ["a song/info.json", "a song/vocals.wav", "a song/kit/snare.wav"] {
        fs::write(root.join(file), "").unwrap();
    }
    file(folder.join(MAPPING_FILE), move |_| {
        let corpus = Corpus::open_whole(&root)?;
        corpus
            .tracks()
            .iter()
            .try_for_each(|track| track.stems().map(drop))
    })
}

fn splits(folder: &Path) -> Reader {
    let root = folder.to_path_buf();
    file(folder.join(SPLIT_FILE), move |_| read_splits(&root).map(drop))
}

fn exclude(folder: &Path) -> Reader {
    file(folder.join("exclude.txt"), |path| {
        ExcludeList::read(path).map(drop)
    })
}

fn recipe(folder: &Path) -> Reader {
    file(folder.join("a.toml"), |path| {
        let of = |instrument| {
            let preset = Some("tiny".into());
            resolve(
                &path.to_string_lossy(),
                &Overrides {
                    preset,
                    instrument,
                    set: Vec::new(),
                },
            )
        };
        of(None).or_else(|_| of(Some(Instrument::Bass))).map(drop)
    })
}

fn config(folder: &Path) -> Reader {
    file(folder.join("config.toml"), |path| RunConfig::read(path).map(drop))
}

fn answers(folder: &Path) -> Reader {
    file(folder.join("answers.csv"), |path| {
        let judgements = Judgements::read(path)?;
        Summary::of(&judgements, Criterion::default());
        for by in [SplitBy::Item, SplitBy::Response] {
            Items::clear(&judgements, Criterion::default()).split(1, by);
        }
        Ok::<(), Box<dyn Error>>(())
    })
}

fn clips(folder: &Path) -> Reader {
    let table = folder.join("answers.csv");
    fs::write(&table, seeds::answers(folder).swap_remove(0)).unwrap();
    let judged = Items::clear(&Judgements::read(&table).unwrap(), Criterion::default()).judged();
    file(folder.join("clips.json"), move |path| {
        let clips = Clips::read(&[path.into()])?;
        // most files do not have them all
        let _ = clips.triplets(&judged);
        Ok::<(), Box<dyn Error>>(())
    })
}

// ---------------------------------------------------------------------------------------------- runs

fn record(folder: &Path) -> Reader {
    let run = Run::open(&seeds::run(folder)).unwrap();
    file(run.folder().join("run.json"), move |_| run.record().map(drop))
}

fn checkpoint(folder: &Path) -> Reader {
    let (run, out) = (seeds::run(folder), folder.join("out"));
    file(run.join("last.safetensors"), move |_| {
        let _ = fs::remove_dir_all(&out);
        export(&run, &out, EXPORT).map(drop)
    })
}

fn weights(folder: &Path) -> Reader {
    let (recipe, out) = (seeds::network(), folder.join("out"));
    file(folder.join("a.safetensors"), move |path| {
        let _ = fs::remove_dir_all(&out);
        import(path, &recipe, &out).map(drop)
    })
}

fn evaluation(folder: &Path) -> Reader {
    file(folder.join("evaluation.json"), |path| {
        Evaluation::read(path).map(drop)
    })
}

// ---------------------------------------------------------------------------------------------- stores

/// Opens a store and reads all there is.
fn opened(root: &Path) -> Read {
    let store = Store::open(root)?;
    for track in store.tracks() {
        for instrument in Instrument::ALL {
            let samples = track.samples(instrument);
            assert_eq!(samples.is_some(), track.plays(instrument));
            assert!(samples.is_none_or(|samples| samples.len() as u64 == track.frames));
            SoundingStarts::of(track.quiet(instrument), 4 * LEAST_QUIET as usize);
        }
    }
    Ok(store.verify(&|_, _| {})?)
}

/// A track's record in a store whose manifest lists it, whatever it says.
fn store_record(folder: &Path) -> Reader {
    let root = seeds::store(folder);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(root.join("store.json")).unwrap()).unwrap();
    Box::new(move |bytes| {
        fs::write(root.join("train/Track00001.json"), bytes)?;
        // the hash of a record is that of its content
        let text = String::from_utf8_lossy(bytes);
        let content = text
            .split_once("\"content\":")
            .map_or("", |(_, rest)| rest.trim_end());
        let hash = blake3::hash(content.strip_suffix('}').unwrap_or(content).as_bytes());
        let mut manifest = manifest.clone();
        manifest["tracks"][0]["hash"] = hash.to_hex().as_str().into();
        seal(&mut manifest);
        fs::write(root.join("store.json"), manifest.to_string())?;
        opened(&root)
    })
}

/// A store's list of its tracks, whose own hash is right where it can be.
fn store_manifest(folder: &Path) -> Reader {
    let root = seeds::store(folder);
    file(root.join("store.json"), move |path| {
        if let Ok(mut manifest) = serde_json::from_slice(&fs::read(path)?) {
            seal(&mut manifest);
            fs::write(path, manifest.to_string())?;
        }
        opened(&root)
    })
}

/// Makes the hash of a manifest that of what it lists.
fn seal(manifest: &mut serde_json::Value) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("stemwise store 1, {} Hz\n", manifest["rate"]).as_bytes());
    for track in manifest["tracks"].as_array().into_iter().flatten() {
        let text = |key: &str| track[key].as_str().unwrap_or_default();
        let id = track["id"].as_u64().unwrap_or(0);
        hasher.update(format!("{}/Track{id:05} {}\n", text("split"), text("hash")).as_bytes());
    }
    if let Some(manifest) = manifest.as_object_mut() {
        manifest.insert("hash".into(), hasher.finalize().to_hex().as_str().into());
    }
}

// ---------------------------------------------------------------------------------------------- libraries

/// A reader of one of a library's files; the others are as they were.
fn library_file(folder: &Path, name: &'static str) -> Reader {
    let (made, copy) = (seeds::library(folder), folder.join("copy"));
    let entries = fs::read_dir(made).unwrap().map(|entry| entry.unwrap());
    let files: Vec<(PathBuf, Vec<u8>)> = entries
        .map(|entry| (copy.join(entry.file_name()), fs::read(entry.path()).unwrap()))
        .collect();
    Box::new(move |bytes| {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy)?;
        for (path, content) in &files {
            fs::write(path, if path.ends_with(name) { bytes } else { content })?;
        }
        let library = Library::open(&copy)?;
        if let Some(row) = library.entries().iter().find_map(|entry| library.row(entry)) {
            let query = Query {
                presence: None,
                given: "query".into(),
                hash: String::new(),
                channel: None,
                vectors: row.to_vec(),
            };
            search(&library, &[query], &[], Wanted::new(10, FOLD));
        }
        let header = library.header().clone();
        drop(library);
        Ok(Writer::open(&copy, &header)?.finish()?)
    })
}

fn library_header(folder: &Path) -> Reader {
    library_file(folder, "library.json")
}

fn library_log(folder: &Path) -> Reader {
    library_file(folder, "files.jsonl")
}
