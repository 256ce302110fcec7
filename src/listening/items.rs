//! The items that listeners agree about, and their division into two parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Condition, Criterion, Item, Judgements, Part, Side};
use crate::corpus::{Random, Stream};

/// Items about which listeners agree.
#[derive(Clone, Debug, Default)]
pub struct Items {
    items: Vec<Item>,
    criterion: Criterion,
}

/// An item with all or some of the answers about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The item.
    pub item: Item,
    /// By [`Side`]: answers in the respect that is looked at. At least one.
    pub sides: [u32; 2],
}

impl Judged {
    /// The side that most of *these* answers chose; of two equal ones, A.
    pub fn closer(&self) -> Side {
        match self.sides[1] > self.sides[0] {
            true => Side::B,
            false => Side::A,
        }
    }
}

/// What stays together when items are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// An item with all its answers: what is tested on was never trained on.
    Item,
    /// One answer: other listeners' answers about an item that is tested on may have been trained on.
    Response,
}

impl Items {
    /// The items of a file that are clear.
    pub fn clear(judgements: &Judgements, criterion: Criterion) -> Self {
        let clear = judgements
            .items()
            .iter()
            .filter(|item| item.closer(criterion).is_some());
        Self {
            items: clear.cloned().collect(),
            criterion,
        }
    }

    /// The items, by the names of their samples.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// All of them, with all their answers.
    pub fn judged(&self) -> Vec<Judged> {
        let judged = |item: &Item| Judged {
            item: item.clone(),
            sides: item.answers(self.criterion.aspect).sides,
        };
        self.items.iter().map(judged).collect()
    }

    /// Divides them 7:3 into what is trained on and what is tested on.
    ///
    /// Every instrument and condition is divided by itself, 7:3 to the nearest whole number, so that both parts have
    /// some of everything. The result is a function of the seed and the items, not of the order of the file's rows.
    pub fn split(&self, seed: u64, by: SplitBy) -> [Vec<Judged>; 2] {
        let mut strata: BTreeMap<(Part, Condition), Vec<usize>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            strata
                .entry((item.part(), item.condition()))
                .or_default()
                .push(index);
        }
        // Of each item, the answers in either part.
        let mut shares = vec![[[0u32; 2]; 2]; self.items.len()];
        for ((part, condition), mut indices) in strata {
            let number = condition as u64 + 2 * by as u64;
            let mut random = Random::new(Stream::AbxSplit, part.instrument(), seed, number);
            let sides = |index: usize| self.items[index].answers(self.criterion.aspect).sides;
            match by {
                SplitBy::Item => {
                    shuffle(&mut indices, &mut random);
                    let first = most(indices.len());
                    for (place, index) in indices.into_iter().enumerate() {
                        shares[index][usize::from(place >= first)] = sides(index);
                    }
                }
                SplitBy::Response => {
                    let answers = |index| {
                        let of = move |side: usize| (0..sides(index)[side]).map(move |_| (index, side));
                        of(0).chain(of(1))
                    };
                    let mut answers: Vec<_> = indices.into_iter().flat_map(answers).collect();
                    shuffle(&mut answers, &mut random);
                    let first = most(answers.len());
                    for (place, (index, side)) in answers.into_iter().enumerate() {
                        shares[index][usize::from(place >= first)][side] += 1;
                    }
                }
            }
        }
        [0, 1].map(|part| {
            let items = self.items.iter().zip(&shares);
            let judged = items.map(|(item, share)| (item, share[part]));
            let some = judged.filter(|(_, sides)| *sides != [0, 0]);
            let judged = some.map(|(item, sides)| Judged {
                item: item.clone(),
                sides,
            });
            judged.collect()
        })
    }
}

/// 7 of 10, to the nearest.
fn most(count: usize) -> usize {
    (7 * count + 5) / 10
}

/// Puts a list into a random order, all as likely.
pub(super) fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for last in (1..list.len()).rev() {
        list.swap(last, random.below(last as u64 + 1) as usize);
    }
}
