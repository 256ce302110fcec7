//! Pseudo musical pieces to recognise a target in: which pieces give it, what each of them is heard with, and their
//! segments. Evaluation asks for them (MES-Pseudo), and training, to choose a checkpoint.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Catalogue, Excerpt, Instrument, Mix,
    draw::{self, Draw, Purpose},
};

/// Which paper's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Imamura et al. 2025: 10 target pieces, each with the rest of 3 others and as it is.
    #[default]
    I25,
    /// Imamura et al. 2024: 10 target pieces, each with the rest of 5 others.
    I24,
    /// Hashizume et al. 2025 (Table 2): 10 target pieces, each with the rest of 4 others, on segments half as long.
    H25,
}

impl Preset {
    /// All of them, the newest first.
    pub const ALL: [Preset; 3] = [Preset::I25, Preset::I24, Preset::H25];

    /// Pieces that give the target.
    pub fn targets(self) -> usize {
        10
    }

    /// Pieces whose rest each of them is heard with.
    pub fn others(self) -> usize {
        match self {
            Preset::I25 => 3,
            Preset::I24 => 5,
            Preset::H25 => 4,
        }
    }

    /// Whether the target pieces are heard as they are, too.
    pub fn normal(self) -> bool {
        self == Preset::I25
    }

    /// Length of its segments, as a share of the 10 s that the others have.
    pub fn length(self) -> f64 {
        match self {
            Preset::I25 | Preset::I24 => 1.0,
            Preset::H25 => 0.5,
        }
    }

    /// Whether tempo decides which pieces are heard together before how often each was taken: Hashizume et al. mix
    /// within a tempo class only.
    fn tempo_first(self) -> bool {
        self == Preset::H25
    }

    fn name(self) -> &'static str {
        match self {
            Preset::I25 => "i25",
            Preset::I24 => "i24",
            Preset::H25 => "h25",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Preset::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| format!("no preset '{text}': use i25, i24 or h25"))
    }
}

/// Which pieces give the target, and whose rest each of them is heard with.
///
/// That are pieces of its tempo class; where these are too few, those next in tempo. None of them gives a target. As long
/// as there are enough, none is heard with two target pieces; in [`Preset::H25`] only as long as the tempo class has enough.
pub(crate) struct Cast {
    pub targets: Vec<(u32, Vec<u32>)>,
}

/// How many pieces there are where they are too few.
pub(crate) struct TooFew {
    /// In which the target sounds for a segment.
    pub giving: usize,
    /// In which something else does.
    pub around: usize,
}

/// The segments of pseudo pieces.
#[derive(Default)]
pub(crate) struct PseudoSegments {
    pub mixes: Vec<Mix>,
    /// The pieces that give the target.
    pub labels: Vec<u32>,
    /// Numbers of the pseudo pieces.
    pub groups: Vec<u32>,
}

impl Cast {
    /// Draws `targets` pieces that give the target, and `others` for each.
    ///
    /// # Errors
    /// [`TooFew`] if there are not so many, or fewer than two.
    pub fn draw(
        catalogue: &Catalogue,
        target: Instrument,
        preset: Preset,
        [targets, others]: [usize; 2],
        seed: u64,
    ) -> Result<Self, TooFew> {
        let mut draw = Draw::new(Purpose::Pseudo, Some(target), seed);
        let all = 0..catalogue.pieces().len() as u32;
        let mut giving: Vec<u32> = all
            .clone()
            .filter(|&piece| !draw::grid(catalogue, piece, target).is_empty())
            .collect();
        let mut around: Vec<u32> = all
            .filter(|&piece| !draw::grid_of_rest(catalogue, piece, target).is_empty())
            .collect();
        draw.shuffle(&mut giving);
        let there = TooFew {
            giving: giving.len(),
            around: around.len(),
        };
        giving.truncate(targets);
        around.retain(|piece| !giving.contains(piece));
        draw.shuffle(&mut around);
        if giving.len() < targets.max(2) || around.len() < others {
            return Err(there);
        }
        let mut used = vec![0; around.len()];
        let targets = giving.iter().map(|&piece| {
            // those of the tempo class, those next in tempo; and those used least
            let mut order: Vec<usize> = (0..around.len()).collect();
            order.sort_by(|&a, &b| {
                let key = |i: usize| (used[i], distance(catalogue, piece, around[i]));
                let ((a, x), (b, y)) = (key(a), key(b));
                let (balance, tempo) = (a.cmp(&b), x.total_cmp(&y));
                match preset.tempo_first() {
                    true => tempo.then(balance),
                    false => balance.then(tempo),
                }
            });
            order.truncate(others);
            order.iter().for_each(|&i| used[i] += 1);
            (piece, order.into_iter().map(|i| around[i]).collect())
        });
        Ok(Cast {
            targets: targets.collect(),
        })
    }

    /// The same with fewer pieces where there are too few: of those that give the target first, down to two, then of the
    /// others, down to one, or to two where no target piece is heard as it is. None if that is too many yet.
    pub fn of_what_there_is(
        catalogue: &Catalogue,
        target: Instrument,
        preset: Preset,
        seed: u64,
    ) -> Option<Self> {
        let least = 2 - usize::from(preset.normal());
        let counts = (least..=preset.others())
            .rev()
            .flat_map(|others| (2..=preset.targets()).rev().map(move |targets| [targets, others]));
        counts
            .into_iter()
            .find_map(|counts| Cast::draw(catalogue, target, preset, counts, seed).ok())
    }

    /// Consecutive segments of every pseudo piece, at most so many of each, evenly spread.
    pub fn segments(
        &self,
        catalogue: &Catalogue,
        target: Instrument,
        preset: Preset,
        most: usize,
    ) -> PseudoSegments {
        let mut all = PseudoSegments::default();
        let mut made = 0;
        for (piece, others) in &self.targets {
            let starts = draw::grid(catalogue, *piece, target);
            let mut add = |segments: Vec<Mix>| {
                let segments = draw::spread(&segments, most);
                all.labels.extend(segments.iter().map(|_| *piece));
                all.groups.extend(segments.iter().map(|_| made));
                all.mixes.extend(segments);
                made += 1;
            };
            if preset.normal() {
                add(starts.iter().map(|&start| Mix::of_piece(*piece, start)).collect());
            }
            for &other in others {
                let rest = draw::grid_of_rest(catalogue, other, target);
                let excerpt = |start| Excerpt {
                    piece: *piece,
                    instrument: target,
                    start,
                };
                let pairs = starts.iter().zip(&rest);
                add(pairs
                    .map(|(&start, &rest)| draw::pseudo(excerpt(start), other, rest))
                    .collect());
            }
        }
        all
    }
}

/// How far two pieces are apart in tempo, in octaves: 0 in one class, infinite where a tempo is unknown.
fn distance(catalogue: &Catalogue, a: u32, b: u32) -> f64 {
    if catalogue.class_of(a).is_some() && catalogue.class_of(a) == catalogue.class_of(b) {
        return 0.0;
    }
    let tempo = |piece: u32| catalogue.pieces()[piece as usize].tempo;
    match (tempo(a), tempo(b)) {
        (Some(a), Some(b)) => (a / b).log2().abs(),
        _ => f64::INFINITY,
    }
}
