//! Simulated judgements in the public format.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::{
    SEGMENT, SimulateOptions, Traits,
    draw::{DrawnItem, Segment},
};
use crate::{
    audio::SAMPLE_RATE,
    corpus::{Random, Stream},
    files::{FileError, write_atomically},
    listening::{Aspect, Condition, Likeness, SIMULATED, Side, items::shuffle, oracle::probability},
};

/// Name of the simulated answers.
pub const CSV_FILE: &str = "simulated_abx_answers.csv";
/// Name of the file that says where their samples lie.
pub const JSON_FILE: &str = "dict_triplet_simulated.json";

const HEADER: [&str; 11] = [
    "",
    "ex_name",
    "subject_id",
    "reference",
    "sample_a",
    "sample_b",
    "answer_timbre",
    "answer_rhythm",
    "answer_melody",
    "answer_total",
    "choice_time(ms)",
];
/// Both checks of a subject's attention have one sample that is X itself.
const DUMMIES: [([&str; 3], &str); 2] = [
    (
        [
            "samples/dummyX1.wav",
            "samples/dummyX1.wav",
            "samples/dummyB1.wav",
        ],
        "A+",
    ),
    (
        [
            "samples/dummyX2.wav",
            "samples/dummyA2.wav",
            "samples/dummyX2.wav",
        ],
        "B+",
    ),
];
/// How often a subject does not judge one of the aspects although it could.
const NONE: f64 = 0.1;
/// Aspects that a subject may leave out of one answer, as in the public data.
const MOST_NONE: usize = 2;

pub fn write_clips(path: &Path, items: &[DrawnItem]) -> Result<(), FileError> {
    type Level<T> = BTreeMap<String, T>;
    let mut sets: Level<Level<Level<Level<Level<Value>>>>> = BTreeMap::new();
    for item in items {
        let test = match item.condition {
            Condition::OneShared => "test1",
            Condition::AllDiff => "test2",
        };
        let numbers = sets.entry(item.set().to_string()).or_default();
        let tests = numbers.entry(item.sample().to_string()).or_default();
        let parts = tests.entry(test.to_string()).or_default();
        let clips = parts.entry(item.instrument.to_string()).or_default();
        let [a, b] = item.roles();
        for (role, segment) in [
            ('X', &item.reference),
            (a, &item.samples[0]),
            (b, &item.samples[1]),
        ] {
            clips.insert(role.to_string(), clip(role, segment));
        }
    }
    write_atomically(path, |file| {
        serde_json::to_writer_pretty(&mut *file, &sets)?;
        file.write_all(b"\n")
    })
}

fn clip(role: char, segment: &Segment) -> Value {
    json!({
        "ID": segment.track,
        "seg": segment.start / SEGMENT as u64,
        "filename": segment.file(role),
        "sr": SAMPLE_RATE,
        "index_s": segment.start,
        "index_e": segment.start + SEGMENT as u64,
        SIMULATED: true,
    })
}

/// Writes the answers of all subjects; gives the number of rows.
pub fn write_answers(
    path: &Path,
    items: &[DrawnItem],
    traits: &[Vec<Traits>; 5],
    options: &SimulateOptions,
) -> Result<u64, FileError> {
    let mut rows = 0;
    write_atomically(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(HEADER)?;
        for subject in 0..options.subjects {
            let mut order: Vec<usize> = (0..items.len() + DUMMIES.len()).collect();
            let mut random = Random::new(Stream::AbxOrder, None, options.seed, subject.into());
            shuffle(&mut order, &mut random);
            for place in order {
                let (names, answers) = match place.checked_sub(items.len()) {
                    None => {
                        let item = &items[place];
                        judge(item, &traits[item.instrument as usize], subject, options)
                    }
                    Some(dummy) => (DUMMIES[dummy].0.map(String::from), [DUMMIES[dummy].1; 4]),
                };
                let time = 10_000 + random.below(50_000);
                write_row(&mut table, rows, subject, &names, answers, time)?;
                rows += 1;
            }
        }
        table.flush()
    })?;
    Ok(rows)
}

fn write_row<W: Write>(
    table: &mut csv::Writer<W>,
    row: u64,
    subject: u32,
    names: &[String; 3],
    answers: [&str; 4],
    time: u64,
) -> io::Result<()> {
    let [row, time, subject] = [
        row.to_string(),
        time.to_string(),
        format!("subject{}", subject + 1),
    ];
    let names = names.iter().map(String::as_str);
    let fields = [&*row, SIMULATED, &*subject].into_iter().chain(names);
    table.write_record(fields.chain(answers).chain([&*time]))?;
    Ok(())
}

/// What a subject heard as reference, A and B, and answered.
fn judge(
    item: &DrawnItem,
    traits: &[Traits],
    subject: u32,
    options: &SimulateOptions,
) -> ([String; 3], [&'static str; 4]) {
    let number = (2 * u64::from(item.number) + item.condition as u64) << 32 | u64::from(subject);
    let random = &mut Random::new(Stream::AbxAnswer, Some(item.instrument), options.seed, number);
    let mut heard = [0, 1];
    if random.chance(0.5) {
        heard.reverse();
    }
    let x = &traits[item.reference.piece as usize];
    let likeness = heard.map(|i| Likeness::of(x, &traits[item.samples[i].piece as usize]));
    let mut none = 0;
    let answers = Aspect::ALL.map(|aspect| {
        let difference = likeness[0].in_aspect(aspect) - likeness[1].in_aspect(aspect);
        let alike = difference == 0.0;
        if aspect != Aspect::Total && none < MOST_NONE && (alike || random.chance(NONE)) {
            none += 1;
            return "NA";
        }
        let probability = probability(difference, options.noise);
        let side = if random.chance(probability) {
            Side::A
        } else {
            Side::B
        };
        // the clearer the case, the surer the answer
        match (side, random.chance((2.0 * probability - 1.0).abs())) {
            (Side::A, true) => "A+",
            (Side::A, false) => "A-",
            (Side::B, true) => "B+",
            (Side::B, false) => "B-",
        }
    });
    let folder = format!("set{}/{}/{}", item.set(), item.sample(), item.instrument);
    let name = |role: char, segment: &Segment| format!("{folder}/{}", segment.file(role));
    let sample = |i: usize| name(item.roles()[i], &item.samples[i]);
    let names = [name('X', &item.reference), sample(heard[0]), sample(heard[1])];
    (names, answers)
}
