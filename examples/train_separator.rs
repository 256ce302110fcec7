//! Training and separation from Rust: composes a small corpus, trains a tiny drum separator on it, and
//! separates an unseen mix. Seconds long, to show the calls; it is no recipe for a good model.
//!
//! ```text
//! cargo run --release --example train_separator [device]
//! ```

use std::{error::Error, sync::atomic::AtomicBool};

use stemwise::{
    corpus::{Corpus, Instrument, Split},
    generate::synth::{SynthOptions, synthesise},
    separate::{Outputs, Separators, WindowOptions, separate_file},
    train::{
        self, Event, RunConfig,
        recipe::{Overrides, resolve},
    },
    variants,
};

fn main() -> Result<(), Box<dyn Error>> {
    let device = variants::open_device(std::env::args().nth(1).as_deref())?;
    let folder = tempfile::tempdir()?;

    // Any folder in the layout of Slakh2100 would do. This one is a function of its seed.
    let root = folder.path().join("corpus");
    let options = SynthOptions {
        seed: 7,
        train: 3,
        validation: 1,
        test: 1,
        seconds: 12.0,
    };
    let summary = synthesise(&root, &options, &|_, _| {})?;
    println!("{} tracks composed", summary.written);

    // Everything that a run depends on is in its recipe; the rest are those of `recipes/separator.toml`.
    let set = [
        "network.width=0.125",
        "data.segment_seconds=1.0",
        "training.learning_rate=1e-3",
        "training.batch=2",
        "training.epoch=40",
        "training.epochs=2",
        "training.validation=8",
    ];
    let overrides = Overrides {
        instrument: Some(Instrument::Drums),
        set: set.map(String::from).to_vec(),
        ..Overrides::default()
    };
    let config = RunConfig {
        corpus: root.clone(),
        renderings: Vec::new(),
        from: Vec::new(),
        recipe: resolve("separator", &overrides)?,
    };
    let run = folder.path().join("drums");
    // Set this from a signal handler, and training ends after the step that is running, with a checkpoint.
    let stop = AtomicBool::new(false);
    let summary = train::start(&run, &config, &device, &stop, &|event| match event {
        Event::Started {
            device, parameters, ..
        } => println!("{parameters} parameters on {device}"),
        Event::Stepped { step, loss, .. } => println!("step {step:>3}  training loss   {loss:.4}"),
        Event::Validated { step, scores, .. } => {
            println!("step {step:>3}  validation loss {:.4}", scores.loss)
        }
        _ => {}
    })?;
    println!(
        "{} steps done, best validation loss (step, loss): {:?}",
        summary.step, summary.best
    );

    // A song of any length, rate and number of channels; several runs would give several stems.
    let corpus = Corpus::open(&root)?;
    let song = corpus
        .split(Split::Test)
        .first()
        .ok_or("the corpus has no test track")?
        .mix_path()?;
    let mut separators = Separators::load(&[run], &device, WindowOptions::default())?;
    let outputs = Outputs {
        stems: &folder.path().join("stems"),
        spectra: None,
        overwrite: false,
    };
    let report = separate_file(&mut separators, &song, outputs, &mut |_, _| {})?;
    for stem in &report.stems {
        let level = stem
            .level
            .map_or("silent".to_string(), |level| format!("{level:.1} dB of the mix"));
        println!("{}: {:.1} s, {level}", stem.instrument, report.seconds);
    }
    Ok(())
}
