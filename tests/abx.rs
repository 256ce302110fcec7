//! Judgements of similarity by ear: the public format, what is counted, and simulated ones.

#[path = "common/program.rs"]
mod program;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use program::{done, refused, stemwise};
use stemwise::corpus::{
    Corpus, Instrument, Split,
    abx::{
        Answers, Aspect, CSV_FILE, Clip, Clips, Condition, Item, Items, JSON_FILE, Judged, Judgements,
        Likeness, Part, Sample, Side, SimulateOptions, SplitBy, Summary, Traits, simulate,
    },
    is_silent, load_instrument,
    synth::{SynthOptions, synthesise},
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

/// The fixture has a byte-order mark, CRLF, quotes, a blank line, swapped pairs, dummies, `NA`, `N/A` and nothing.
#[test]
fn every_answer_is_counted() {
    let bytes = fs::read(fixture("answers.csv")).unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbf,ex_name") && bytes.windows(4).any(|w| w == b"\r\n\r\n"));
    let judgements = answers();
    assert_eq!(
        (judgements.rows(), judgements.dummies(), judgements.subjects()),
        (20, 2, 5)
    );
    assert_eq!(judgements.experiments().collect::<Vec<_>>(), ["ex1", "ex2"]);
    assert!(!judgements.simulated());
    assert_eq!(judgements.items().len(), 6);

    // C comes before Y by name: side B is Y. Both orders and both experiments are in one item.
    let piano = item(&judgements, "piano");
    assert_eq!(piano.samples.each_ref().map(Sample::role), [Some('C'), Some('Y')]);
    assert_eq!(
        (piano.own, piano.condition()),
        (Some(Side::B), Condition::OneShared)
    );
    assert_eq!(piano.answers(Aspect::Timbre), counts(1, 3, 1));
    assert_eq!(piano.answers(Aspect::Rhythm), counts(1, 3, 1));
    assert_eq!(piano.answers(Aspect::Melody), counts(0, 1, 4));
    assert_eq!(piano.answers(Aspect::Total), counts(1, 4, 0));
    assert_eq!(piano.closer(), Some(Side::B));

    let drums = item(&judgements, "drums");
    assert_eq!((drums.own, drums.condition()), (None, Condition::AllDiff));
    assert_eq!(drums.answers(Aspect::Timbre), counts(0, 0, 4));
    assert_eq!(drums.answers(Aspect::Rhythm), counts(4, 0, 0));
    assert_eq!(drums.answers(Aspect::Total), counts(3, 1, 0));
    assert_eq!(drums.closer(), None, "exactly 75 %");

    let bass = item(&judgements, "bass");
    assert_eq!(bass.answers(Aspect::Total), counts(0, 4, 1));
    assert_eq!(bass.answers(Aspect::Rhythm), counts(0, 4, 1));
    assert_eq!(bass.closer(), Some(Side::B), "4 of 5");

    let guitar = item(&judgements, "guitar");
    assert_eq!(
        (guitar.answers(Aspect::Total), guitar.closer()),
        (counts(2, 0, 0), Some(Side::A))
    );
    assert_eq!(guitar.own, Some(Side::B));
    let residuals = item(&judgements, "residuals");
    assert_eq!(residuals.answers(Aspect::Total), counts(0, 0, 1));
    assert_eq!(item(&judgements, "mix").closer(), Some(Side::A));
}

#[test]
fn columns_go_by_name() {
    let judgements = Judgements::read(&fixture("reordered.csv")).unwrap();
    assert_eq!((judgements.rows(), judgements.subjects()), (2, 0));
    let piano = item(&judgements, "piano");
    assert_eq!(piano.reference, item(&answers(), "piano").reference);
    assert_eq!(piano.answers(Aspect::Total), counts(0, 2, 0));
    assert_eq!(piano.answers(Aspect::Timbre), counts(0, 0, 0), "not asked");
}

#[test]
fn order_of_rows_makes_no_difference() {
    let text = fs::read_to_string(fixture("answers.csv"))
        .unwrap()
        .replace('\r', "");
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[1..].reverse();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reversed.csv");
    // the name that a table gets when it is written once more
    fs::write(&path, lines.join("\n").replacen("\u{feff},", "Unnamed: 0,", 1)).unwrap();
    let reversed = Judgements::read(&path).unwrap();
    assert_eq!(reversed.items(), answers().items());
}

const HEADER: &str = ",ex_name,subject_id,reference,sample_a,sample_b,answer_timbre,answer_rhythm,answer_melody,answer_total,choice_time(ms)";
const ROW: &str = "0,e,s,set0/0/bass/X_1-2.wav,set0/0/bass/A_2-2.wav,set0/0/bass/B_3-2.wav,A+,A+,A+,A+,1";

#[test]
fn broken_tables_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.csv");
    let refused = |content: &[u8], says: &[&str]| {
        fs::write(&path, content).unwrap();
        let message = Judgements::read(&path).unwrap_err().to_string();
        for says in [&[path.to_str().unwrap()], says].concat() {
            assert!(message.contains(says), "'{says}' is not in: {message}");
        }
    };
    let after = |row: &str| format!("{HEADER}\n{ROW}\n{row}\n").into_bytes();
    let with = |from: &str, to: &str| after(&ROW.replace(from, to));
    refused(&after("0,e,s"), &["line 3", "3 columns", "11"]);
    refused(&after(&format!("{ROW},more")), &["line 3", "12 columns"]);
    refused(&with("A+,1", "C+,1"), &["line 3", "'answer_total'", "'C+'", "B-"]);
    refused(
        &with("A+,A+,A+,A+,1", "A,A+,A+,A+,1"),
        &["line 3", "'answer_timbre'", "'A'"],
    );
    refused(
        &with("set0/0/bass/X", "bass/X"),
        &["line 3", "'reference'", "bass/X_1-2.wav"],
    );
    refused(&with("bass/X", "kazoo/X"), &["line 3", "'reference'", "kazoo"]);
    refused(
        &with("bass/B", "piano/B"),
        &["line 3", "'sample_b'", "one instrument"],
    );
    refused(&with("B_3-2", "A_2-2"), &["line 3", "'sample_b'", "both"]);
    refused(&with("B_3-2", "X_1-2"), &["line 3", "'sample_b'", "itself"]);
    refused(
        &with("B_3-2", "Y_1-3").replace_bytes("A_2-2.wav,set0/0/bass/Y", "Y_1-9.wav,set0/0/bass/Y"),
        &["line 3", "both"],
    );
    refused(&with("B_3-2", "three"), &["line 3", "'sample_a'", "three.wav"]);
    refused(
        &with("X_1", "X\u{fffd}_1")
            .replace_bytes("\u{fffd}", "")
            .with_byte(0xff, b"X_1"),
        &["line 3", "column 4", "UTF-8"],
    );
    // blank lines and CRLF before the broken one
    let crlf = format!(
        "{HEADER}\r\n{ROW}\r\n\r\n\r\n{}\r\n",
        ROW.replace("A+,1", "yes,1")
    );
    refused(crlf.as_bytes(), &["line 5", "'yes'"]);
    let short = format!("{HEADER}\r\n{ROW}\r\n\r\n0,e\r\n");
    refused(short.as_bytes(), &["line 4", "2 columns"]);

    refused(b"", &["'reference'"]);
    refused(HEADER.as_bytes(), &["no answers"]);
    refused(
        b"reference,sample_a,sample_b\nx,y,z\n",
        &["line 1", "'answer_total'"],
    );
    refused(
        b"reference,sample_a,sample_b,reference,answer_total\n",
        &["line 1", "two columns 'reference'"],
    );
    refused(&[0, 159, 146, 150, 10, 255], &["line 1"]);
    let nowhere = folder.path().join("nowhere.csv");
    assert!(
        Judgements::read(&nowhere)
            .unwrap_err()
            .to_string()
            .contains("nowhere.csv")
    );
    assert!(Judgements::read(folder.path()).is_err());
}

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

