//! The CSV file of answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use csv::StringRecord;

use super::{AbxError, Answers, Aspect, Item, Sample, Side, item::own_side, read_file};

/// How the name of an experiment begins that nobody took part in.
pub const SIMULATED: &str = "simulated";
/// How the names of samples begin that check whether a subject listens.
const DUMMY: &str = "samples/dummy";
/// All answers of a file, by item.
#[derive(Clone, Debug, Default)]
pub struct Judgements {
    items: Vec<Item>,
    rows: u64,
    dummies: u64,
    subjects: BTreeSet<String>,
    experiments: BTreeSet<String>,
}

impl Judgements {
    /// Reads a CSV file with a header. Needed are the columns `reference`, `sample_a`, `sample_b` and
    /// `answer_total`; `answer_timbre`, `answer_rhythm`, `answer_melody`, `ex_name` and `subject_id` are used if
    /// they are there, and others (an unnamed index, `choice_time(ms)`) are not. Columns come in any order. An
    /// answer is `A+`, `A-`, `B+`, `B-`, `NA` or `N/A`; nothing counts as `NA`, too. Rows about `samples/dummy…`
    /// are dropped and counted.
    ///
    /// # Errors
    /// [`AbxError::Io`]; [`AbxError::Table`] with the line and the column.
    pub fn read(path: &Path) -> Result<Self, AbxError> {
        let parsed = match read_file(path)? {
            Some(bytes) => Self::parse(&bytes),
            None => Err("this is too large for a table of answers: give the CSV file".to_string()),
        };
        parsed.map_err(|message| AbxError::Table {
            path: path.into(),
            message,
        })
    }

    /// As [`Judgements::read`], of a file's bytes; the error is a message.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut builder = csv::ReaderBuilder::new();
        let mut reader = builder.trim(csv::Trim::All).from_reader(bytes);
        let headers = reader.headers().map_err(|e| refused(bytes, &e))?.clone();
        let columns = Columns::find(&headers)?;
        let mut all = Judgements::default();
        let mut items = BTreeMap::new();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(|e| refused(bytes, &e))? {
            let at = |(column, message): (&str, String)| {
                let line = line(bytes, record.position());
                format!("line {line}, column '{column}': {message}")
            };
            all.add(&mut items, &columns, &record).map_err(at)?;
        }
        all.items = items.into_values().collect();
        match all.rows {
            0 => Err("there are no answers in it, only a header".into()),
            _ => Ok(all),
        }
    }

    fn add(
        &mut self,
        items: &mut BTreeMap<(Sample, [Sample; 2]), Item>,
        columns: &Columns,
        record: &StringRecord,
    ) -> Result<(), (&'static str, String)> {
        self.rows += 1;
        let text = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or("");
        let add = |names: &mut BTreeSet<String>, name: &str| {
            if !name.is_empty() && !names.contains(name) {
                names.insert(name.to_string());
            }
        };
        add(&mut self.experiments, text(columns.experiment));
        add(&mut self.subjects, text(columns.subject));
        let names = columns.samples.map(|column| text(Some(column)));
        if names.iter().any(|name| name.starts_with(DUMMY)) {
            self.dummies += 1;
            return Ok(());
        }
        let sample = |i: usize| names[i].parse::<Sample>().map_err(|e| (SAMPLES[i], e));
        let (x, a, b) = (sample(0)?, sample(1)?, sample(2)?);
        for (column, sample) in [(SAMPLES[1], &a), (SAMPLES[2], &b)] {
            if sample.part != x.part {
                let message = format!("{sample} is compared with {x}: all three must be of one instrument");
                return Err((column, message));
            }
            if *sample == x {
                return Err((column, format!("{x} is compared with itself: leave the line out")));
            }
        }
        if a == b {
            return Err((SAMPLES[2], format!("both samples are {a}: leave the line out")));
        }
        let swapped = b < a;
        let samples = if swapped { [b, a] } else { [a, b] };
        let own = own_side(&x, [&samples[0], &samples[1]]).map_err(|e| (SAMPLES[1], e))?;
        let item = items.entry((x.clone(), samples.clone())).or_insert_with(|| Item {
            reference: x,
            samples,
            own,
            answers: [Answers::default(); 4],
        });
        for (aspect, column) in Aspect::ALL.into_iter().zip(columns.answers) {
            if column.is_none() {
                continue;
            }
            let answers = &mut item.answers[aspect as usize];
            match answer(text(column)).map_err(|e| (aspect.column(), e))? {
                Some(side) => answers.sides[if swapped { side.other() } else { side } as usize] += 1,
                None => answers.none += 1,
            }
        }
        Ok(())
    }

    /// The items, by the names of their samples.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Rows of the file, dummies included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that were dropped.
    pub fn dummies(&self) -> u64 {
        self.dummies
    }

    /// How many subjects there were; 0 if the file does not name them.
    pub fn subjects(&self) -> usize {
        self.subjects.len()
    }

    /// The names of the experiments.
    pub fn experiments(&self) -> impl Iterator<Item = &str> {
        self.experiments.iter().map(String::as_str)
    }

    /// Whether answers were simulated, all or some: an experiment's name begins with [`SIMULATED`]. Whatever is
    /// made of such judgements must say so.
    pub fn simulated(&self) -> bool {
        self.experiments().any(|name| name.starts_with(SIMULATED))
    }
}

