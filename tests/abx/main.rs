//! Judgements of similarity by ear: the public format, what is counted, and simulated ones.

mod clips;
mod command;
#[path = "../common/program.rs"]
mod program;
mod simulated;
mod table;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use program::{done, refused, stemwise};
use stemwise::{
    corpus::{Corpus, Instrument, Split, is_silent, load_instrument},
    generate::synth::{SynthOptions, synthesise},
    listening::{
        Answers, Aspect, CSV_FILE, Clip, Clips, Condition, Criterion, Item, Items, JSON_FILE, Judged,
        Judgements, Likeness, Part, Sample, Share, Side, SimulateOptions, SplitBy, Summary, Traits, simulate,
    },
};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/abx")
        .join(name)
}

fn answers() -> Judgements {
    Judgements::read(&fixture("answers.csv")).unwrap()
}

fn item<'a>(judgements: &'a Judgements, part: &str) -> &'a Item {
    let part: Part = part.parse().unwrap();
    let mut found = judgements.items().iter().filter(|item| item.part() == part);
    let item = found.next().unwrap();
    assert_eq!(found.next(), None, "one item of {part} is expected");
    item
}

fn counts(a: u32, b: u32, none: u32) -> Answers {
    Answers { sides: [a, b], none }
}

const HEADER: &str = ",ex_name,subject_id,reference,sample_a,sample_b,answer_timbre,answer_rhythm,answer_melody,answer_total,choice_time(ms)";
const ROW: &str = "0,e,s,set0/0/bass/X_1-2.wav,set0/0/bass/A_2-2.wav,set0/0/bass/B_3-2.wav,A+,A+,A+,A+,1";

trait Bytes {
    fn replace_bytes(self, from: &str, to: &str) -> Self;
    fn with_byte(self, byte: u8, after: &[u8]) -> Self;
}

impl Bytes for Vec<u8> {
    fn replace_bytes(self, from: &str, to: &str) -> Self {
        String::from_utf8(self).unwrap().replace(from, to).into_bytes()
    }

    /// Puts a byte behind the last place where `after` is.
    fn with_byte(mut self, byte: u8, after: &[u8]) -> Self {
        let at = self.windows(after.len()).rposition(|w| w == after).unwrap();
        self.insert(at + after.len(), byte);
        self
    }
}

/// A file of items `(instrument, shared, votes for the sample that is named first, votes for the other)`.
fn table(items: &[(&str, bool, u32, u32)]) -> (TempDir, Judgements) {
    let mut text = format!("{HEADER}\n");
    for (i, &(instrument, shared, first, second)) in items.iter().enumerate() {
        let name = |role: char, track: usize| format!("set{i}/0/{instrument}/{role}_{track}-1.wav");
        let names = match shared {
            true => [name('X', 1), name('Y', 1), name('C', 2)],
            false => [name('X', 1), name('A', 2), name('B', 3)],
        };
        for vote in 0..first + second {
            let answer = if vote < first { "A+" } else { "B-" };
            text += &format!("0,e,s{vote},{},NA,NA,NA,{answer},1\n", names.join(","));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    fs::write(&path, text).unwrap();
    let judgements = Judgements::read(&path).unwrap();
    (folder, judgements)
}

/// A corpus of six short pieces to test on.
fn corpus() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions {
            seed: 5,
            train: 1,
            validation: 1,
            test: 6,
            seconds: 13.0,
        };
        synthesise(&folder.path().join("corpus"), &options, &|_, _| {}).unwrap();
        folder
    });
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| folder.path().join("corpus"))
}