fn names(judged: &[Judged]) -> BTreeSet<String> {
    judged
        .iter()
        .map(|judged| judged.item.reference.to_string())
        .collect()
}

/// 20 clear items each of drums All-Diff and bass One-Shared, and 10 that are not.
fn many() -> (TempDir, Judgements) {
    let clear = (0..20).flat_map(|i| [("drums", false, 7 + i % 3, 1), ("bass", true, 1, 8)]);
    let all: Vec<_> = clear.chain([("piano", false, 3, 1); 10]).collect();
    table(&all)
}

#[test]
fn items_are_divided_by_the_seed() {
    let (_folder, judgements) = many();
    let items = Items::clear(&judgements);
    assert_eq!(items.items().len(), 40, "75 % is not enough");
    let [train, test] = items.split(1, SplitBy::Item);
    assert_eq!((train.len(), test.len()), (28, 12));
    for part in ["drums", "bass"].map(|part| part.parse::<Part>().unwrap()) {
        let of = |judged: &[Judged]| judged.iter().filter(|judged| judged.item.part() == part).count();
        assert_eq!((of(&train), of(&test)), (14, 6), "{part}");
    }
    let (one, other) = (names(&train), names(&test));
    assert!(one.is_disjoint(&other));
    let all: BTreeSet<_> = one.union(&other).cloned().collect();
    assert_eq!(all, names(&items.judged()));
    for judged in train.iter().chain(&test) {
        assert_eq!(
            judged.sides,
            judged.item.answers(Aspect::Total).sides,
            "all answers of an item"
        );
    }
    assert_eq!(items.split(1, SplitBy::Item), [train, test.clone()]);
    let others: BTreeSet<_> = (2..10)
        .map(|seed| names(&items.split(seed, SplitBy::Item)[1]))
        .collect();
    assert!(
        others.len() == 8 && !others.contains(&other),
        "another seed, another split"
    );
}

