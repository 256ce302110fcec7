//! What the protocols ask, of subjects that know only one thing.

use super::*;

const LEN: usize = 4096;

/// Pieces in which everything sounds all the time, of two tempo classes.
fn catalogue(count: u32) -> Catalogue {
    let frames = 6 * LEN;
    let starts = SoundingStarts::find(&noise(frames), LEN);
    let piece = |id| Piece {
        id: 100 + id,
        work: None,
        frames: frames as u64,
        tempo: Some(if id % 2 == 0 { 90.0 } else { 140.0 }),
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
    let catalogue = catalogue(60);
    for preset in [Preset::I25, Preset::I24, Preset::H25] {
        let (mut found, mut chance, mut rounds) = (0.0, 0.0, 0.0);
        for instrument in Instrument::ALL {
            for seed in 0..4 {
                let mut target = Knows::only(true);
                let scored = mes_pseudo(&mut target, &catalogue, instrument, preset, None, seed).unwrap();
                assert_eq!(scored.hits.share(), 1.0, "{preset} {instrument} {seed}");
                assert_eq!(scored.labels, 10);
                let groups = 10 * (preset.others() + usize::from(preset.normal()));
                assert_eq!(scored.pieces, groups);
                assert_eq!(scored.hits.trials() as usize, 6 * groups);
                let mut rest = Knows::only(false);
                let scored = mes_pseudo(&mut rest, &catalogue, instrument, preset, None, seed).unwrap();
                found += scored.hits.share();
                // if the query's own pseudo piece were not left out, the rest alone would be enough
                let mixes = rest.asked.take();
                let vectors = rest.describe(instrument, &mixes).unwrap();
                let labels: Vec<u32> = mixes
                    .iter()
                    .map(|mix| mix.sources[instrument as usize].unwrap().piece)
                    .collect();
                let all = nearest_others(Embeddings::new(&vectors, 16).unwrap(), K, None).unwrap();
                assert_eq!(all.accuracy(&labels).unwrap().share(), 1.0);
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
        mes_pseudo(
            &mut subject,
            &catalogue,
            Instrument::Bass,
            Preset::I25,
            limit,
            seed,
        )
        .unwrap();
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

#[test]
fn the_leak_check_tells_target_and_rest_apart() {
    let catalogue = catalogue(24);
    for target in [true, false] {
        let mut subject = Knows::only(target);
        let found = leak(&mut subject, &catalogue, Instrument::Piano, None, 3).unwrap();
        let (known, unknown) = match target {
            true => (found.target, found.other),
            false => (found.other, found.target),
        };
        assert_eq!(known.hits.share(), 1.0);
        assert_eq!(known.hits.trials(), 1000);
        // The neighbours are 5 of the 99 other segments of a piece, of which 9 are right. A thousand queries of
        // standard deviation 0.3 share neighbours; a tenth of 1000 that do not would give ±0.03.
        assert!((0.05..0.15).contains(&unknown.chance), "{}", unknown.chance);
        assert!(
            (unknown.hits.share() - unknown.chance).abs() < 0.09,
            "{:?}",
            unknown
        );
        assert_eq!(found.points.len(), 1000);
        let point = found.points[0];
        assert!(point.x.is_finite() && point.target >= 100 && point.other != point.target);
        let again = leak(&mut Knows::only(target), &catalogue, Instrument::Piano, None, 3).unwrap();
        assert_eq!(again.points, found.points);
    }
}

#[test]
fn other_protocols_ask_what_they_say() {
    let catalogue = catalogue(12);
    let mut subject = Knows::only(true);
    let scored = mes_normal(&mut subject, &catalogue, Instrument::Drums, Some(5), 0).unwrap();
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
    let found = identification(&mut Loud, &catalogue, None, 0).unwrap();
    let shares = found.of.map(|hits| hits.unwrap().share());
    assert_eq!(shares, [0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(found.confusion[0], [0, 72, 0, 0, 0]);

    // the vectors of piano, guitar and residuals are the same alone and in a mix; two are constant alone
    let found = correlation(&mut Loud, &catalogue, Some(6), 0).unwrap();
    for instrument in [Instrument::Piano, Instrument::Guitar, Instrument::Residuals] {
        let (r, segments) = found.clean_and_mix[instrument as usize].unwrap();
        assert!((r - 1.0).abs() < 1e-12, "{r}");
        assert_eq!(segments, 36);
    }
    assert_eq!(found.clean_and_mix[0], None);
    // one piece and one place give all five the same numbers
    assert!((found.across[0][3].unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn what_is_missing_is_named() {
    let few = catalogue(12);
    let message = |error: EvalError| error.to_string();
    let of = |limit| {
        let mut subject = Knows::only(true);
        mes_pseudo(&mut subject, &few, Instrument::Bass, Preset::I25, limit, 0)
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
    let text = message(leak(&mut subject, &few, Instrument::Bass, None, 0).unwrap_err());
    assert!(text.contains("the leak check of bass needs 10 pieces"), "{text}");
    let text = message(mes_normal(&mut subject, &few, Instrument::Bass, Some(1), 0).unwrap_err());
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
        let told = presence(&mut subject, &catalogue, None, 0).unwrap();
        let [bass] = told[..] else { panic!("{told:?}") };
        assert_eq!(
            (bass.instrument, bass.auc, bass.segments, bass.pieces),
            (Instrument::Bass, auc, 12, 2)
        );
    }
    // a model without presence is refused
    assert!(matches!(
        presence(&mut Knows::only(true), &catalogue, None, 0),
        Err(EvalError::Unfit { .. })
    ));
}
