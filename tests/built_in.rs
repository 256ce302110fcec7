//! The models that are part of the program: verbs without `--model`, training that goes on from them, and their size.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{
    corpus, prepared,
    program::{self, done, refused, text},
    small, train,
};
use stemwise::{
    audio::{Audio, SampleFormat, WavWriter, read_mono},
    corpus::{Corpus, Track},
    gpu::Device,
    library::Library,
    train::{BuiltIn, Checkpoint, Network, Recipe, RunConfig},
};
use tempfile::TempDir;

/// What they may take together, in bytes.
const MOST: u64 = 8_000_000;

fn weights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("weights")
}

#[test]
fn they_are_small_and_have_cards() {
    let mut bytes = 0;
    for model in BuiltIn::ALL {
        let file = weights().join(format!("{}.safetensors", model.name()));
        bytes += fs::metadata(&file).unwrap().len();
        // the card is of these very weights
        let card = fs::read_to_string(weights().join(format!("{}.md", model.name()))).unwrap();
        let hash = model.checkpoint().unwrap().hash();
        assert!(card.contains(&hash), "the card of {model} does not name {hash}");
    }
    assert!(bytes <= MOST, "{bytes} bytes");
}

/// A crate without them does not build.
#[test]
fn they_are_in_the_package() {
    let listed = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let listed = done(&listed);
    for model in BuiltIn::ALL {
        for ending in ["safetensors", "md"] {
            let file = format!("weights/{}.{ending}", model.name());
            assert!(
                listed.lines().any(|line| Path::new(line) == Path::new(&file)),
                "{file}: {listed}"
            );
        }
    }
}

/// A folder to be at home in.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, run from there.
    fn run(&self, arguments: &[&str]) -> Output {
        program::command(arguments)
            .env("HOME", self.0.path())
            .env("XDG_DATA_HOME", self.at("data"))
            .env("LOCALAPPDATA", self.at("data"))
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// Mixes of synthesised songs, in the folder `music`.
    fn music(&self) -> Vec<PathBuf> {
        let corpus = Corpus::open(corpus(self.0.path())).unwrap();
        fs::create_dir(self.at("music")).unwrap();
        let copied = |track: &Track| {
            let mix = track.mix_path().unwrap();
            let song = self.at("music").join(format!("song {}", track.id));
            let song = song.with_extension(mix.extension().unwrap());
            fs::copy(&mix, &song).unwrap();
            song
        };
        corpus.tracks().iter().map(copied).collect()
    }
}

#[test]
fn songs_are_embedded_and_searched_without_a_model() {
    let home = Home::new();
    let songs = home.music();
    let query = songs[2].to_str().unwrap();
    // nothing to search in yet
    let library = home.at("data/stemwise/library");
    let early = home.run(&["search", query, "--device", "cpu"]);
    refused(&early, 1, &[library.to_str().unwrap(), "stemwise embed"]);

    let embedded = home.run(&["embed", "music", "--device", "cpu"]);
    assert!(
        done(&embedded).contains("4 described"),
        "{}",
        text(&embedded.stdout)
    );
    let said = text(&embedded.stderr);
    let hash = BuiltIn::Similarity.checkpoint().unwrap().hash();
    assert!(
        said.contains("built-in:similarity") && said.contains(&hash[..12]),
        "{said}"
    );
    assert!(said.contains(library.to_str().unwrap()), "{said}");
    let held = Library::open(&library).unwrap();
    assert_eq!(held.entries().len(), 4);
    assert_eq!(held.header().runs[0].folder, BuiltIn::Similarity.place());

    // a song that it does not know is described by the same model: cut off at its end, it is still like itself
    let cut = home.at("cut.wav");
    cut_off(Path::new(query), &cut);
    let found = done(&home.run(&[
        "search", "cut.wav", "--fold", "0", "--count", "1", "--device", "cpu",
    ]));
    assert!(found.contains(query), "{found}");
    let folder = home.run(&["search", "music", "cut.wav"]);
    refused(&folder, 2, &["--library music"]);

    // a later version with other weights
    let header = library.join("library.json");
    let written = fs::read_to_string(&header).unwrap();
    let weights = &held.header().runs[0].weights;
    fs::write(&header, written.replace(weights, &"0".repeat(64))).unwrap();
    for arguments in [&["embed", "music"][..], &["search", "cut.wav"]] {
        let other = home.run(&[arguments, &["--device", "cpu"]].concat());
        refused(
            &other,
            1,
            &["other weights of built-in:similarity", "embed its music again"],
        );
    }
}