#[test]
fn responses_are_divided_by_the_seed() {
    let (_folder, judgements) = many();
    let items = Items::clear(&judgements);
    let [train, test] = items.split(1, SplitBy::Response);
    let total = |judged: &[Judged]| judged.iter().map(|j| j.sides[0] + j.sides[1]).sum::<u32>();
    // 20 × 9 of bass; of drums 7 × 8, 7 × 9 and 6 × 10, 179 in all, of which 125.3
    assert_eq!((total(&train), total(&test)), (126 + 125, 54 + 54));
    for item in items.judged() {
        let of = |part: &[Judged]| {
            let found = part.iter().find(|judged| judged.item == item.item);
            found.map_or([0, 0], |judged| judged.sides)
        };
        let (one, other) = (of(&train), of(&test));
        assert_eq!([one[0] + other[0], one[1] + other[1]], item.sides);
    }
    assert!(train.iter().chain(&test).all(|judged| judged.sides != [0, 0]));
    assert!(
        !names(&train).is_disjoint(&names(&test)),
        "items are in both parts"
    );
    assert_eq!(items.split(1, SplitBy::Response), [train, test.clone()]);
    assert_ne!(items.split(2, SplitBy::Response)[1], test);
}

#[test]
fn table_1() {
    let summary = Summary::of(&answers());
    let row = |part: &str, condition| {
        let part = Some(part.parse().unwrap());
        let row = summary
            .table
            .iter()
            .find(|row| row.part == part && row.condition == condition)
            .unwrap();
        let counts = [row.items, row.responses, row.clear_items, row.clear_responses];
        (counts, row.ceiling, row.baseline)
    };
    use Condition::{AllDiff, OneShared};
    assert_eq!(row("piano", OneShared), ([1, 5, 1, 5], Some(80.0), Some(80.0)));
    assert_eq!(row("guitar", OneShared), ([1, 2, 1, 2], Some(100.0), Some(0.0)));
    assert_eq!(row("drums", AllDiff), ([1, 4, 0, 0], None, None));
    assert_eq!(row("bass", AllDiff), ([1, 4, 1, 4], Some(100.0), None));
    assert_eq!(
        row("residuals", OneShared),
        ([0, 0, 0, 0], None, None),
        "an NA is no response"
    );
    assert_eq!(row("mix", AllDiff), ([1, 1, 1, 1], Some(100.0), None));
    assert_eq!(row("piano", AllDiff).0, [0; 4]);
    assert_eq!(summary.table.len(), 12);
    let all =
        |row: &stemwise::corpus::abx::Row| [row.items, row.responses, row.clear_items, row.clear_responses];
    let [all_diff, one_shared] = &summary.instruments[..] else {
        panic!("both conditions")
    };
    assert_eq!(
        (all(all_diff), all_diff.ceiling),
        ([2, 8, 1, 4], Some(100.0)),
        "without the mix"
    );
    assert_eq!(all(one_shared), [2, 7, 2, 7]);
    let percent = |x: Option<f64>, of_seven: f64| (x.unwrap() - 100.0 * of_seven / 7.0).abs() < 1e-9;
    assert!(
        percent(one_shared.ceiling, 6.0) && percent(one_shared.baseline, 4.0),
        "{one_shared:?}"
    );
    assert_eq!(
        (
            summary.no_answer,
            summary.rows,
            summary.dummies,
            summary.simulated
        ),
        (2, 20, 2, false)
    );
}

