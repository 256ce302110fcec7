//! What the protocols ask and what they are answered, for other programs: `np.load("mes-normal-drums-10s.npy")`.

use std::path::Path;

use super::{
    EvalError,
    neighbours::{Answers, Questions},
    separation::Ratios,
};
use crate::{
    arrays::{CsvWriter, NpyWriter},
    corpus::{Catalogue, Instrument},
};

/// Writes `<name>.npy`, the vectors, `[segments, dimensions]`; and `<name>.csv`, a line for each: number of the piece that
/// is to be named, second at which its target begins; number of the piece that the rest is of, and its second; which pseudo
/// piece it is of (of MES-Normal 0); and the piece that the neighbours vote for.
///
/// # Errors
/// [`EvalError::File`].
pub(super) fn write_answers(
    folder: &Path,
    name: &str,
    (catalogue, rate): (&Catalogue, u32),
    target: Instrument,
    questions: &Questions,
    answers: &Answers,
) -> Result<(), EvalError> {
    let dimensions = answers.vectors.len() / questions.mixes.len().max(1);
    let mut vectors = NpyWriter::create(&folder.join(format!("{name}.npy")), &[dimensions])?;
    vectors.write(answers.vectors.iter().copied())?;
    let columns = ["label", "start", "rest", "rest_start", "group", "vote"];
    let mut table = CsvWriter::create(&folder.join(format!("{name}.csv")), &columns)?;
    let id = |piece: u32| catalogue.pieces()[piece as usize].id.to_string();
    let seconds = |start: u64| (start as f64 / f64::from(rate)).to_string();
    for (i, mix) in questions.mixes.iter().enumerate() {
        let sources = || mix.sources.iter().flatten();
        let of_target = sources().find(|excerpt| excerpt.instrument == target);
        let rest = sources().find(|excerpt| excerpt.instrument != target);
        let group = questions.groups.as_ref().map_or(0, |groups| groups[i]);
        table.line([
            id(questions.labels[i]),
            of_target.map_or(String::new(), |excerpt| seconds(excerpt.start)),
            rest.map_or(String::new(), |excerpt| id(excerpt.piece)),
            rest.map_or(String::new(), |excerpt| seconds(excerpt.start)),
            group.to_string(),
            id(answers.votes[i]),
        ])?;
    }
    vectors.finish()?;
    Ok(table.finish()?)
}

/// Writes `sdr-<instrument>.csv`, a line for every second of every piece: the four ratios in dB, and the SDR of the mix
/// and of the mix with the piece's best gain. Where the instrument is silent all are NaN.
///
/// # Errors
/// [`EvalError::File`].
pub(super) fn write_ratios(
    folder: &Path,
    instrument: Instrument,
    pieces: &[u32],
    ratios: &Ratios,
) -> Result<(), EvalError> {
    let columns = ["piece", "frame", "sdr", "isr", "sir", "sar", "mix", "gain"];
    let mut table = CsvWriter::create(&folder.join(format!("sdr-{instrument}.csv")), &columns)?;
    let all = || ratios.of.iter().chain([&ratios.mix, &ratios.gain]);
    for (place, piece) in pieces.iter().enumerate() {
        let frames = ratios.mix.get(place).map_or(0, Vec::len);
        for frame in 0..frames {
            let values = all().map(|tracks| tracks[place][frame].to_string());
            let line = [piece.to_string(), frame.to_string()].into_iter().chain(values);
            table.line(line)?;
        }
    }
    Ok(table.finish()?)
}
