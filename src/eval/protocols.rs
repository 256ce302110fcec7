//! The protocols on one set of weights.

use super::{
    Agreed, Asked, Average, EvalError, Evaluation, Measure, Preset, Ratio, Score, Scored, Setup, What,
    agreement::{Finder, agreement},
    correlation,
    evaluate::{Errors, Task, pieces_of},
    export::{write_answers, write_ratios},
    figures, identification, leak,
    listener::Listener,
    mes_normal, mes_pseudo,
    neighbours::Questions,
    presence,
    separation::{Estimate, Ratios, separation},
    stems::OnStems,
};
use crate::{
    corpus::{Instrument, Pieces, SeparatedStems, Split, track_name},
    describe::Describer,
    listening::Criterion,
    separate::{Separators, separate_signal},
};

/// Lengths of MES-Normal's segments, as shares of the others': 3, 5 and 10 s.
const LENGTHS: [f64; 3] = [0.3, 0.5, 1.0];

impl Task<'_> {
    /// What takes descriptions.
    pub fn described(
        &self,
        describer: &mut Describer,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let instruments = describer.instruments().to_vec();
        let rate = describer.front_end().sample_rate;
        for share in LENGTHS {
            let seconds = share * self.options.seconds;
            let last = share == 1.0;
            let at_this_length = |what: What| match what {
                What::MesNormal => true,
                What::MesPseudo => share == self.options.preset.length(),
                _ => last,
            };
            let asked: Vec<What> = self.what.iter().copied().filter(|&w| at_this_length(w)).collect();
            if asked.is_empty() && !last {
                continue;
            }
            let samples = (seconds * f64::from(rate)).round() as usize;
            let pieces = self.pieces(self.options.split, samples, rate)?;
            for what in asked {
                for &instrument in &instruments {
                    let name = format!("{what} {instrument}");
                    let scores = self.listen(describer, &pieces, &name, |listener| {
                        self.neighbours(what, instrument, seconds, listener, evaluation)
                    });
                    keep(evaluation, errors, what, scores)?;
                }
            }
            if last {
                self.all_instruments(describer, &pieces, evaluation, errors)?;
            }
        }
        if self.table.is_some() {
            for &criterion in &self.options.criteria {
                let scores = self.agreed(describer, criterion);
                keep(evaluation, errors, What::Agreement, scores)?;
            }
        }
        Ok(())
    }

    /// Lets a protocol ask about pieces, and reports how far it is under this name.
    fn listen<T>(
        &self,
        describer: &mut Describer,
        pieces: &Pieces,
        name: &str,
        protocol: impl FnOnce(&mut Listener<'_>) -> T,
    ) -> T {
        protocol(&mut Listener {
            describer,
            pieces,
            progress: &self.reporter(name),
            stop: self.stop,
        })
    }

    /// What asks the nearest neighbours in one sub-space.
    fn neighbours(
        &self,
        what: What,
        instrument: Instrument,
        seconds: f64,
        listener: &mut Listener<'_>,
        evaluation: &mut Evaluation,
    ) -> Result<Vec<Score>, EvalError> {
        let (setup, preset) = (&self.options.setup, self.options.preset);
        let catalogue = listener.pieces.catalogue();
        let score = |measure, scored: Scored| Score::of_neighbours(measure, instrument, scored);
        Ok(match what {
            What::MesNormal => {
                let questions = mes_normal::questions(catalogue, instrument, setup)?;
                let name = format!("{what}-{instrument}-{seconds}s");
                let scored = self.answered(&questions, listener, instrument, setup, &name)?;
                vec![score(Measure::Length(seconds), scored)?]
            }
            What::MesPseudo => {
                let draws = (0..self.options.draws).map(|draw| {
                    let setup = Setup {
                        seed: setup.seed.wrapping_add(draw.into()),
                        ..*setup
                    };
                    let questions = mes_pseudo::questions(catalogue, instrument, preset, &setup)?;
                    let mut name = format!("{what}-{preset}-{instrument}");
                    if self.options.draws > 1 {
                        name = format!("{name}-{draw}");
                    }
                    self.answered(&questions, listener, instrument, &setup, &name)
                });
                let draws = draws.collect::<Result<Vec<Scored>, _>>()?;
                let measure = Measure::Pseudo(preset, Some(seconds));
                vec![Score::of_draws(measure, instrument, &draws)?]
            }
            What::Leak => {
                let found = leak(listener, catalogue, instrument, setup)?;
                evaluation.pictures.push((instrument, found.points));
                vec![
                    score(Measure::Leak(Asked::Instrument), found.target)?,
                    score(Measure::Leak(Asked::Rest), found.other)?,
                ]
            }
            _ => Vec::new(),
        })
    }

    /// Asks a protocol's questions, and writes under `name` what was asked and answered, if that is wanted.
    fn answered(
        &self,
        questions: &Questions,
        listener: &mut Listener<'_>,
        instrument: Instrument,
        setup: &Setup,
        name: &str,
    ) -> Result<Scored, EvalError> {
        let preset = self.options.preset;
        let answers = match self.stems.as_ref().filter(|_| questions.groups.is_some()) {
            None => questions.ask(listener, instrument, setup)?,
            Some(stems) => {
                let on_stems = &mut OnStems {
                    describer: listener.describer,
                    stems,
                    catalogue: listener.pieces.catalogue(),
                    preset,
                    questions,
                    progress: listener.progress,
                    stop: listener.stop,
                };
                questions.ask(on_stems, instrument, setup)?
            }
        };
        if let Some(folder) = &self.options.export {
            let rate = listener.describer.front_end().sample_rate;
            let catalogue = listener.pieces.catalogue();
            write_answers(folder, name, (catalogue, rate), instrument, questions, &answers)?;
        }
        Ok(answers.scored)
    }

    /// What takes all sub-spaces of one network.
    fn all_instruments(
        &self,
        describer: &mut Describer,
        pieces: &Pieces,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        for what in [What::Identification, What::Correlation, What::Presence] {
            if !self.what.contains(&what) {
                continue;
            }
            let scores = self.listen(describer, pieces, what.name(), |listener| match what {
                What::Identification => self.identified(listener, evaluation),
                What::Presence => self.told(listener),
                _ => self.correlated(listener, evaluation),
            });
            keep(evaluation, errors, what, scores)?;
        }
        Ok(())
    }

    fn identified(
        &self,
        listener: &mut Listener<'_>,
        evaluation: &mut Evaluation,
    ) -> Result<Vec<Score>, EvalError> {
        let catalogue = listener.pieces.catalogue();
        let found = identification(listener, catalogue, &self.options.setup)?;
        evaluation.confusion = found.confusion;
        let of = Instrument::ALL.into_iter().zip(found.of);
        of.filter_map(|(instrument, hits)| Some((instrument, hits?)))
            .map(|(instrument, hits)| {
                Ok(Score {
                    pieces: self.taken(catalogue.usable(instrument).len()),
                    chance: Some(1.0 / Instrument::ALL.len() as f64),
                    ..Score::of_hits(Measure::CleanStems, instrument, hits)?
                })
            })
            .collect()
    }

    fn told(&self, listener: &mut Listener<'_>) -> Result<Vec<Score>, EvalError> {
        let catalogue = listener.pieces.catalogue();
        let told = presence(listener, catalogue, &self.options.setup)?;
        let scores = told.into_iter().map(|told| Score {
            n: told.segments as u64,
            pieces: told.pieces,
            chance: Some(0.5),
            ..Score::new(Measure::Presence, told.instrument, told.auc)
        });
        Ok(scores.collect())
    }

    fn correlated(
        &self,
        listener: &mut Listener<'_>,
        evaluation: &mut Evaluation,
    ) -> Result<Vec<Score>, EvalError> {
        let catalogue = listener.pieces.catalogue();
        let found = correlation(listener, catalogue, &self.options.setup)?;
        evaluation.across = found.across;
        evaluation.distances = found.distances;
        let of = Instrument::ALL.into_iter().zip(found.clean_and_mix);
        let score = |(instrument, r): (Instrument, Option<(f64, usize)>)| {
            let (value, segments) = r?;
            Some(Score {
                n: segments as u64,
                pieces: self.taken(catalogue.usable(instrument).len()),
                chance: Some(0.0),
                ..Score::new(Measure::CleanStemAndMix, instrument, value)
            })
        };
        Ok(of.filter_map(score).collect())
    }

    /// Adds the figures of [H25] where its protocol of pseudo pieces is asked for, on segments of the same length. Of stems
    /// that another program separated there are none: it has not heard their pseudo pieces.
    pub fn pictured(
        &self,
        describer: &mut Describer,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let options = self.options;
        if options.preset != Preset::H25 || !self.what.contains(&What::MesPseudo) || self.stems.is_some() {
            return Ok(());
        }
        let rate = describer.front_end().sample_rate;
        let samples = (options.preset.length() * options.seconds * f64::from(rate)).round() as usize;
        let pieces = self.pieces(options.split, samples, rate)?;
        let has_all = self.runs.iter().all(|run| !run.recipe.model.of_one_instrument());
        for instrument in describer.instruments().to_vec() {
            let name = format!("figures {instrument}");
            let found = self.listen(describer, &pieces, &name, |listener| {
                let catalogue = listener.pieces.catalogue();
                figures(listener, catalogue, instrument, has_all, &options.setup)
            });
            match found {
                Ok(figures) => evaluation.figures.push(figures),
                Err(error) => keep(evaluation, errors, What::MesPseudo, Err(error))?,
            }
        }
        Ok(())
    }

    fn agreed(&self, describer: &mut Describer, criterion: Criterion) -> Result<Vec<Score>, EvalError> {
        let (Some(table), Some(path)) = (&self.table, &self.options.judgements) else {
            return Ok(Vec::new());
        };
        let rate = describer.front_end().sample_rate;
        let all = Split::FOLDERS.into_iter().rev().chain([Split::Unsplit]);
        let splits: Vec<Split> = all.filter(|&split| pieces_of(&self.source, split) > 0).collect();
        let mut open = |index: usize, samples: usize| {
            let split = splits.get(index).copied();
            split.map(|split| self.pieces(split, samples, rate)).transpose()
        };
        let mut finder = Finder::new(path, &mut open);
        let progress = self.reporter("agreement");
        let agreed = agreement(describer, table, criterion, &mut finder, &progress, self.stop)?;
        agreed.iter().map(Agreed::score).collect()
    }

    /// What takes separated stems.
    pub fn separated(
        &self,
        separators: &mut Separators,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let (rate, instruments) = (separators.rate(), separators.instruments());
        let pieces = self.clean(self.options.split, self.samples(rate), rate)?;
        let estimate = &mut |_: u32, mix: &[f32]| Ok(separate_signal(separators, mix)?);
        self.judged((&pieces, rate), &instruments, estimate, evaluation, errors)
    }

    /// The stems that another program separated.
    pub fn separated_elsewhere(
        &self,
        stems: &SeparatedStems,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let Some(run) = self.runs.first() else {
            return Ok(());
        };
        let (rate, instruments) = (run.recipe.front_end.sample_rate, self.instruments());
        let pieces = self.clean(self.options.split, self.samples(rate), rate)?;
        let estimate = &mut |piece: u32, mix: &[f32]| {
            let name = track_name(pieces.catalogue().pieces()[piece as usize].id);
            let stem =
                |&instrument| stems.of_split(self.options.split, &name, instrument, rate, mix.len() as u64);
            Ok(instruments.iter().map(stem).collect::<Result<_, _>>()?)
        };
        self.judged((&pieces, rate), &instruments, estimate, evaluation, errors)
    }

    fn samples(&self, rate: u32) -> usize {
        (self.options.seconds * f64::from(rate)).round() as usize
    }

    /// Judges what estimates the stems of mixes.
    fn judged(
        &self,
        pieces: (&Pieces, u32),
        instruments: &[Instrument],
        estimate: Estimate<'_>,
        evaluation: &mut Evaluation,
        errors: &mut Errors,
    ) -> Result<(), EvalError> {
        let progress = self.reporter("sdr");
        let setup = &self.options.setup;
        let separation = separation(pieces, instruments, estimate, setup, &progress, self.stop)?;
        for (instrument, ratios) in separation.of {
            if let Some(folder) = &self.options.export {
                write_ratios(folder, instrument, &separation.pieces, &ratios)?;
            }
            let scores = ratio_scores(instrument, &ratios);
            if scores.is_empty() {
                let error = EvalError::TooFew {
                    what: format!("the separation of {instrument}"),
                    needs: "a second in which it and something else sound".into(),
                    has: "no piece that was taken has one".into(),
                    advice: "Give more or longer pieces",
                };
                errors.push((What::Sdr, error));
            }
            evaluation.scores.extend(scores);
        }
        Ok(())
    }

    /// How many of an instrument's pieces take part.
    fn taken(&self, pieces: usize) -> usize {
        self.options
            .setup
            .pieces
            .map_or(pieces, |limit| limit.min(pieces))
    }
}