#[test]
fn clips_are_where_the_indices_say() {
    let files = ["dict_triplet_1.json", "dict_triplet_2.json"].map(fixture);
    let clips = Clips::read(&files).unwrap();
    assert_eq!((clips.count(), clips.simulated()), (12, false));
    let judgements = answers();
    let clip = |track, start, end| Clip {
        track,
        start,
        end,
        rate: 44_100,
    };
    let piano = item(&judgements, "piano");
    // not seg × length: pieces begin elsewhere
    assert_eq!(
        clips.of(&piano.reference).unwrap(),
        clip(107, 6_135_975, 6_355_111)
    );
    assert_eq!(
        clips.of(&piano.samples[0]).unwrap(),
        clip(212, 8_546_304, 8_765_440),
        "Track00212, 44100.0"
    );
    assert_eq!(
        clips.of(&piano.samples[1]).unwrap(),
        clip(107, 1_753_088, 1_972_224),
        "text"
    );

    let triplets = clips.triplets(&Items::clear(&judgements).judged()).unwrap();
    let [piano, guitar, bass] = triplets[..] else {
        panic!("a mix is no triplet: {triplets:?}")
    };
    assert_eq!(
        (piano.instrument, guitar.instrument),
        (Instrument::Piano, Instrument::Guitar)
    );
    assert_eq!(piano.reference, clip(107, 6_135_975, 6_355_111));
    assert_eq!(
        (piano.positive.start, piano.negative.start),
        (1_753_088, 8_546_304),
        "Y won"
    );
    assert_eq!(
        (piano.agreeing, piano.disagreeing, piano.positive_is_own),
        (4, 1, Some(true))
    );
    // C won, and the name of X follows from its segment
    assert_eq!(
        (
            guitar.positive.track,
            guitar.negative.track,
            guitar.reference.track
        ),
        (212, 107, 107)
    );
    assert_eq!((guitar.agreeing, guitar.positive_is_own), (2, Some(false)));
    assert_eq!(
        (guitar.condition(), bass.condition()),
        (Condition::OneShared, Condition::AllDiff)
    );
    assert_eq!(
        (bass.positive.track, bass.agreeing, bass.disagreeing),
        (331, 4, 0)
    );

    let one = Clips::read(&files[1..]).unwrap();
    let message = one
        .triplets(&Items::clear(&judgements).judged())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("set2/0/") && message.contains("JSON"),
        "{message}"
    );
    let bass = item(&judgements, "bass");
    let judged = |sides| Judged {
        item: bass.clone(),
        sides,
    };
    let [bass] = clips.triplets(&[judged([2, 1])]).unwrap()[..] else {
        panic!("one triplet")
    };
    assert_eq!(
        (bass.positive.track, bass.agreeing, bass.positive_is_own),
        (77, 2, None)
    );
}

