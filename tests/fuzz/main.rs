//! Every parser of bytes that come from outside, on files that were changed: no panic escapes it, no input takes longer
//! than a second or more than 256 MiB.
//!
//! ```text
//! make fuzz                                   every parser, as many inputs as a whole campaign has
//! make fuzz PARSER=wav COUNT=1000000          one parser, so many inputs in all
//! make fuzz PARSER=wav AT=1234                one input once more, with its panic's backtrace
//! ```
//!
//! Input number `AT` of a parser is a function of both and the seeds alone. A campaign goes on where the last one was
//! stopped, however that was; what was counted lies in `target/fuzz`, and beside it each input that did what it must
//! not. Once mended, such an input belongs into `tests/fixtures/fuzz`, named after its parser: `wav-1234`.
//!
//! The inputs run in a process of their own, so that one that ends it (a stack that overflows, memory that nobody has)
//! is found like the others. The profile is that of the tests, which checks what overflows.

mod campaign;
#[path = "../common/mod.rs"]
mod common;
mod json;
mod memory;
mod mutate;
mod parsers;
mod seeds;
mod shapes;
#[path = "../common/soundfont.rs"]
mod soundfont;
mod tokens;
mod trial;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use campaign::{STOP, Tally};
use mutate::input;
use parsers::{PARSERS, Parser};
use stemwise::files::write_atomically;
use trial::{Trial, note_panics};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Of a campaign's inputs, those that are tried in every test run.
const SHORT: u64 = 1000;

#[test]
fn every_parser_survives_a_short_campaign() {
    let mut faults = Vec::new();
    for parser in PARSERS {
        let (mut tally, count) = (Tally::default(), parser.count / SHORT);
        campaign::run(parser, &mut tally, count, &mut |_| {});
        println!("{}", row(parser, &tally));
        assert!(tally.read > 0 && tally.refused > 0, "{}: {tally:?}", parser.name);
        faults.extend(
            tally
                .faults
                .into_iter()
                .map(|(at, what)| format!("{} {at}: {what}", parser.name)),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_was_found_once_is_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzz");
    let names: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.is_empty());
    for name in names {
        let of = name.split('-').next();
        let parser = PARSERS.iter().find(|parser| Some(parser.name) == of);
        let parser = parser.unwrap_or_else(|| panic!("{name} is named after no parser"));
        let scratch = campaign::scratch();
        let (_, reader) = campaign::open(parser, &scratch.path().join("files"));
        let fault = Trial::of(&reader, &fs::read(folder.join(&name)).unwrap()).fault();
        assert_eq!(fault, None, "{name}");
    }
}

#[test]
fn seeds_are_read_and_inputs_are_functions_of_their_number() {
    for parser in PARSERS {
        let scratch = campaign::scratch();
        let (seeds, reader) = campaign::open(parser, &scratch.path().join("files"));
        if let Some(Err(error)) = Trial::of(&reader, &seeds[0]).read {
            panic!("the first seed of {}: {error}", parser.name);
        }
        assert!(shapes::is_kept(&seeds[0]), "{}", parser.name);
        let (again, _) = campaign::open(parser, &scratch.path().join("again"));
        let of = |seeds: &[Vec<u8>], index| input(parser.name, seeds, parser.tokens, index);
        let inputs: BTreeSet<_> = (0..100).map(|index| of(&seeds, index)).collect();
        assert!(inputs.len() > 80, "{}: {} of 100", parser.name, inputs.len());
        assert!(
            (0..100).all(|index| of(&seeds, index) == of(&again, index)),
            "{}",
            parser.name
        );
    }
}

#[test]
#[ignore = "the process in which campaigns try their inputs"]
fn worker() {
    campaign::work();
}

#[test]
#[ignore = "takes hours: make fuzz"]
fn campaign() {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let number = |name| variable(name).map(|value| value.parse::<u64>().expect("a whole number"));
    let wanted = variable("FUZZ_PARSER");
    let of = |parser: &&Parser| wanted.as_ref().is_none_or(|name| name == parser.name);
    let chosen: Vec<&Parser> = PARSERS.iter().filter(of).collect();
    let names = PARSERS
        .iter()
        .map(|parser| parser.name)
        .collect::<Vec<_>>()
        .join(", ");
    assert!(!chosen.is_empty(), "PARSER must be one of {names}");
    if let Some(at) = number("FUZZ_AT") {
        return chosen.into_iter().for_each(|parser| repeat(parser, at));
    }
    ctrlc::set_handler(|| STOP.store(true, Relaxed)).unwrap();
    let mut rows = Vec::new();
    let mut faults = 0;
    for parser in chosen {
        let tally = resume(parser, number("FUZZ_COUNT").unwrap_or(parser.count));
        faults += tally.faults.len();
        rows.push(row(parser, &tally));
    }
    println!("\n{HEADER}\n{}", rows.join("\n"));
    assert_eq!(
        faults,
        0,
        "inputs did what they must not: see {}",
        folder().display()
    );
}

/// Where campaigns keep what they counted.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz")
}

