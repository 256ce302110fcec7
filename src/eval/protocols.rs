//! The protocols on one set of weights.

use super::{
    Agreed, EvalError, Evaluation, Score, Scored, Unit, What,
    agreement::{Finder, agreement},
    correlation,
    evaluate::{Errors, Task, pieces_of},
    identification, leak,
    listener::Listener,
    mes_normal, mes_pseudo,
    separation::{MEASURES, Ratios, SUMMARIES, separation},
};
use crate::{
    corpus::{Instrument, Pieces, Split},
    describe::Describer,
    metrics::Proportion,
    separate::Separators,
};

/// Lengths of MES-Normal's segments, as shares of the others': 3, 5 and 10 s.
const LENGTHS: [f64; 3] = [0.3, 0.5, 1.0];

impl Task<'_> {
    pub fn described(
        &self,
        describer: &mut Describer,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let (seed, limit) = (self.options.seed, self.options.pieces);
        let instruments = describer.instruments().to_vec();
        let rate = describer.front_end().sample_rate;
        for share in LENGTHS {
            let seconds = share * self.options.seconds;
            let last = share == 1.0;
            if !last && !self.what.contains(&What::MesNormal) {
                continue;
            }
            let samples = (seconds * f64::from(rate)).round() as usize;
            let pieces = self.pieces(self.options.split, samples, rate)?;
            for &what in self.what.iter().filter(|&&what| last || what == What::MesNormal) {
                for &instrument in &instruments {
                    let name = format!("{what} {instrument}");
                    let progress = self.reporter(&name);
                    let mut subject = Listener {
                        describer: &mut *describer,
                        pieces: &pieces,
                        progress: &progress,
                        stop: self.stop,
                    };
                    let (s, c) = (&mut subject, pieces.catalogue());
                    let neighbours = |measure: String, scored: Scored| {
                        let interval = scored.hits.interval(0.95)?;
                        let value = scored.hits.share();
                        Ok::<_, EvalError>(Score {
                            interval: Some([interval.low, interval.high]),
                            n: scored.hits.trials(),
                            pieces: scored.pieces,
                            chance: Some(scored.chance),
                            ..Score::new(what, measure, instrument, Unit::Share, value)
                        })
                    };
                    let done = match what {
                        What::MesNormal => mes_normal(s, c, instrument, limit, seed)
                            .and_then(|scored| Ok(vec![neighbours(format!("{seconds} s"), scored)?])),
                        What::MesPseudo => mes_pseudo(s, c, instrument, self.options.preset, limit, seed)
                            .and_then(|scored| {
                                Ok(vec![neighbours(self.options.preset.to_string(), scored)?])
                            }),
                        What::Leak => leak(s, c, instrument, limit, seed).and_then(|found| {
                            evaluation.pictures.push((instrument, found.points));
                            let target = neighbours("piece of the instrument".into(), found.target)?;
                            let other = neighbours("piece of the rest".into(), found.other)?;
                            Ok(vec![target, other])
                        }),
                        _ => continue,
                    };
                    keep(evaluation, errors, what, done)?;
                }
            }
            if last {
                self.all_instruments(describer, &pieces, evaluation, errors)?;
            }
        }
        if let (Some(table), Some(path)) = (&self.table, &self.options.judgements) {
            let all = Split::FOLDERS.into_iter().rev().chain([Split::Unsplit]);
            let splits: Vec<Split> = all.filter(|&split| pieces_of(&self.source, split) > 0).collect();
            let mut open = |index: usize, samples: usize| {
                let split = splits.get(index).copied();
                split.map(|split| self.pieces(split, samples, rate)).transpose()
            };
            let mut finder = Finder::new(path, &mut open);
            let progress = self.reporter("agreement");
            let done = agreement(describer, table, &mut finder, &progress, self.stop)
                .and_then(|all| all.iter().map(Agreed::score).collect());
            keep(evaluation, errors, What::Agreement, done)?;
        }
        Ok(())
    }

    /// What takes all sub-spaces of one network.
    fn all_instruments(
        &self,
        describer: &mut Describer,
        pieces: &Pieces,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let (seed, limit, catalogue) = (self.options.seed, self.options.pieces, pieces.catalogue());
        for what in [What::Identification, What::Correlation] {
            if !self.what.contains(&what) {
                continue;
            }
            let progress = self.reporter(what.name());
            let mut subject = Listener {
                describer: &mut *describer,
                pieces,
                progress: &progress,
                stop: self.stop,
            };
            let done = if what == What::Identification {
                identification(&mut subject, catalogue, limit, seed).and_then(|found| {
                    evaluation.confusion = found.confusion;
                    let of = Instrument::ALL.into_iter().zip(found.of);
                    let score = |(instrument, hits): (Instrument, Option<Proportion>)| {
                        let hits = hits?;
                        Some(
                            hits.interval(0.95)
                                .map_err(EvalError::from)
                                .map(|interval| Score {
                                    interval: Some([interval.low, interval.high]),
                                    n: hits.trials(),
                                    pieces: taken(catalogue.usable(instrument).len(), limit),
                                    chance: Some(1.0 / Instrument::ALL.len() as f64),
                                    ..Score::new(what, "clean stems", instrument, Unit::Share, hits.share())
                                }),
                        )
                    };
                    of.filter_map(score).collect()
                })
            } else {
                correlation(&mut subject, catalogue, limit, seed).map(|found| {
                    evaluation.across = found.across;
                    evaluation.distances = found.distances;
                    let of = Instrument::ALL.into_iter().zip(found.clean_and_mix);
                    let score = |(instrument, r): (Instrument, Option<(f64, usize)>)| {
                        let (value, segments) = r?;
                        Some(Score {
                            n: segments as u64,
                            pieces: taken(catalogue.usable(instrument).len(), limit),
                            chance: Some(0.0),
                            ..Score::new(what, "clean stem and mix", instrument, Unit::Correlation, value)
                        })
                    };
                    of.filter_map(score).collect()
                })
            };
            keep(evaluation, errors, what, done)?;
        }
        Ok(())
    }

    pub fn separated(
        &self,
        separators: &mut Separators,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let samples = (self.options.seconds * f64::from(separators.rate())).round() as usize;
        let pieces = self.pieces(self.options.split, samples, separators.rate())?;
        let progress = self.reporter("sdr");
        let (limit, seed) = (self.options.pieces, self.options.seed);
        for (instrument, ratios) in separation(separators, &pieces, limit, seed, &progress, self.stop)? {
            let before = evaluation.scores.len();
            for (measure, tracks) in MEASURES.into_iter().zip(&ratios.of) {
                let (count, frames) = Ratios::count(tracks);
                let mix = Ratios::summary(&ratios.mix);
                let summaries = SUMMARIES.into_iter().zip(Ratios::summary(tracks)).zip(mix);
                evaluation
                    .scores
                    .extend(summaries.filter_map(|((summary, value), mix)| {
                        let name = format!("{measure}, {summary}");
                        Some(Score {
                            n: frames as u64,
                            pieces: count,
                            chance: mix.filter(|_| measure == "SDR"),
                            ..Score::new(What::Sdr, name, instrument, Unit::Decibels, value?)
                        })
                    }));
            }
            if evaluation.scores.len() == before {
                let error = EvalError::TooFew {
                    what: format!("the separation of {instrument}"),
                    needs: "a second in which it and something else sound".into(),
                    has: "no piece that was taken has one".into(),
                    advice: "Give more or longer pieces",
                };
                errors.push((What::Sdr, error));
            }
        }
        Ok(())
    }
}

/// Keeps scores, and errors that do not concern the others.
fn keep(
    evaluation: &mut Evaluation,
    errors: &mut Errors,
    what: What,
    done: Result<Vec<Score>, EvalError>,
) -> Result<(), EvalError> {
    match done {
        Ok(scores) => evaluation.scores.extend(scores),
        Err(error) if error.is_local() => errors.push((what, error)),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn taken(pieces: usize, limit: Option<usize>) -> usize {
    limit.map_or(pieces, |limit| limit.min(pieces))
}