#[test]
fn broken_clips_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    let text = fs::read_to_string(fixture("dict_triplet_2.json")).unwrap();
    let refused = |text: &str, says: &[&str]| {
        fs::write(&path, text).unwrap();
        let message = Clips::read(&[fixture("dict_triplet_1.json"), path.clone()])
            .unwrap_err()
            .to_string();
        for says in [&["broken.json"], says].concat() {
            assert!(message.contains(says), "'{says}' is not in: {message}");
        }
    };
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let x = "set3/0/test2/mix/X";
    refused(&text[..text.len() / 2], &["line"]);
    refused("[]", &["object"]);
    refused("3", &["object"]);
    refused(
        &with("\"index_s\": 438272", "\"index_s\": -1"),
        &[x, "'index_s'", "-1"],
    );
    refused(
        &with("\"index_s\": 438272", "\"index_s\": 0.5"),
        &[x, "'index_s'", "0.5"],
    );
    refused(&with("\"index_s\": 438272, ", ""), &[x, "'index_s' is missing"]);
    refused(
        &with("\"index_e\": 657408", "\"index_e\": 438272"),
        &[x, "'index_e'"],
    );
    refused(&with("\"sr\": 44100", "\"sr\": 0"), &[x, "'sr'"]);
    refused(
        &with("\"ID\": 803", "\"ID\": \"Song 803\""),
        &[x, "'ID'", "Song 803"],
    );
    refused(&with("\"ID\": 803", "\"ID\": 804"), &[x, "804", "another piece"]);
    refused(
        &with("\"filename\": \"X_803-2.wav\"", "\"filename\": 2"),
        &[x, "'filename'"],
    );
    refused(&with("\"mix\"", "\"kazoo\""), &["set3/0/test2/kazoo", "kazoo"]);
    refused(&with("set3", "setting"), &["setting"]);
    refused(&with("\"0\"", "\"first\""), &["set3/first"]);
    // the same sample elsewhere
    let other = fs::read_to_string(fixture("dict_triplet_1.json"))
        .unwrap()
        .replace("5916843", "5916844");
    refused(&other, &["2/1/test2/bass/X", "elsewhere"]);
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

fn options() -> SimulateOptions {
    SimulateOptions {
        items: 6,
        subjects: 7,
        ..SimulateOptions::default()
    }
}

fn simulated(options: &SimulateOptions) -> (TempDir, Judgements, Clips) {
    let folder = tempfile::tempdir().unwrap();
    let simulation = simulate(
        &Corpus::open(corpus()).unwrap(),
        folder.path(),
        options,
        &|_, _| {},
    )
    .unwrap();
    let judgements = Judgements::read(&folder.path().join(CSV_FILE)).unwrap();
    let clips = Clips::read(&[folder.path().join(JSON_FILE)]).unwrap();
    assert_eq!(judgements.rows(), simulation.rows);
    let cells = 10 - simulation.missing.len() as u64;
    assert_eq!(simulation.items, cells * u64::from(options.items));
    (folder, judgements, clips)
}

fn traits(track: u32, instrument: Instrument) -> Traits {
    let corpus = Corpus::open(corpus()).unwrap();
    let track = corpus.split(Split::Test).iter().find(|t| t.id == track).unwrap();
    let stems = track.instrument_stems(instrument).unwrap();
    Traits {
        piece: track.id,
        programs: stems.iter().map(|stem| stem.metadata.program_num).collect(),
        tempo: Some(stemwise::corpus::midi::read_tempo(&track.midi_path()).unwrap()),
    }
}

