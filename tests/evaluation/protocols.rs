//! What the protocols ask, of subjects that know only one thing.

use super::*;

const LEN: usize = 4096;

fn setup(pieces: Option<usize>, seed: u64) -> Setup {
    Setup {
        pieces,
        seed,
        ..Setup::default()
    }
}

/// Pieces in which everything sounds all the time, of two tempo classes.
fn catalogue(count: u32) -> Catalogue {
    of_segments(count, 6)
}

fn of_segments(count: u32, segments: usize) -> Catalogue {
    of_tempos(count, segments, |id| if id % 2 == 0 { 90.0 } else { 140.0 })
}

fn of_tempos(count: u32, segments: usize, tempo: impl Fn(u32) -> f64) -> Catalogue {
    let frames = segments * LEN;
    let starts = SoundingStarts::find(&noise(frames), LEN);
    let piece = |id| Piece {
        id: 100 + id,
        work: None,
        frames: frames as u64,
        tempo: Some(tempo(id)),
        sounding: std::array::from_fn(|_| starts.clone()),
    };
    let classes = TempoClasses::new(&[90.0, 90.0, 140.0, 140.0], 2).unwrap();
    Catalogue::new(Split::Test, (0..count).map(piece).collect(), LEN, &classes).unwrap()
}

/// A model that knows nothing but one piece of a mix: where the target is from, or the rest.
struct Knows {
    target: bool,
    asked: RefCell<Vec<Mix>>,
}

impl Knows {
    fn only(target: bool) -> Self {
        let asked = RefCell::default();
        Knows { target, asked }
    }
}

/// Numbers in ±0.5 that depend on nothing but these.
fn numbers(of: u64, count: usize) -> Vec<f32> {
    let mut state = of.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..16).for_each(|_| {
        next();
    });
    (0..count).map(|_| next()).collect()
}

impl Subject for Knows {
    fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        self.asked.borrow_mut().extend_from_slice(mixes);
        let vector = |mix: &Mix| {
            let rest = Instrument::ALL
                .into_iter()
                .find(|&other| other != instrument)
                .unwrap();
            let heard = mix.sources[if self.target { instrument } else { rest } as usize].unwrap();
            let mut vector = numbers(u64::from(heard.piece) + 1, 16);
            // and, faintly, the segment
            let faint = numbers(1_000_003 * (heard.start + 1) + u64::from(heard.piece), 16);
            vector.iter_mut().zip(faint).for_each(|(x, y)| *x += 1e-3 * y);
            vector
        };
        Ok(mixes.iter().flat_map(vector).collect())
    }

    fn describe_all(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        let mut rows: Vec<Vec<f32>> = vec![Vec::new(); mixes.len()];
        for instrument in Instrument::ALL {
            let space = self.describe(instrument, mixes)?;
            rows.iter_mut()
                .zip(space.chunks(16))
                .for_each(|(row, space)| row.extend(space));
        }
        Ok(rows.concat())
    }
}

/// Who knows only the target is always right; who knows only the rest is right by chance.
#[test]
fn pseudo_pieces_give_the_rest_no_say() {
    // enough of either tempo that no rest is heard with two targets
    let catalogue = catalogue(120);
    for preset in [Preset::I25, Preset::I24, Preset::H25] {
        let (mut found, mut chance, mut rounds) = (0.0, 0.0, 0.0);
        for instrument in Instrument::ALL {
            for seed in 0..4 {
                let mut target = Knows::only(true);
                let scored =
                    mes_pseudo(&mut target, &catalogue, instrument, preset, &setup(None, seed)).unwrap();
                assert_eq!(scored.hits.share(), 1.0, "{preset} {instrument} {seed}");
                assert_eq!(scored.labels, 10);
                let groups = 10 * (preset.others() + usize::from(preset.normal()));
                assert_eq!(scored.pieces, groups);
                assert_eq!(scored.hits.trials() as usize, 6 * groups);
                let mut rest = Knows::only(false);
                let scored =
                    mes_pseudo(&mut rest, &catalogue, instrument, preset, &setup(None, seed)).unwrap();
                found += scored.hits.share();
                // if the query's own pseudo piece were not left out, the rest alone would be enough
                let mixes = rest.asked.take();
                let vectors = rest.describe(instrument, &mixes).unwrap();
                let labels: Vec<u32> = mixes
                    .iter()
                    .map(|mix| mix.sources[instrument as usize].unwrap().piece)
                    .collect();
                let all = nearest_others(Embeddings::new(&vectors, 16).unwrap(), K, None).unwrap();
                assert_eq!(all.accuracy(&labels, Ties::Lowest).unwrap().share(), 1.0);
                chance += scored.chance;
                rounds += 1.0;
            }
        }
        let (found, chance) = (found / rounds, chance / rounds);
        // Of 10 labels with 4 or 5 groups each, 3 of 39, 4 of 49 or 3 of 39 candidates are right.
        assert!((0.06..0.10).contains(&chance), "{preset}: {chance}");
        // The neighbours of a group are those of one other group: 20 times 40 choices, of standard deviation
        // √(0.08 · 0.92 / 800) = 0.01. Who was asked about their own piece would be right all the time.
        assert!(
            (found - chance).abs() < 0.04,
            "{preset}: {found}, by chance {chance}"
        );
    }
}

