//! What is known of a split's pieces before any sound is read.

use super::{CorpusError, Instrument, SoundingStarts, Split, TempoClasses, tempo};

/// A piece of music, as [`super::Sampler`] sees it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The track's number, as [`super::Track::id`].
    pub id: u32,
    /// What it is a rendering of, where [`Metadata::work`](super::Metadata::work) is known.
    pub work: Option<String>,
    /// Length in samples.
    pub frames: u64,
    /// Beats per minute; a piece of unknown tempo has no part in pseudo pieces.
    pub tempo: Option<f64>,
    /// By instrument: where segments of the catalogue's length begin in which it sounds.
    pub sounding: [SoundingStarts; 5],
}

/// The pieces of one split, for segments of one length.
#[derive(Clone, Debug)]
pub struct Catalogue {
    split: Split,
    segment_len: usize,
    pieces: Vec<Piece>,
    /// By piece.
    classes: Vec<Option<usize>>,
    class_count: usize,
    /// By instrument.
    usable: [Vec<u32>; 5],
}

impl Catalogue {
    /// The pieces of `split`, whose sounding starts are those of segments of `segment_len` samples. Pieces are
    /// referred to by their index here.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] for no piece, segments of no samples, starts that do not fit the piece and the
    /// segment, or a tempo that is not a positive number.
    pub fn new(
        split: Split,
        pieces: Vec<Piece>,
        segment_len: usize,
        classes: &TempoClasses,
    ) -> Result<Self, CorpusError> {
        if segment_len == 0 || pieces.is_empty() || u32::try_from(pieces.len()).is_err() {
            let message =
                "a catalogue needs at least one piece, fewer than 2³² and at least one sample a segment";
            return Err(CorpusError::invalid(message));
        }
        for piece in &pieces {
            piece.tempo.map_or(Ok(()), tempo::check)?;
            let last = |starts: &SoundingStarts| starts.nth(starts.count().checked_sub(1)?);
            let last = piece.sounding.iter().filter_map(last).max();
            if last.is_some_and(|start| start + segment_len as u64 > piece.frames) {
                return Err(CorpusError::invalid(format!(
                    "a segment of {segment_len} samples of piece {} exceeds its {} samples: find its sounding starts for this length of segment",
                    piece.id, piece.frames
                )));
            }
        }
        Ok(Self {
            split,
            segment_len,
            usable: usable(&pieces),
            classes: pieces.iter().map(|p| p.tempo.map(|t| classes.of(t))).collect(),
            class_count: classes.count(),
            pieces,
        })
    }

    /// The first pieces alone, so many at most.
    pub fn first(mut self, most: usize) -> Self {
        self.pieces.truncate(most);
        self.classes.truncate(most);
        self.usable = usable(&self.pieces);
        self
    }

    /// With segments that begin at multiples of `step` samples alone.
    pub fn on_grid(mut self, step: u64) -> Self {
        for piece in &mut self.pieces {
            piece.sounding = piece.sounding.each_ref().map(|starts| starts.multiples(step));
        }
        self.usable = usable(&self.pieces);
        self
    }

    /// The split that the pieces belong to.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Samples in a segment.
    pub fn segment_len(&self) -> usize {
        self.segment_len
    }

    /// The pieces.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The tempo class of the piece at `index`, if its tempo is known.
    pub fn class_of(&self, index: u32) -> Option<usize> {
        self.classes.get(index as usize).copied().flatten()
    }

    /// Number of tempo classes in the corpus; a split need not have pieces in all of them.
    pub fn class_count(&self) -> usize {
        self.class_count
    }

    /// The indices of the pieces in which `target` has a sounding segment, ascending.
    pub fn usable(&self, target: Instrument) -> &[u32] {
        &self.usable[target as usize]
    }

    /// Whether an instrument sounds throughout the segment at `start` of the piece at `index`.
    pub fn sounds(&self, index: u32, instrument: Instrument, start: u64) -> bool {
        let piece = self.pieces.get(index as usize);
        piece.is_some_and(|piece| piece.sounding[instrument as usize].contains(start))
    }
}

/// By instrument: the pieces in which it sounds.
fn usable(pieces: &[Piece]) -> [Vec<u32>; 5] {
    Instrument::ALL.map(|i| {
        let pieces = (0..).zip(pieces);
        let usable = pieces.filter(|(_, piece)| piece.sounding[i as usize].count() > 0);
        usable.map(|(index, _)| index).collect()
    })
}