/// All but the last two seconds of a song.
fn cut_off(song: &Path, to: &Path) {
    let Audio { rate, samples } = read_mono(song).unwrap();
    let kept = &samples[..samples.len() - 2 * rate as usize];
    let mut writer = WavWriter::create(to, rate, 1, SampleFormat::Pcm16).unwrap();
    writer.write(kept).unwrap();
    writer.finish().unwrap();
}

#[test]
fn songs_are_separated_and_models_evaluated_without_a_model() {
    let home = Home::new();
    let songs = home.music();
    let separated = home.run(&["separate", songs[0].to_str().unwrap(), "--device", "cpu"]);
    let said = done(&separated);
    let hash = BuiltIn::Separator.checkpoint().unwrap().hash();
    assert!(
        text(&separated.stderr).contains(&hash[..12]),
        "{}",
        text(&separated.stderr)
    );
    let stems: Vec<PathBuf> = fs::read_dir(home.at("separated/song 1"))
        .unwrap()
        .map(|stem| stem.unwrap().path())
        .collect();
    assert!(!stems.is_empty());
    for stem in stems {
        let name = stem.file_name().unwrap().to_str().unwrap();
        assert!(said.contains(name), "{said}");
    }

    let store = prepared(&home.at("corpus"), home.at("store"));
    let evaluated = home.run(&[
        "evaluate",
        "--corpus",
        store.to_str().unwrap(),
        "--what",
        "sdr,mes-normal",
        "--seconds",
        "3",
        "--split",
        "train",
        "--device",
        "cpu",
        "--out",
        "scores",
    ]);
    let said = done(&evaluated);
    assert!(
        said.contains("MES-Normal") && said.contains("Separation"),
        "{said}"
    );
    for model in BuiltIn::ALL {
        let file = home.at("scores").join(model.name()).join("evaluation.json");
        let scores = fs::read_to_string(&file).unwrap();
        assert!(scores.contains(&model.checkpoint().unwrap().hash()), "{model}");
    }
}

#[test]
fn training_goes_on_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = BuiltIn::Similarity;
    let checkpoint = model.checkpoint().unwrap();
    let mut network = Network::new(&checkpoint.state.recipe).unwrap();
    let parents = network.adopt(&[model.place()]).unwrap();
    assert_eq!(parents[0].hash, checkpoint.hash());
    for parameter in network.parameters.iter() {
        let all = network.parameters.initial(parameter.flat());
        let values = &all[parameter.offset..][..parameter.shape.len()];
        let given = checkpoint.tensor(&parameter.name, &parameter.shape).unwrap();
        assert!(values == given, "{}", parameter.name);
    }

    // a run says what it began with, from wherever it is resumed
    let recipe = recipe_of(&checkpoint);
    let config = RunConfig {
        corpus: corpus(folder.path()),
        renderings: Vec::new(),
        from: vec![model.place()],
        recipe,
    };
    let run = folder.path().join("run");
    train(&run, &config, &Device::Cpu).unwrap();
    let written = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(written.contains("from = [\"built-in:similarity\"]"), "{written}");
    let state = Checkpoint::read(&run.join("last.safetensors")).unwrap().state;
    assert_eq!(state.parents, parents);

    let stranger = Network::new(&small("direct", None, &[]))
        .unwrap()
        .adopt(&[model.place()]);
    let message = stranger.unwrap_err().to_string();
    assert!(
        message.contains("built-in:similarity cannot be built on"),
        "{message}"
    );
}

/// The model's own recipe, for one short update.
fn recipe_of(checkpoint: &Checkpoint) -> Recipe {
    let mut recipe = checkpoint.state.recipe.clone();
    let training = &mut recipe.training;
    (
        training.batch,
        training.micro_batch,
        training.epoch,
        training.epochs,
    ) = (2, 2, 2, 1);
    (training.validation, training.knn_segments, training.knn_seconds) = (2, 2, 1.0);
    recipe.data.pieces = 2;
    recipe
}