/// What is asked is made as the protocol says, by the seed and nothing else.
#[test]
fn pseudo_pieces_are_drawn_by_the_seed() {
    let catalogue = catalogue(60);
    let asked = |seed, limit| {
        let mut subject = Knows::only(true);
        let setup = setup(limit, seed);
        mes_pseudo(&mut subject, &catalogue, Instrument::Bass, Preset::I25, &setup).unwrap();
        subject.asked.into_inner()
    };
    let mixes = asked(1, None);
    assert_eq!(mixes, asked(1, None));
    assert_ne!(mixes, asked(2, None));
    let piece = |mix: &Mix, i: Instrument| mix.sources[i as usize].unwrap().piece;
    let mut targets: Vec<u32> = mixes.iter().map(|mix| piece(mix, Instrument::Bass)).collect();
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(targets.len(), 10);
    let mut others = Vec::new();
    for mix in &mixes {
        let other = piece(mix, Instrument::Drums);
        let rest = [Instrument::Piano, Instrument::Guitar, Instrument::Residuals];
        assert!(rest.into_iter().all(|i| piece(mix, i) == other));
        if other != piece(mix, Instrument::Bass) {
            assert!(!targets.contains(&other), "{other} gives a target, too");
            // a tempo class has enough pieces
            assert_eq!(other % 2, piece(mix, Instrument::Bass) % 2);
            others.push((other, piece(mix, Instrument::Bass)));
        }
    }
    others.sort_unstable();
    others.dedup();
    assert_eq!(others.len(), 30);
    others.dedup_by_key(|(other, _)| *other);
    assert_eq!(others.len(), 30, "every rest is heard with one target only");
    // fewer target pieces
    let few = asked(1, Some(4));
    let mut targets: Vec<u32> = few.iter().map(|mix| piece(mix, Instrument::Bass)).collect();
    targets.dedup();
    assert_eq!(targets.len(), 4);
}

/// Who hears the target alone names it always and the rest never, and the other way round.
#[test]
fn the_leak_check_tells_target_and_rest_apart() {
    let catalogue = of_segments(14, 11);
    for target in [true, false] {
        let mut subject = Knows::only(target);
        let found = leak(&mut subject, &catalogue, Instrument::Piano, &setup(None, 3)).unwrap();
        let (known, unknown) = match target {
            true => (found.target, found.other),
            false => (found.other, found.target),
        };
        assert_eq!((known.hits.share(), unknown.hits.share()), (1.0, 0.0));
        for scored in [known, unknown] {
            assert_eq!(
                (scored.hits.trials(), scored.labels, scored.pieces),
                (1000, 10, 100)
            );
            // of the 990 segments of other pairs 90 are right
            assert!((0.06..0.12).contains(&scored.chance), "{}", scored.chance);
        }
        assert_eq!(found.points.len(), 1000);
        let again = leak(
            &mut Knows::only(target),
            &catalogue,
            Instrument::Piano,
            &setup(None, 3),
        );
        assert_eq!(again.unwrap().points, found.points);
        pairs_are_all_of_ten_pieces(&subject.asked.into_inner(), &found.points);
    }
}

/// The same ten pieces are targets and rests, in every pair, with ten segments of each.
fn pairs_are_all_of_ten_pieces(asked: &[Mix], points: &[Point]) {
    let of = |mix: &Mix, i: Instrument| mix.sources[i as usize].unwrap();
    let distinct = |starts: &mut dyn Iterator<Item = (u32, u64)>| {
        let all: BTreeSet<(u32, u64)> = starts.collect();
        let pieces: BTreeSet<u32> = all.iter().map(|&(piece, _)| piece).collect();
        (all.len(), pieces)
    };
    let place = |e: Excerpt| (e.piece, e.start);
    let (starts, pieces) = distinct(&mut asked.iter().map(|mix| place(of(mix, Instrument::Piano))));
    let (rests, others) = distinct(&mut asked.iter().map(|mix| place(of(mix, Instrument::Drums))));
    assert_eq!((starts, rests, pieces.len()), (100, 100, 10));
    assert_eq!(pieces, others);
    for pair in asked.chunks(10) {
        let (starts, pieces) = distinct(&mut pair.iter().map(|mix| place(of(mix, Instrument::Piano))));
        let (rests, others) = distinct(&mut pair.iter().map(|mix| place(of(mix, Instrument::Guitar))));
        assert_eq!((starts, rests, pieces.len(), others.len()), (10, 10, 1, 1));
    }
    let with_itself = |point: &&Point| point.target == point.other;
    assert_eq!(points.iter().filter(with_itself).count(), 100);
    assert!(
        points
            .iter()
            .all(|point| point.x.is_finite() && point.target >= 100)
    );
}

