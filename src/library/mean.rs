//! The vectors of a file: the means of its segments'.

use std::{path::Path, sync::atomic::AtomicBool};

use super::{
    Header, LibraryError, Presence,
    song::{Part, hear},
};
use crate::{
    corpus::Instrument,
    describe::{Describer, Description, Heard},
};

/// Segments that are described at once.
pub(super) const TOGETHER: usize = 8;

/// Sums of what segments are described by, in the order of the music.
#[derive(Default)]
pub(super) struct Mean {
    sums: Vec<f64>,
    count: u64,
}

impl Mean {
    pub fn add(&mut self, row: &[f32]) {
        self.sums.resize(row.len(), 0.0);
        self.sums
            .iter_mut()
            .zip(row)
            .for_each(|(sum, &x)| *sum += f64::from(x));
        self.count += 1;
    }

    /// `None` without a segment.
    pub fn mean(&self, header: &Header) -> Option<Means> {
        let mean = |sum: &f64| (sum / self.count as f64) as f32;
        let mut vectors: Vec<f32> = self.sums.iter().map(mean).collect();
        let presence = vectors.split_off(vectors.len().min(header.width()));
        (self.count > 0).then(|| Means {
            vectors,
            presence: presence.try_into().ok(),
        })
    }
}

/// What a file is described by.
pub(super) struct Means {
    /// A row of a library.
    pub vectors: Vec<f32>,
    pub presence: Option<Presence>,
}

/// What each of some segments is described by: its vectors, and its presence after them, if the model says so.
pub(super) fn rows(
    describer: &mut Describer,
    header: &Header,
    segments: &[&[i16]],
) -> Result<Vec<Vec<f32>>, LibraryError> {
    let heard = segments.iter().map(|segment| match header.stems {
        None => Heard::Mix(segment),
        Some(_) => {
            let mut stems = [None; 5];
            let of = header.subspaces.iter().zip(segment.chunks_exact(header.segment));
            of.for_each(|(subspace, stem)| stems[subspace.instrument as usize] = Some(stem));
            Heard::Stems(stems)
        }
    });
    let heard: Vec<Heard<'_>> = heard.collect();
    let Description { vectors, presence } = describer.hear(&heard, header.segment)?;
    let mut rows: Vec<Vec<f32>> = vectors
        .chunks_exact(header.width())
        .map(<[f32]>::to_vec)
        .collect();
    let presence = presence.unwrap_or_default();
    for (row, presence) in rows.iter_mut().zip(presence.chunks_exact(Instrument::ALL.len())) {
        row.extend_from_slice(presence);
    }
    Ok(rows)
}

/// A segment of a file: its first sample, and what it is described by.
pub(super) struct Segment {
    pub start: u64,
    /// As of [`rows`].
    pub row: Vec<f32>,
}

/// The segments of one file, in their order, and the channel that gave them, if not all did.
pub(super) fn segments_of(
    describer: &mut Describer,
    header: &Header,
    path: &Path,
) -> Result<(Vec<Segment>, Option<usize>), LibraryError> {
    let (mut segments, mut waiting, mut failed) = (Vec::new(), Vec::new(), None);
    let mut flush = |segments: &mut Vec<Segment>, waiting: &mut Vec<(u64, Vec<i16>)>| {
        let items: Vec<&[i16]> = waiting.iter().map(|(_, samples)| samples.as_slice()).collect();
        let described = rows(describer, header, &items)?;
        let starts = waiting.drain(..).map(|(start, _)| start);
        segments.extend(starts.zip(described).map(|(start, row)| Segment { start, row }));
        Ok::<_, LibraryError>(())
    };
    let on_part = &mut |part| {
        match part {
            Part::Segment { start, samples } => waiting.push((start, samples)),
            Part::Anew => {
                waiting.clear();
                segments.clear();
            }
        }
        if waiting.len() == TOGETHER {
            failed = flush(&mut segments, &mut waiting).err();
        }
        failed.is_none()
    };
    let heard = hear(path, header, &AtomicBool::new(false), on_part)?;
    match failed {
        Some(error) => Err(error),
        None => {
            flush(&mut segments, &mut waiting)?;
            Ok((segments, heard.and_then(|heard| heard.channel)))
        }
    }
}

/// What describes one file, nothing if it is silent, and the channel that gave it, if not all did.
pub(super) fn describe_file(
    describer: &mut Describer,
    header: &Header,
    path: &Path,
) -> Result<(Option<Means>, Option<usize>), LibraryError> {
    let (segments, channel) = segments_of(describer, header, path)?;
    let mut mean = Mean::default();
    segments.iter().for_each(|segment| mean.add(&segment.row));
    Ok((mean.mean(header), channel))
}
