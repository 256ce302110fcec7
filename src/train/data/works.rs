//! Pieces of one or more corpora, by which of them are renderings of the same music.

use std::collections::BTreeMap;

use crate::corpus::{Catalogue, Instrument, Pieces, SoundingStarts};

/// A rendering of a piece: the number of its set, and its index in the set's catalogue.
pub(super) type Rendering = (usize, u32);

/// The pieces to draw from.
pub(super) struct Works {
    /// By the numbers of their sets.
    catalogues: BTreeMap<usize, Catalogue>,
    /// All renderings of each piece.
    works: Vec<Vec<Rendering>>,
}

impl Works {
    /// Those of the sets with these numbers.
    pub fn new(sets: &[Pieces], own: &[usize]) -> Self {
        let catalogues: BTreeMap<usize, Catalogue> = own
            .iter()
            .map(|&set| (set, sets[set].catalogue().clone()))
            .collect();
        let all = || {
            let pieces = |(&set, catalogue): (&usize, &Catalogue)| -> Vec<_> {
                let pieces = (0..).zip(catalogue.pieces());
                pieces
                    .map(|(index, piece)| (set, index, piece.id, piece.work.clone()))
                    .collect()
            };
            catalogues.iter().flat_map(pieces)
        };
        // where some have no name, that of the others tells nothing
        let named = all().all(|(.., work)| work.is_some());
        let mut works: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (set, index, id, work) in all() {
            let key = if named { (work, 0) } else { (None, id) };
            works.entry(key).or_default().push((set, index));
        }
        let works = works.into_values().collect();
        Works { catalogues, works }
    }

    /// All renderings of each piece.
    pub fn works(&self) -> &[Vec<Rendering>] {
        &self.works
    }

    /// Where an instrument sounds in a rendering.
    pub fn starts(&self, (set, piece): Rendering, instrument: Instrument) -> &SoundingStarts {
        &self.catalogues[&set].pieces()[piece as usize].sounding[instrument as usize]
    }

    /// Those in which an instrument sounds, pieces without left out.
    pub fn having(&self, instrument: Instrument) -> Vec<Vec<Rendering>> {
        let sounds = |&rendering: &Rendering| self.starts(rendering, instrument).count() > 0;
        let those = |work: &Vec<Rendering>| work.iter().copied().filter(sounds).collect();
        let works = self.works.iter().map(those);
        works.filter(|those: &Vec<_>| !those.is_empty()).collect()
    }
}
