//! Perceptual agreement: does a model find more alike what listeners do?
//!
//! Listeners heard a reference and two samples, and said which is more alike. Items count about which they agree
//! ([`Criterion`]): on the whole, strictly more than 75 % of the answers, in Table 5 of Imamura et al. 2025; in one
//! respect, at least 80 %, in Table 6 of Hashizume et al. 2025. The model chooses the sample whose vector is nearer to
//! the reference's in the instrument's sub-space, and the score is the share of *responses* that chose the same, with
//! its 95 % interval (Clopper and Pearson). All-Diff (three pieces) and One-Shared (one sample is of the reference's
//! piece) are told apart. Beside the score stand the ceiling, always the side of the majority, and for One-Shared the
//! trivial rule, always the sample of the reference's own piece; chance is one in two.
//!
//! Models of clean stems hear the stem that was judged, others the piece that it was judged in. Of a table that a run
//! was trained on, only the part is asked that was held out.

use std::{collections::BTreeMap, path::Path, sync::atomic::AtomicBool};

use super::{EvalError, Heldout, Measure, Score, Subject, listener::Listener};
use crate::{
    corpus::{Instrument, Mix, Pieces},
    describe::Describer,
    listening::{Clip, Condition, Criterion, Items, Judged, Side},
    metrics::{self, JudgedItem, Votes, perceptual_agreement},
    train::{JudgementTable, Recipe, Run, recipe::Task},
};

/// The longest that is heard of a sample, as in the papers.
const SECONDS: f64 = 5.0;

/// The score of one instrument and condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreed {
    /// The instrument.
    pub instrument: Instrument,
    /// Whether one sample is of the reference's piece.
    pub condition: Condition,
    /// Which items count.
    pub criterion: Criterion,
    /// Model, ceiling and trivial rule.
    pub agreement: metrics::Agreement,
    /// Which items were asked.
    pub heldout: Heldout,
}

/// The items that a run can be asked about.
fn items(
    table: &JudgementTable,
    folder: &Path,
    recipe: &Recipe,
    criterion: Criterion,
) -> Result<(Vec<Judged>, Heldout), EvalError> {
    let record = match recipe.task {
        Task::Judgements => Run::open(folder)?.record()?,
        _ => None,
    };
    let learnt = record.and_then(|record| record.starts.into_iter().next_back()?.judgements);
    let all = || Items::clear(&table.judgements, criterion).judged();
    Ok(match learnt {
        Some(hash) if hash == table.hash => {
            let [trained, held_out] = table.divided(recipe);
            let asked = match recipe.data.criterion() == criterion {
                true => held_out,
                // by another criterion other items count: those that were not learned in any respect
                false => {
                    let mut asked = all();
                    asked.retain(|judged| !trained.iter().any(|known| known.item == judged.item));
                    asked
                }
            };
            (asked, Heldout::Part)
        }
        Some(_) => (all(), Heldout::Others),
        None => (all(), Heldout::All),
    })
}

/// Where a judged sample is: the set of pieces, its piece there, and its first sample.
type Place = (usize, u32, u64);

/// Finds pieces by their number, opening one split after another.
pub(super) struct Finder<'a> {
    /// Gives the pieces of the next split, for segments of that many samples.
    pub open: &'a mut dyn FnMut(usize, usize) -> Result<Option<Pieces>, EvalError>,
    pub table: &'a Path,
    sets: Vec<Pieces>,
}

impl<'a> Finder<'a> {
    pub fn new(
        table: &'a Path,
        open: &'a mut dyn FnMut(usize, usize) -> Result<Option<Pieces>, EvalError>,
    ) -> Self {
        let sets = Vec::new();
        Finder { open, table, sets }
    }

    fn find(&mut self, clip: Clip, rate: u32, samples: usize) -> Result<Place, EvalError> {
        let start = clip.middle(rate, samples as u64);
        let mut set = 0;
        loop {
            if set == self.sets.len() {
                let pieces = (self.open)(set, samples)?;
                self.sets.push(pieces.ok_or_else(|| EvalError::NotInCorpus {
                    path: self.table.into(),
                    track: clip.track,
                })?);
            }
            let pieces = self.sets[set].catalogue().pieces();
            if let Some(place) = pieces.iter().position(|piece| piece.id == clip.track) {
                return Ok((set, place as u32, start));
            }
            set += 1;
        }
    }
}

/// A judged item that the model is asked about.
struct Question {
    instrument: Instrument,
    judged: Judged,
    /// Reference, A and B.
    clips: [Clip; 3],
    heldout: Heldout,
}

