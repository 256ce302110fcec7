//! The report: what runs and evaluations found, in one HTML file for people.
//!
//! Runs and evaluations below some folders are gathered (`gather`) and become tables, curves, pictures and sounds, a file
//! each; `render` puts them on the page. The room reads what training and evaluation wrote, and trains and evaluates
//! nothing itself. Start reading at [`report`].
//!
//! The file asks nothing of any network: styles, figures and sounds are in it. Figures are computed here, and written by
//! the templates, which escape every text. The same input gives the same bytes.

mod chart;
mod clip;
mod colour;
mod curves;
mod figures;
mod gather;
mod matrices;
mod pictures;
mod provenance;
mod published;
mod render;
mod repeats;
mod row;
mod runs;
mod segments;
mod sound;
mod tables;

use std::{io, path::PathBuf, sync::atomic::AtomicBool};

use crate::{
    audio::AudioError, corpus::CorpusError, files::FileError, gpu::Device, metrics::MetricsError,
    separate::SeparateError,
};

pub use published::{Counted, PaperRow, PublishedCounts, paper_rows, published_counts};
pub use render::report;

/// What is reported, and where to.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// Runs, folders with an `evaluation.json`, or folders that hold some.
    pub folders: Vec<PathBuf>,
    /// The HTML file.
    pub out: PathBuf,
    /// Seed of what is chosen to be heard.
    pub seed: u64,
    /// Whether songs are separated, to be seen and heard.
    pub audio: bool,
}

/// How far a report is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Folders are searched.
    Gathering,
    /// A recipe's runs separate a segment.
    Separating {
        /// The recipe.
        recipe: String,
        /// Segments done.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

/// A report that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Runs in it.
    pub runs: usize,
    /// Evaluations in it.
    pub evaluations: usize,
    /// What is not in it, and why.
    pub left_out: Vec<String>,
}

/// What can go wrong in a report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A folder that cannot be listed.
    #[error("cannot list {}: {source}; give folders of runs or evaluations", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing to report.
    #[error(
        "there is nothing to report in {folders}: no run (config.toml) and no evaluation ('stemwise evaluate --out') \
         that can be read{reasons}"
    )]
    Nothing {
        /// Where it was looked for.
        folders: String,
        /// What could not be read, and why.
        reasons: String,
    },
    /// A place that no report can be written to.
    #[error("{}: {message}", path.display())]
    Out {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: &'static str,
    },
    /// The report could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A template or the table of published numbers is broken.
    #[error("the report's own {what} is broken: {message}; please report it")]
    Template {
        /// Which.
        what: &'static str,
        /// What is wrong.
        message: String,
    },
    /// It was asked to stop.
    #[error("stopped before the end; nothing was written")]
    Interrupted,
    /// An image cannot be coded.
    #[error(transparent)]
    Image(#[from] SoundError),
}

/// Why a recipe cannot be heard: the rest of the report does not need it.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// The corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The runs cannot separate.
    #[error(transparent)]
    Separate(#[from] SeparateError),
    /// A sound cannot be resampled or transformed.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A ratio cannot be computed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A sound or an image cannot be coded.
    #[error("cannot write a {what}: {message}")]
    Coding {
        /// What was to be written.
        what: &'static str,
        /// Why not.
        message: String,
    },
    /// Music that does not go with the runs.
    #[error("{0}")]
    Unfit(String),
}

/// The function that a [`report`] calls as it goes on.
pub type Observer<'a> = dyn Fn(Progress) + 'a;

/// What a report needs besides its options.
pub(crate) struct Tools<'a> {
    device: &'a Device,
    stop: &'a AtomicBool,
    progress: &'a Observer<'a>,
}