/// Continues the campaign of a parser until `count` inputs were tried in all.
fn resume(parser: &Parser, count: u64) -> Tally {
    let path = folder().join(parser.name).with_extension("json");
    fs::create_dir_all(folder()).unwrap();
    let before = fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let mut tally: Tally = before.unwrap_or_default();
    let (mut saved, mut said) = (Instant::now(), Instant::now());
    let save = |tally: &Tally| {
        let text = serde_json::to_string_pretty(tally).unwrap();
        write_atomically(&path, |file| file.write_all(text.as_bytes())).unwrap();
    };
    let mut known = tally.faults.len();
    campaign::run(parser, &mut tally, count, &mut |tally| {
        for (at, what) in &tally.faults[known..] {
            println!("{} {at}: {what}", parser.name);
            keep(parser, *at);
        }
        if saved.elapsed() > Duration::from_secs(1) || tally.faults.len() > known {
            known = tally.faults.len();
            save(tally);
            saved = Instant::now();
        }
        if said.elapsed() > Duration::from_secs(10) {
            println!(
                "{}: {} of {count}, {:.0} a second",
                parser.name,
                tally.done,
                tally.done as f64 / tally.seconds
            );
            said = Instant::now();
        }
    });
    save(&tally);
    tally
}

/// Writes an input beside the counts; gives its path.
fn keep(parser: &Parser, at: u64) -> PathBuf {
    let scratch = campaign::scratch();
    let (seeds, _) = campaign::open(parser, &scratch.path().join("files"));
    let path = folder().join(format!("{}-{at}", parser.name));
    fs::create_dir_all(folder()).unwrap();
    fs::write(&path, input(parser.name, &seeds, parser.tokens, at)).unwrap();
    path
}

/// Tries one input once more and tells all.
fn repeat(parser: &Parser, at: u64) {
    let path = keep(parser, at);
    let scratch = campaign::scratch();
    let (_, reader) = campaign::open(parser, &scratch.path().join("files"));
    note_panics(true);
    let trial = Trial::of(&reader, &fs::read(&path).unwrap());
    let said = match &trial.read {
        Some(Ok(())) => "read".to_string(),
        Some(Err(error)) => format!("refused: {error}"),
        None => "a panic escapes".to_string(),
    };
    println!(
        "{}: {said}; {:.3} s, {} bytes held",
        path.display(),
        trial.seconds,
        trial.bytes
    );
    assert_eq!(trial.fault(), None);
}

const HEADER: &str = "\
| parser | inputs | read | refused | panics caught | escaped, slow, large | slowest | most memory |
|---|---|---|---|---|---|---|---|";

/// What a campaign found, as a line of a table.
fn row(parser: &Parser, tally: &Tally) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {:.0} ms | {:.1} MiB |",
        parser.name,
        tally.done,
        tally.read,
        tally.refused,
        tally.caught.values().sum::<u64>(),
        tally.faults.len(),
        1e3 * tally.slowest.0,
        tally.largest.0 as f64 / f64::from(1 << 20),
    )
}