/// The questions to all runs, about their own instruments.
fn questions(
    describer: &Describer,
    table: &JudgementTable,
    path: &Path,
    criterion: Criterion,
) -> Result<Vec<Question>, EvalError> {
    let mut questions = Vec::new();
    for (folder, recipe, _) in describer.runs() {
        let (items, heldout) = items(table, folder, recipe, criterion)?;
        for judged in items {
            let instrument = judged.item.part().instrument();
            let ours = instrument.filter(|&i| recipe.instrument.is_none_or(|own| own == i));
            let Some(instrument) = ours else { continue };
            let [a, b] = [&judged.item.samples[0], &judged.item.samples[1]];
            let clips = [
                table.clips.of(&judged.item.reference)?,
                table.clips.of(a)?,
                table.clips.of(b)?,
            ];
            questions.push(Question {
                instrument,
                judged,
                clips,
                heldout,
            });
        }
    }
    match questions.is_empty() {
        false => Ok(questions),
        true => Err(EvalError::TooFew {
            what: format!("agreement ({criterion})"),
            needs: "items of the runs' instruments about which listeners agree".into(),
            has: format!("{} has none", path.display()),
            advice: "Give judgements of these instruments",
        }),
    }
}

/// Samples of all segments that are heard: those of the shortest.
fn shortest(questions: &[Question], rate: u32) -> usize {
    let clips = questions.iter().flat_map(|question| question.clips);
    clips.fold((SECONDS * f64::from(rate)) as usize, |least, clip| {
        least.min(clip.samples(rate) as usize)
    })
}

/// Agreement by instrument and condition, on the items that a criterion keeps.
pub(super) fn agreement(
    describer: &mut Describer,
    table: &JudgementTable,
    criterion: Criterion,
    finder: &mut Finder<'_>,
    progress: &dyn Fn(usize, usize),
    stop: &AtomicBool,
) -> Result<Vec<Agreed>, EvalError> {
    let questions = questions(describer, table, finder.table, criterion)?;
    let rate = describer.front_end().sample_rate;
    let samples = shortest(&questions, rate);
    let mut places: BTreeMap<(usize, Instrument), Vec<Place>> = BTreeMap::new();
    let mut of_questions = Vec::new();
    for question in &questions {
        let mut found = [(0, 0, 0); 3];
        for (place, clip) in found.iter_mut().zip(question.clips) {
            *place = finder.find(clip, rate, samples)?;
            let together = places.entry((place.0, question.instrument));
            together.or_default().push(*place);
        }
        of_questions.push(found);
    }
    let mut vectors: BTreeMap<(Instrument, Place), Vec<f32>> = BTreeMap::new();
    for ((set, instrument), mut places) in places {
        places.sort_unstable();
        places.dedup();
        let mixes: Vec<Mix> = places
            .iter()
            .map(|&(_, piece, start)| Mix::of_piece(piece, start))
            .collect();
        let mut listener = Listener {
            describer: &mut *describer,
            pieces: &finder.sets[set],
            progress,
            stop,
        };
        let all = listener.describe(instrument, &mixes)?;
        for (place, row) in places.into_iter().zip(all.chunks(all.len() / mixes.len())) {
            vectors.insert((instrument, place), row.to_vec());
        }
    }
    let mut strata: BTreeMap<(Instrument, Condition), (Vec<JudgedItem>, Heldout)> = BTreeMap::new();
    for (question, found) in questions.iter().zip(of_questions) {
        let vector = |place: Place| {
            vectors
                .get(&(question.instrument, place))
                .map_or(&[][..], Vec::as_slice)
        };
        let stratum = strata.entry((question.instrument, question.judged.item.condition()));
        let (items, _) = stratum.or_insert((Vec::new(), question.heldout));
        items.push(question.answered(found.map(vector)));
    }
    let agreed = strata
        .into_iter()
        .map(|((instrument, condition), (items, heldout))| {
            Ok(Agreed {
                instrument,
                condition,
                criterion,
                // only clear items are here, and of a held-out part only some answers
                agreement: perceptual_agreement(&items, 0.0)?,
                heldout,
            })
        });
    agreed.collect()
}

impl Question {
    /// With the model's answer, by its vectors of reference, A and B.
    fn answered(&self, [x, a, b]: [&[f32]; 3]) -> JudgedItem {
        let Judged { item, sides } = &self.judged;
        JudgedItem {
            votes: Votes {
                a: sides[0],
                b: sides[1],
                neither: 0,
            },
            model: nearer(distance(x, a), distance(x, b)),
            trivial: item.own.map(side),
        }
    }
}

fn side(side: Side) -> metrics::Side {
    match side {
        Side::A => metrics::Side::A,
        Side::B => metrics::Side::B,
    }
}

/// `None` if both are equally far.
fn nearer(a: f64, b: f64) -> Option<metrics::Side> {
    match a.total_cmp(&b) {
        std::cmp::Ordering::Less => Some(metrics::Side::A),
        std::cmp::Ordering::Greater => Some(metrics::Side::B),
        std::cmp::Ordering::Equal => None,
    }
}

fn distance(x: &[f32], y: &[f32]) -> f64 {
    x.iter()
        .zip(y)
        .map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2))
        .sum()
}

impl Agreed {
    pub(super) fn score(&self) -> Result<Score, EvalError> {
        let metrics::Agreement {
            items,
            model,
            ceiling,
            trivial,
        } = self.agreement;
        let measure = Measure::Agreement(self.condition, self.criterion, self.heldout);
        Ok(Score {
            pieces: items,
            chance: Some(0.5),
            trivial: trivial.map(|trivial| trivial.share()),
            ceiling: Some(ceiling.share()),
            ..Score::of_hits(measure, self.instrument, model)?
        })
    }
}