#[test]
fn simulated_files_read_as_real_ones_do() {
    let (_folder, judgements, clips) = simulated(&options());
    assert!(judgements.simulated() && clips.simulated() && Summary::of(&judgements).simulated);
    assert_eq!((judgements.subjects(), judgements.dummies()), (7, 14));
    assert_eq!(judgements.rows(), 7 * (judgements.items().len() as u64 + 2));
    let corpus = Corpus::open(corpus()).unwrap();
    let mut seen = BTreeSet::new();
    for item in judgements.items() {
        let instrument = item.part().instrument().unwrap();
        seen.insert((instrument, item.condition()));
        assert_eq!(
            item.answers(Aspect::Total).given(),
            7,
            "every subject judges every item once"
        );
        let all =
            [&item.reference, &item.samples[0], &item.samples[1]].map(|sample| clips.of(sample).unwrap());
        for clip in all {
            assert_eq!((clip.end - clip.start, clip.rate), (220_500, 44_100));
            let track = corpus
                .split(Split::Test)
                .iter()
                .find(|track| track.id == clip.track)
                .unwrap();
            let sound = load_instrument(track, instrument, clip.start, 220_500, 44_100).unwrap();
            assert!(!is_silent(&sound), "{item:?}");
        }
        if let Some(own) = item.own {
            let distance = all[0].start.abs_diff(all[1 + own as usize].start);
            assert!(distance > 0, "X is not its own sample");
        }
    }
    for condition in Condition::ALL {
        assert!(
            seen.contains(&(Instrument::Drums, condition)) && seen.contains(&(Instrument::Bass, condition))
        );
    }
    let none: u32 = judgements
        .items()
        .iter()
        .map(|item| item.answers(Aspect::Timbre).none)
        .sum();
    assert!(none > 0, "sometimes there is no answer");
    // what training takes
    let judged = Items::clear(&judgements).judged();
    assert_eq!(clips.triplets(&judged).unwrap().len(), judged.len());
}

#[test]
fn without_noise_the_oracle_is_followed() {
    let (_folder, judgements, _) = simulated(&SimulateOptions {
        noise: 0.0,
        ..options()
    });
    let mut told = 0;
    for item in judgements.items() {
        let instrument = item.part().instrument().unwrap();
        let x = traits(item.reference.track().unwrap(), instrument);
        let likeness = item
            .samples
            .each_ref()
            .map(|sample| Likeness::of(&x, &traits(sample.track().unwrap(), instrument)));
        for aspect in [Aspect::Timbre, Aspect::Rhythm, Aspect::Total] {
            let [a, b] = likeness.map(|likeness| likeness.in_aspect(aspect));
            let answers = item.answers(aspect);
            if a != b {
                assert_eq!(
                    answers.sides[usize::from(a > b)],
                    0,
                    "{aspect:?} of {item:?}: {a} {b}"
                );
                told += answers.given();
            }
        }
        if item.own.is_some() {
            assert_eq!(item.closer(), item.own);
        }
    }
    assert!(told > 500, "{told}");
    let summary = Summary::of(&judgements);
    assert_eq!(summary.instruments[1].baseline, Some(100.0));
}

#[test]
fn more_noise_less_agreement() {
    let majority = |noise| {
        let (_folder, judgements, _) = simulated(&SimulateOptions {
            noise,
            items: 30,
            subjects: 9,
            ..options()
        });
        let answers = judgements.items().iter().map(|item| item.answers(Aspect::Total));
        let (most, all) = answers.fold((0, 0), |(most, all), answers| {
            (most + answers.sides.iter().max().unwrap(), all + answers.given())
        });
        f64::from(most) / f64::from(all)
    };
    let [little, some, much] = [0.05, 0.5, 50.0].map(majority);
    // nine coin tosses have a majority of 63.7 % on average; the standard error over 300 items is 0.5 %
    // with little noise only those that the oracle finds equally alike are tossed for
    assert!(
        little > 0.9 && some < little - 0.02 && some > much + 0.1,
        "{little} {some} {much}"
    );
    assert!((0.61..0.66).contains(&much), "{much}");
}

#[test]
fn a_simulation_is_a_function_of_its_seed() {
    let bytes = |seed| {
        let (folder, ..) = simulated(&SimulateOptions { seed, ..options() });
        [CSV_FILE, JSON_FILE].map(|file| fs::read(folder.path().join(file)).unwrap())
    };
    let one = bytes(1);
    assert!(one == bytes(1));
    let other = bytes(2);
    assert!(one[0] != other[0] && one[1] != other[1]);
}