const SAMPLES: [&str; 3] = ["reference", "sample_a", "sample_b"];

/// Where the columns are.
struct Columns {
    samples: [usize; 3],
    /// By aspect; the last is there.
    answers: [Option<usize>; 4],
    experiment: Option<usize>,
    subject: Option<usize>,
}

impl Columns {
    fn find(headers: &StringRecord) -> Result<Self, String> {
        let find = |name: &str| {
            let mut found = (0..headers.len()).filter(|&i| headers[i].eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (first, None) => Ok(first),
                _ => Err(format!("line 1: there are two columns '{name}': remove one")),
            }
        };
        let need = |name: &str| {
            find(name)?.ok_or_else(|| {
                format!(
                    "line 1: there is no column '{name}': the first line must name the columns, as in \
                     ,ex_name,subject_id,reference,sample_a,sample_b,answer_timbre,answer_rhythm,answer_melody,\
                     answer_total,choice_time(ms)"
                )
            })
        };
        let answers = Aspect::ALL.map(Aspect::column);
        Ok(Columns {
            samples: [need(SAMPLES[0])?, need(SAMPLES[1])?, need(SAMPLES[2])?],
            answers: [
                find(answers[0])?,
                find(answers[1])?,
                find(answers[2])?,
                Some(need(answers[3])?),
            ],
            experiment: find("ex_name")?,
            subject: find("subject_id")?,
        })
    }
}

fn answer(text: &str) -> Result<Option<Side>, String> {
    match text {
        "A+" | "A-" => Ok(Some(Side::A)),
        "B+" | "B-" => Ok(Some(Side::B)),
        "NA" | "N/A" | "" => Ok(None),
        _ => Err(format!("'{text}' is no answer: use A+, A-, B+, B- or NA")),
    }
}

/// What the CSV parser met, for a reader.
fn refused(bytes: &[u8], error: &csv::Error) -> String {
    let at = line(bytes, error.position());
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "line {at}: it has {len} columns and the first line {expected_len}: mend the line, or quote what \
             has a comma in it"
        ),
        csv::ErrorKind::Utf8 { err, .. } => format!(
            "line {at}, column {}: not UTF-8 text: save the table as UTF-8",
            err.field() + 1
        ),
        _ => format!("line {at}: {error}"),
    }
}

/// The line that a record begins on, from 1. The parser's own count stands before the line ends and the blank lines
/// that precede the record.
fn line(bytes: &[u8], position: Option<&csv::Position>) -> usize {
    let byte = position.map_or(0, |position| position.byte() as usize);
    let (before, rest) = bytes.split_at(byte.min(bytes.len()));
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    1 + before.iter().chain(blank).filter(|&&byte| byte == b'\n').count()
}