/// Pieces with few segments give what they have.
#[test]
fn a_leak_check_of_short_pieces_is_smaller() {
    let mut subject = Knows::only(true);
    let found = leak(
        &mut subject,
        &of_segments(4, 3),
        Instrument::Bass,
        &setup(Some(3), 0),
    )
    .unwrap();
    assert_eq!((found.target.hits.trials(), found.target.pieces), (27, 9));
    assert_eq!((found.target.hits.share(), found.other.hits.share()), (1.0, 0.0));
}

#[test]
fn other_protocols_ask_what_they_say() {
    let catalogue = catalogue(12);
    let mut subject = Knows::only(true);
    let scored = mes_normal(&mut subject, &catalogue, Instrument::Drums, &setup(Some(5), 0)).unwrap();
    assert_eq!(
        (scored.hits.share(), scored.labels, scored.hits.trials()),
        (1.0, 5, 30)
    );
    // 5 of 29 others are right; a vote of five for one of five labels
    assert!((0.08..0.3).contains(&scored.chance), "{}", scored.chance);

    /// Loud where it hears something.
    struct Loud;
    impl Subject for Loud {
        fn describe(&mut self, instrument: Instrument, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
            // bass is taken for drums
            let of = match instrument {
                Instrument::Drums => Instrument::Bass,
                Instrument::Bass => Instrument::Drums,
                other => other,
            };
            let loud = |mix: &Mix| {
                let heard = mix.sources[of as usize];
                numbers(heard.map_or(0, |e| u64::from(e.piece) * 1000 + e.start + 1), 4)
                    .into_iter()
                    .map(move |x| if heard.is_some() { 10.0 + x } else { 0.1 * x })
            };
            Ok(mixes.iter().flat_map(loud).collect())
        }
        fn describe_all(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
            let mut rows: Vec<Vec<f32>> = vec![Vec::new(); mixes.len()];
            for instrument in Instrument::ALL {
                let space = self.describe(instrument, mixes)?;
                rows.iter_mut()
                    .zip(space.chunks(4))
                    .for_each(|(row, space)| row.extend(space));
            }
            Ok(rows.concat())
        }
    }
    let found = identification(&mut Loud, &catalogue, &Setup::default()).unwrap();
    let shares = found.of.map(|hits| hits.unwrap().share());
    assert_eq!(shares, [0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(found.confusion[0], [0, 72, 0, 0, 0]);

    // a clean stem is bright in one sub-space, and next to nothing in the others
    for (instrument, bright) in [(Instrument::Piano, 2), (Instrument::Drums, 1)] {
        let found = figures(&mut Loud, &catalogue, instrument, true, &Setup::default()).unwrap();
        let stems = found.stems.unwrap();
        assert_eq!(
            (stems.dimensions, stems.values.len()),
            (20, 20 * found.pieces.len())
        );
        for row in stems.values.chunks(20) {
            for (column, &value) in row.iter().enumerate() {
                assert_eq!(value > 200, column / 4 == bright, "{instrument}: {row:?}");
            }
        }
    }
    assert!(
        figures(&mut Loud, &catalogue, Instrument::Bass, false, &Setup::default())
            .unwrap()
            .stems
            .is_none()
    );

    // the vectors of piano, guitar and residuals are the same alone and in a mix; two are constant alone
    let found = correlation(&mut Loud, &catalogue, &setup(Some(6), 0)).unwrap();
    for instrument in [Instrument::Piano, Instrument::Guitar, Instrument::Residuals] {
        let (r, segments) = found.clean_and_mix[instrument as usize].unwrap();
        assert!((r - 1.0).abs() < 1e-12, "{r}");
        assert_eq!(segments, 36);
    }
    assert_eq!(found.clean_and_mix[0], None);
    // one piece and one place give all five the same numbers
    assert!((found.across[0][3].unwrap() - 1.0).abs() < 1e-12);
}

/// In Hashizume et al.'s protocol pieces of another tempo are mixed only where there are too few of one; in the others a
/// piece of another tempo comes before one that is taken already.
#[test]
fn tempo_comes_first_in_one_protocol() {
    const SLOW: u32 = 14;
    let catalogue = of_tempos(38, 2, |id| if id < SLOW { 90.0 } else { 140.0 });
    let crossed = |preset| {
        // ten targets leave four pieces of each tempo; most seeds leave too few to take each once
        let asked = (0..6).flat_map(|seed| {
            let mut subject = Knows::only(true);
            mes_pseudo(
                &mut subject,
                &catalogue,
                Instrument::Drums,
                preset,
                &setup(None, seed),
            )
            .unwrap();
            subject.asked.into_inner()
        });
        let slow = |mix: &Mix, i: Instrument| mix.sources[i as usize].unwrap().piece < SLOW;
        asked
            .filter(|mix| slow(mix, Instrument::Drums) != slow(mix, Instrument::Bass))
            .count()
    };
    assert_eq!(crossed(Preset::H25), 0);
    assert!(crossed(Preset::I25) > 0);
}

#[test]
fn what_is_missing_is_named() {
    let few = catalogue(12);
    let fewer = catalogue(9);
    let message = |error: EvalError| error.to_string();
    let of = |limit| {
        let mut subject = Knows::only(true);
        mes_pseudo(
            &mut subject,
            &few,
            Instrument::Bass,
            Preset::I25,
            &setup(limit, 0),
        )
    };
    let text = message(of(None).unwrap_err());
    assert!(
        text.contains("MES-Pseudo i25 of bass needs 10 pieces")
            && text.contains("3 others")
            && text.contains("12"),
        "{text}"
    );
    of(Some(9)).unwrap();
    let mut subject = Knows::only(true);
    let text = message(leak(&mut subject, &fewer, Instrument::Bass, &setup(None, 0)).unwrap_err());
    assert!(text.contains("the leak check of bass needs 10 pieces"), "{text}");
    let text = message(mes_normal(&mut subject, &few, Instrument::Bass, &setup(Some(1), 0)).unwrap_err());
    assert!(text.contains("two pieces"), "{text}");
}

/// Says what the corpus says, or the contrary.
struct Listens<'a> {
    catalogue: &'a Catalogue,
    wrong: bool,
}

impl Subject for Listens<'_> {
    fn describe(&mut self, _: Instrument, _: &[Mix]) -> Result<Vec<f32>, EvalError> {
        unreachable!("presence takes no vectors")
    }

    fn describe_all(&mut self, _: &[Mix]) -> Result<Vec<f32>, EvalError> {
        unreachable!("presence takes no vectors")
    }

    fn presence(&mut self, mixes: &[Mix]) -> Result<Vec<f32>, EvalError> {
        let told = |mix: &Mix| {
            mix.sources.map(|source| {
                let Excerpt {
                    piece,
                    instrument,
                    start,
                } = source.unwrap();
                let sounds = self.catalogue.sounds(piece, instrument, start);
                if sounds != self.wrong { 0.7 } else { 0.6 }
            })
        };
        Ok(mixes.iter().flat_map(told).collect())
    }
}

