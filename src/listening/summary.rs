//! What a file of judgements holds: Table 1 of Imamura et al. 2025, Table 7 of Hashizume et al. 2025.

use serde::Serialize;

use super::{Aspect, Condition, Criterion, Item, Judgements, Part, Share};
use crate::corpus::Instrument;

/// Counts of a file, by instrument and condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Whether answers were simulated.
    pub simulated: bool,
    /// The names of the experiments.
    pub experiments: Vec<String>,
    /// Rows of the file.
    pub rows: u64,
    /// Rows among these that only checked whether a subject listens.
    pub dummies: u64,
    /// The answers that are looked at.
    pub aspect: Aspect,
    /// How many of an item's answers make it clear.
    pub share: Share,
    /// Answers in that respect that were `NA`; they are no responses below.
    pub no_answer: u64,
    /// Subjects.
    pub subjects: usize,
    /// Instrument by instrument, in both conditions; then whole mixes, if there are any.
    pub table: Vec<Row>,
    /// The five instruments together, by condition.
    pub instruments: Vec<Row>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was played; `None` for the five instruments together.
    pub part: Option<Part>,
    /// All-Diff or One-Shared.
    pub condition: Condition,
    /// Items with at least one answer that names a side.
    pub items: u64,
    /// Answers that name a side.
    pub responses: u64,
    /// Items among these of which one side has enough of the answers.
    pub clear_items: u64,
    /// The responses to them.
    pub clear_responses: u64,
    /// Percent of these responses that the majority is right about: nobody can agree with more.
    pub ceiling: Option<f64>,
    /// Percent of these responses that chose the sample of the reference's own piece; only in One-Shared.
    pub baseline: Option<f64>,
}

impl Summary {
    /// Counts what is in a file.
    pub fn of(judgements: &Judgements, criterion: Criterion) -> Self {
        let items = judgements.items();
        let row = |part: Option<Part>, condition: Condition| {
            let of_part = move |item: &&Item| match part {
                Some(part) => item.part() == part,
                None => item.part().instrument().is_some(),
            };
            let meant = items.iter().filter(of_part);
            Row::of(
                part,
                condition,
                meant.filter(|item| item.condition() == condition),
                criterion,
            )
        };
        let mut parts: Vec<Part> = Instrument::ALL.map(Part::Instrument).to_vec();
        if items.iter().any(|item| item.part() == Part::Mix) {
            parts.push(Part::Mix);
        }
        let both = |part| Condition::ALL.map(|condition| row(part, condition));
        Summary {
            simulated: judgements.simulated(),
            experiments: judgements.experiments().map(String::from).collect(),
            rows: judgements.rows(),
            dummies: judgements.dummies(),
            aspect: criterion.aspect,
            share: criterion.share,
            no_answer: items
                .iter()
                .map(|item| u64::from(item.answers(criterion.aspect).none))
                .sum(),
            subjects: judgements.subjects(),
            table: parts.into_iter().flat_map(|part| both(Some(part))).collect(),
            instruments: both(None).to_vec(),
        }
    }
}

impl Row {
    fn of<'a>(
        part: Option<Part>,
        condition: Condition,
        items: impl Iterator<Item = &'a Item>,
        criterion: Criterion,
    ) -> Self {
        let (mut row, mut majority, mut own) = (Row::new(part, condition), 0, 0);
        for item in items {
            let answers = item.answers(criterion.aspect);
            let given = u64::from(answers.given());
            row.items += u64::from(given > 0);
            row.responses += given;
            if let Some(closer) = criterion.share.closer(answers) {
                row.clear_items += 1;
                row.clear_responses += given;
                majority += u64::from(answers.sides[closer as usize]);
                own += item.own.map_or(0, |own| u64::from(answers.sides[own as usize]));
            }
        }
        let percent = |count: u64| 100.0 * count as f64 / row.clear_responses as f64;
        let any = row.clear_responses > 0;
        row.ceiling = any.then(|| percent(majority));
        row.baseline = (any && condition == Condition::OneShared).then(|| percent(own));
        row
    }

    fn new(part: Option<Part>, condition: Condition) -> Self {
        Row {
            part,
            condition,
            items: 0,
            responses: 0,
            clear_items: 0,
            clear_responses: 0,
            ceiling: None,
            baseline: None,
        }
    }
}