fn ratio_scores(instrument: Instrument, ratios: &Ratios) -> Vec<Score> {
    let [mix, gain] = [&ratios.mix, &ratios.gain].map(|tracks| Ratios::averages(tracks));
    let mut scores = Vec::new();
    for (ratio, tracks) in Ratio::ALL.into_iter().zip(&ratios.of) {
        let (pieces, frames) = Ratios::count(tracks);
        let sdr = ratio == Ratio::Sdr;
        let averages = Average::ALL.into_iter().zip(Ratios::averages(tracks));
        for ((average, value), (mix, gain)) in averages.zip(mix.into_iter().zip(gain)) {
            scores.extend(value.map(|value| Score {
                n: frames as u64,
                pieces,
                chance: mix.filter(|_| sdr),
                silence: sdr.then_some(0.0),
                gain: gain.filter(|_| sdr),
                ..Score::new(Measure::Separated(ratio, average), instrument, value)
            }));
        }
    }
    scores
}

/// Keeps scores, and errors that do not concern the others.
fn keep(
    evaluation: &mut Evaluation,
    errors: &mut Errors,
    what: What,
    scores: Result<Vec<Score>, EvalError>,
) -> Result<(), EvalError> {
    match scores {
        Ok(scores) => evaluation.scores.extend(scores),
        Err(error) if error.is_local() => errors.push((what, error)),
        Err(error) => return Err(error),
    }
    Ok(())
}