#[test]
fn presence_is_what_is_told_where_it_sounds() {
    // drums everywhere, bass in the first half of each piece, nothing else
    let frames = 6 * LEN;
    let sounding = |len: usize| SoundingStarts::find(&noise(len), LEN);
    let piece = |id| Piece {
        id,
        work: None,
        frames: frames as u64,
        tempo: None,
        sounding: [
            sounding(frames),
            sounding(frames / 2),
            Default::default(),
            Default::default(),
            Default::default(),
        ],
    };
    let classes = TempoClasses::new(&[90.0, 90.0], 1).unwrap();
    let catalogue = Catalogue::new(Split::Test, vec![piece(1), piece(2)], LEN, &classes).unwrap();
    for (wrong, auc) in [(false, 1.0), (true, 0.0)] {
        let mut subject = Listens {
            catalogue: &catalogue,
            wrong,
        };
        let told = presence(&mut subject, &catalogue, &Setup::default()).unwrap();
        let [bass] = told[..] else { panic!("{told:?}") };
        assert_eq!(
            (bass.instrument, bass.auc, bass.segments, bass.pieces),
            (Instrument::Bass, auc, 12, 2)
        );
    }
    // a model without presence is refused
    assert!(matches!(
        presence(&mut Knows::only(true), &catalogue, &Setup::default()),
        Err(EvalError::Unfit { .. })
    ));
}