#[test]
fn summary_on_the_command_line() {
    let path = fixture("answers.csv");
    let path = path.to_str().unwrap();
    let text = succeeds(&["abx", "summary", path]);
    let line = |begins: &[&str]| {
        let mut rows = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row.starts_with(begins))
            .unwrap_or_else(|| panic!("{begins:?}: {text}"))
    };
    assert_eq!(
        line(&["piano", "One-Shared"])[2..],
        ["1", "5", "1", "5", "80.00", "80.00"]
    );
    assert_eq!(
        line(&["drums", "All-Diff"])[2..],
        ["1", "4", "0", "0", "-", "n/a"]
    );
    assert_eq!(
        line(&["all", "five", "One-Shared"])[3..],
        ["2", "7", "2", "7", "85.71", "57.14"]
    );
    assert!(!text.contains("SIMULATED"));

    let json: serde_json::Value =
        serde_json::from_str(&succeeds(&["abx", "summary", path, "--json"])).unwrap();
    assert_eq!(json["simulated"], false);
    let rows = json["table"].as_array().unwrap();
    let guitar = rows
        .iter()
        .find(|row| row["part"] == "guitar" && row["condition"] == "One-Shared")
        .unwrap();
    assert_eq!(
        (&guitar["clear_responses"], &guitar["ceiling"]),
        (&2.into(), &100.0.into())
    );
    assert_eq!(guitar["baseline"], 0.0);

    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.csv");
    fs::write(&broken, format!("{HEADER}\n{}\n", ROW.replace("A+,1", "A,1"))).unwrap();
    fails(
        1,
        "broken.csv: line 2, column 'answer_total'",
        &["abx", "summary", broken.to_str().unwrap()],
    );
    fails(1, "nowhere.csv", &["abx", "summary", "nowhere.csv"]);
    fails(2, "FILE", &["abx", "summary"]);
}

#[test]
fn simulation_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (corpus().to_str().unwrap(), folder.path().join("abx"));
    let out = out.to_str().unwrap();
    let simulate = ["abx", "simulate", "--corpus", root, "--out", out, "--items", "3"];
    let text = succeeds(&simulate);
    assert!(text.contains("SIMULATED") && text.contains(CSV_FILE), "{text}");
    let csv = Path::new(out).join(CSV_FILE);
    let summary = succeeds(&["abx", "summary", csv.to_str().unwrap()]);
    assert!(summary.starts_with("SIMULATED"), "{summary}");
    assert_eq!(succeeds(&simulate), text, "the same once more is no error");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(Path::new(out).join("simulation.json")).unwrap()).unwrap();
    assert!(record["oracle"].as_str().unwrap().contains("likeness") && record["simulated"] == true);

    fails(1, "other options", &[&simulate[..6], &["--items", "4"]].concat());
    let with = |more: &[&'static str]| [&["abx", "simulate", "--corpus", root, "--out", "x"], more].concat();
    fails(2, "--noise", &with(&["--noise", "-1"]));
    fails(2, "--noise", &with(&["--noise", "nan"]));
    fails(2, "--items", &with(&["--items", "0"]));
    fails(2, "--subjects", &with(&["--subjects", "0"]));
    fails(2, "no split", &with(&["--split", "best"]));
    fails(1, "omitted", &with(&["--split", "omitted"]));
    fails(1, "no item can be drawn", &with(&["--split", "train"]));
    fails(
        1,
        "nowhere",
        &["abx", "simulate", "--corpus", "nowhere", "--out", "x"],
    );
    assert!(!Path::new("x").exists());

    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    succeeds(&["corpus", "prepare", root, "--out", store]);
    fails(1, "store", &["abx", "simulate", "--corpus", store, "--out", "x"]);
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    done(&stemwise(arguments))
}

#[track_caller]
fn fails(code: i32, named: &str, arguments: &[&str]) {
    let output = stemwise(arguments);
    refused(&output, code, &[named]);
    assert!(output.stdout.is_empty());
}
