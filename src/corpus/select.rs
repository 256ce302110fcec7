//! Which pieces of a split are kept: those whose instruments sound the longest, or the first ones.

use super::{Catalogue, Instrument};

/// A piece that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Index of the piece.
    pub piece: u32,
    /// The instrument that sounds the shortest in it.
    pub instrument: Instrument,
    /// At how many places a segment of the catalogue's length begins in which it sounds.
    pub sounding: u64,
}

/// The selection of Hashizume et al. 2025: the piece in which an instrument sounds for the shortest is dropped, one by one,
/// until `share` of the pieces are gone, to the whole number below; of pieces alike, the one of the lower index first. An
/// instrument that a piece does not have sounds for nothing; one that no piece has does not count. 151 pieces and a
/// share of 0.1 leave 136.
pub fn shortest(catalogue: &Catalogue, share: f64) -> Vec<Dropped> {
    let playing = Instrument::ALL
        .into_iter()
        .filter(|&i| !catalogue.usable(i).is_empty());
    let playing: Vec<Instrument> = playing.collect();
    let shortest = |piece: u32| {
        let sounding = |i: Instrument| catalogue.pieces()[piece as usize].sounding[i as usize].count();
        let least = playing.iter().copied().min_by_key(|&i| sounding(i))?;
        Some(Dropped {
            piece,
            instrument: least,
            sounding: sounding(least),
        })
    };
    // what is dropped does not change the others: one by one is the order of a sort
    let count = catalogue.pieces().len();
    let mut all: Vec<Dropped> = (0..count as u32).filter_map(shortest).collect();
    all.sort_by_key(|dropped| dropped.sounding);
    all.truncate((share * count as f64) as usize);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Piece, SoundingStarts, Split, TempoClasses};

    const LEN: usize = 100;

    /// Pieces by how many segments each instrument sounds for.
    fn catalogue(pieces: &[[usize; 5]]) -> Catalogue {
        let piece = |(id, segments): (u32, &[usize; 5])| Piece {
            id,
            work: None,
            frames: 100 * LEN as u64,
            tempo: None,
            sounding: segments.map(|segments| {
                let loud: Vec<f32> = (0..100 * LEN)
                    .map(|i| {
                        if i < segments * LEN && i % 2 == 0 {
                            0.5
                        } else {
                            0.0
                        }
                    })
                    .collect();
                SoundingStarts::find(&loud, LEN)
            }),
        };
        let pieces = (1..).zip(pieces).map(piece).collect();
        Catalogue::new(Split::Test, pieces, LEN, &TempoClasses::new(&[100.0], 1).unwrap()).unwrap()
    }

    #[test]
    fn the_shortest_section_of_any_instrument_goes_first() {
        let mut pieces = vec![[50; 5]; 20];
        pieces[7][Instrument::Bass as usize] = 9;
        pieces[3][Instrument::Guitar as usize] = 5;
        pieces[12] = [20; 5];
        pieces[16][Instrument::Drums as usize] = 0;
        pieces[5] = [90; 5];
        let catalogue = catalogue(&pieces);
        let order = |share| -> Vec<(u32, Instrument)> {
            let dropped = shortest(&catalogue, share).into_iter();
            dropped
                .map(|dropped| (dropped.piece, dropped.instrument))
                .collect()
        };
        let wanted = [
            (16, Instrument::Drums),
            (3, Instrument::Guitar),
            (7, Instrument::Bass),
            (12, Instrument::Drums),
        ];
        assert_eq!(order(0.2), wanted);
        // a part of a piece is none
        assert_eq!(order(0.19), wanted[..3]);
        assert_eq!(order(0.04), []);
        assert_eq!(order(1.0).len(), 20);
        assert_eq!(order(1.0)[19].0, 5, "the longest goes last");
    }

    #[test]
    fn a_tenth_of_the_papers_test_pieces_is_fifteen() {
        let pieces: Vec<[usize; 5]> = (0..151).map(|i| [1 + i % 7, 3, 3, 3, 0]).collect();
        let dropped = shortest(&catalogue(&pieces), 0.1);
        assert_eq!(dropped.len(), 151 - 136);
        // residuals sound nowhere, and do not count
        assert!(
            dropped
                .iter()
                .all(|dropped| dropped.instrument == Instrument::Drums)
        );
        // of pieces alike, the first ones
        assert!(
            dropped
                .iter()
                .map(|dropped| dropped.piece)
                .eq((0..15).map(|i| 7 * i))
        );
    }
}
