//! MES-Pseudo: is the target instrument recognised whatever is played around it?
//!
//! For every target instrument, some pieces give it, and each of them is heard with the rest of several other pieces:
//! pseudo musical pieces. A query's five nearest neighbours in the target's sub-space vote for the piece that gives the
//! target, and every segment of the query's own pseudo piece is left out: only segments with *another* rest can vote
//! right. So a model that only hears the rest scores at chance or below, and one that only hears the target is always
//! right. Table 3 of Imamura et al. 2025, and the earlier protocols ([`Preset`]).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    EvalError, Scored, Setup, Subject,
    draw::{self, Draw, Stream},
    neighbours::Questions,
};
use crate::corpus::{Catalogue, Excerpt, Instrument, Mix};

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

/// The score of one instrument.
///
/// A target piece is heard with pieces of its tempo class; where these are too few, with those next in tempo. None of
/// them gives a target. As long as there are enough, none is heard with two target pieces; in [`Preset::H25`] only as
/// long as the tempo class has enough.
///
/// # Errors
/// [`EvalError::TooFew`], naming what is missing; what the subject gives.
pub fn mes_pseudo(
    subject: &mut dyn Subject,
    catalogue: &Catalogue,
    target: Instrument,
    preset: Preset,
    setup: &Setup,
) -> Result<Scored, EvalError> {
    Ok(questions(catalogue, target, preset, setup)?
        .ask(subject, target, setup)?
        .scored)
}

/// The segments of its pseudo pieces, one of these behind the other.
pub(super) fn questions(
    catalogue: &Catalogue,
    target: Instrument,
    preset: Preset,
    setup: &Setup,
) -> Result<Questions, EvalError> {
    let cast = Cast::draw(catalogue, target, preset, setup)?;
    let (mut mixes, mut labels, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut groups_made = 0;
    for (piece, others) in &cast.targets {
        let starts = draw::grid(catalogue, *piece, target);
        let mut add = |segments: Vec<Mix>| {
            labels.extend(segments.iter().map(|_| *piece));
            groups.extend(segments.iter().map(|_| groups_made));
            mixes.extend(segments);
            groups_made += 1;
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
    Ok(Questions {
        mixes,
        labels,
        groups: Some(groups),
    })
}

/// Which pieces give the target, and which the rest.
struct Cast {
    targets: Vec<(u32, Vec<u32>)>,
}

impl Cast {
    fn draw(
        catalogue: &Catalogue,
        target: Instrument,
        preset: Preset,
        setup: &Setup,
    ) -> Result<Self, EvalError> {
        let mut draw = Draw::new(Stream::Pseudo, Some(target), setup.seed);
        let wanted = setup
            .pieces
            .map_or(preset.targets(), |most| most.min(preset.targets()));
        let all = 0..catalogue.pieces().len() as u32;
        let mut giving: Vec<u32> = all
            .clone()
            .filter(|&piece| !draw::grid(catalogue, piece, target).is_empty())
            .collect();
        let mut around: Vec<u32> = all
            .filter(|&piece| !draw::grid_of_rest(catalogue, piece, target).is_empty())
            .collect();
        draw.shuffle(&mut giving);
        let (count, rests) = (giving.len(), around.len());
        giving.truncate(wanted);
        around.retain(|piece| !giving.contains(piece));
        draw.shuffle(&mut around);
        if giving.len() < wanted.max(2) || around.len() < preset.others() {
            return Err(EvalError::TooFew {
                what: format!("MES-Pseudo {preset} of {target}"),
                needs: format!(
                    "{} pieces in which it sounds for a segment, and {} others in which something else does",
                    wanted.max(2),
                    preset.others()
                ),
                has: format!(
                    "of the {} pieces of the {} split it sounds in {count}, and something else in {rests}",
                    catalogue.pieces().len(),
                    catalogue.split()
                ),
                advice: "Give more pieces, fewer target pieces with --pieces, or shorter segments with --seconds",
            });
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
            order.truncate(preset.others());
            order.iter().for_each(|&i| used[i] += 1);
            (piece, order.into_iter().map(|i| around[i]).collect())
        });
        Ok(Cast {
            targets: targets.collect(),
        })
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
