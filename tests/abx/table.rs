//! Tables of answers: what is counted, how they are divided, and broken ones.

use super::*;

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
    assert_eq!(piano.closer(Criterion::default()), Some(Side::B));

    let drums = item(&judgements, "drums");
    assert_eq!((drums.own, drums.condition()), (None, Condition::AllDiff));
    assert_eq!(drums.answers(Aspect::Timbre), counts(0, 0, 4));
    assert_eq!(drums.answers(Aspect::Rhythm), counts(4, 0, 0));
    assert_eq!(drums.answers(Aspect::Total), counts(3, 1, 0));
    assert_eq!(drums.closer(Criterion::default()), None, "exactly 75 %");

    let bass = item(&judgements, "bass");
    assert_eq!(bass.answers(Aspect::Total), counts(0, 4, 1));
    assert_eq!(bass.answers(Aspect::Rhythm), counts(0, 4, 1));
    assert_eq!(bass.closer(Criterion::default()), Some(Side::B), "4 of 5");

    let guitar = item(&judgements, "guitar");
    assert_eq!(
        (guitar.answers(Aspect::Total), guitar.closer(Criterion::default())),
        (counts(2, 0, 0), Some(Side::A))
    );
    assert_eq!(guitar.own, Some(Side::B));
    let residuals = item(&judgements, "residuals");
    assert_eq!(residuals.answers(Aspect::Total), counts(0, 0, 1));
    assert_eq!(
        item(&judgements, "mix").closer(Criterion::default()),
        Some(Side::A)
    );
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
    let items = Items::clear(&judgements, Criterion::default());
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
    let items = Items::clear(&judgements, Criterion::default());
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
    let summary = Summary::of(&answers(), Criterion::default());
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
        |row: &stemwise::listening::Row| [row.items, row.responses, row.clear_items, row.clear_responses];
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

/// What is to be counted: each item's instrument, whether the samples share a rest, and its answers by aspect.
type Expected = Vec<(&'static str, bool, [Answers; 4])>;

/// Answers in the public format to 40 items, asked in two experiments, of which the second names the samples the other
/// way round; and what is to be counted of them.
fn generated() -> (TempDir, Judgements, Expected) {
    let (mut state, mut rows, mut all) = (7u32, Vec::new(), Vec::new());
    let mut below = |end: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % end
    };
    let instruments = ["drums", "bass", "piano", "guitar", "residuals"];
    for i in 0..40 {
        let (instrument, shared) = (instruments[i % 5], i % 2 == 0);
        let file = |role, track| format!("set{i}/0/{instrument}/{role}_{track}-1.wav");
        let (first, second) = match shared {
            true => (file('C', 2), file('Y', 1)),
            false => (file('A', 2), file('B', 3)),
        };
        let mut counted = [Answers::default(); 4];
        // listeners lean one way, more of one item than of another
        let lean = below(11);
        for subject in 0..8 + below(6) {
            let swapped = subject % 2 == 1;
            let mut texts = Vec::new();
            for (aspect, answers) in counted.iter_mut().enumerate() {
                let cannot_tell = below(10) < if aspect == 2 && i % 4 == 0 { 7 } else { 1 };
                let side = usize::from(below(10) >= lean);
                texts.push(match cannot_tell {
                    true => ["NA", "N/A"][subject as usize % 2].to_string(),
                    false => format!(
                        "{}{}",
                        ["A", "B"][side ^ usize::from(swapped)],
                        ["+", "-"][below(2) as usize]
                    ),
                });
                match cannot_tell {
                    true => answers.none += 1,
                    false => answers.sides[side] += 1,
                }
            }
            let [a, b] = if swapped {
                [&second, &first]
            } else {
                [&first, &second]
            };
            rows.push(format!(
                "{},ex{},s{subject},{},{a},{b},{},900",
                rows.len(),
                1 + usize::from(swapped),
                file('X', 1),
                texts.join(",")
            ));
        }
        all.push((instrument, shared, counted));
    }
    rows.push(format!(
        "{},ex1,s0,samples/dummy/x.wav,samples/dummy/a.wav,samples/dummy/b.wav,A+,A+,A+,A+,1",
        rows.len()
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.csv");
    fs::write(&path, format!("{HEADER}\n{}\n", rows.join("\n"))).unwrap();
    let judgements = Judgements::read(&path).unwrap();
    (folder, judgements, all)
}

/// By every aspect and share: items merged over experiments, `NA` among the answers that a share is of.
#[test]
fn aspects_and_shares_are_counted() {
    let (_folder, judgements, all) = generated();
    assert_eq!((judgements.dummies(), judgements.items().len()), (1, 40));
    let mut kept = BTreeSet::new();
    for (aspect, share) in Aspect::ALL.into_iter().flat_map(|a| Share::ALL.map(|s| (a, s))) {
        let criterion = Criterion { aspect, share };
        let summary = Summary::of(&judgements, criterion);
        let (mut items, mut none_most) = (0, 0);
        for row in summary.table {
            let of = |(instrument, shared, _): &&(&str, bool, [Answers; 4])| {
                row.part == instrument.parse().ok() && (row.condition == Condition::OneShared) == *shared
            };
            let (mut clear, mut responses) = (0, 0);
            for (_, _, answers) in all.iter().filter(of) {
                let Answers { sides, none } = answers[aspect as usize];
                let (most, asked) = (sides[0].max(sides[1]), sides[0] + sides[1] + none);
                let enough = match share {
                    Share::MoreThan75 => f64::from(most) / f64::from(asked) > 0.75 + 1e-9,
                    Share::AtLeast80 => f64::from(most) / f64::from(asked) > 0.8 - 1e-9,
                };
                none_most += u64::from(2 * none > asked);
                // who is left out because most cannot tell is never counted
                if enough && none <= most {
                    clear += 1;
                    responses += u64::from(sides[0] + sides[1]);
                }
            }
            assert_eq!(
                (row.clear_items, row.clear_responses),
                (clear, responses),
                "{criterion} {:?} {}",
                row.part,
                row.condition
            );
            items += clear;
        }
        assert_eq!(Items::clear(&judgements, criterion).judged().len() as u64, items);
        assert!(items > 5, "{criterion}: {items}");
        assert!(none_most > 3 || aspect != Aspect::Melody, "{none_most}");
        kept.insert((aspect, items));
    }
    // some items are clear in one respect and not in another
    assert!(kept.len() > 4, "{kept:?}");
}

/// `ABX_CSV=answers.csv cargo test --test abx -- --ignored public`: the public answers to the tests of Hashizume et al.
#[test]
#[ignore = "needs the public answers, at $ABX_CSV"]
fn public_answers_give_table_7() {
    let path = std::env::var_os("ABX_CSV").expect("ABX_CSV names the public answers");
    let judgements = Judgements::read(Path::new(&path)).unwrap();
    for (aspect, published) in [
        (Aspect::Total, [912, 949, 836, 925, 977]),
        (Aspect::Timbre, [463, 420, 330, 412, 414]),
    ] {
        let share = Share::AtLeast80;
        let summary = Summary::of(&judgements, Criterion { aspect, share });
        let rows = summary.table.iter().filter(|row| {
            row.condition == Condition::AllDiff && row.part.is_some_and(|part| part.instrument().is_some())
        });
        let responses: Vec<u64> = rows.map(|row| row.clear_responses).collect();
        assert_eq!(responses, published, "{aspect}");
    }
}
