//! `stemwise search`

use std::{num::NonZeroUsize, path::PathBuf};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{
    built_in::{library_or, tell},
    embed::cancelled,
    output::{Misuse, may_replace, name, note, say},
    table::table,
};
use crate::{
    corpus::Instrument,
    describe::{DescribeError, Describer},
    files::write_atomically,
    library::{
        Entry, FOLD, Found, Header, Library, PLAYLIST, Queries, Wanted, parse_focus, playlist, search,
    },
    train::BuiltIn,
    variants::open_device,
};

#[derive(Args)]
pub struct Arguments {
    /// Music to search by: files of the library, or others; several are searched by their mean distance
    #[arg(required = true, value_name = "QUERY")]
    pub queries: Vec<PathBuf>,
    /// Folder of a library, made with 'stemwise embed' [default: stemwise/library among the user's data]
    #[arg(long, value_name = "LIBRARY")]
    pub library: Option<PathBuf>,
    /// What likeness is of: instruments with weights, 'drums,bass=0.5'; below 0 for unlike ones, 'drums,guitar=-1'
    /// [default: all instruments alike]
    #[arg(long, value_name = "INSTRUMENT[=WEIGHT],...", value_delimiter = ',')]
    pub focus: Vec<String>,
    /// Files to be shown
    #[arg(long, value_name = "N", default_value = "10")]
    pub count: NonZeroUsize,
    /// Distance, in the mean of all instruments, below which files are folded together; 0 folds nothing
    #[arg(long, value_name = "DISTANCE", default_value_t = FOLD)]
    pub fold: f64,
    /// At most this many of one folder
    #[arg(long, value_name = "N")]
    pub per_folder: Option<NonZeroUsize>,
    /// At most this many of one artist, by the files' tags
    #[arg(long, value_name = "N")]
    pub per_artist: Option<NonZeroUsize>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Also write a playlist; one that was found by an earlier search is replaced
    #[arg(long, value_name = "FILE")]
    pub m3u: Option<PathBuf>,
    /// The library's runs, if they have moved
    #[arg(long = "model", value_name = "RUN")]
    pub models: Vec<PathBuf>,
    /// Index or part of the name of a device, see 'stemwise devices', or 'cpu'; for files that are not in the library
    #[arg(long)]
    pub device: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !(arguments.fold >= 0.0 && arguments.fold.is_finite()) {
        bail!(Misuse("--fold takes a distance: 0 or more".into()));
    }
    if let Some(path) = &arguments.m3u {
        may_replace("--m3u", path, PLAYLIST)?;
    }
    let library = opened(arguments)?;
    let focus = parse_focus(&arguments.focus, library.header())
        .map_err(|message| Misuse(format!("--focus: {message}")))?;
    // without need, no device is looked for: that takes longer than the search
    let asked = arguments.device.as_deref();
    let device = asked.map(|asked| open_device(Some(asked))).transpose()?;
    let load = |header: &Header| {
        let runs: Vec<PathBuf> = match arguments.models.as_slice() {
            [] => header.runs.iter().map(|run| run.folder.clone()).collect(),
            given => given.to_vec(),
        };
        if let [run] = runs.as_slice()
            && let Ok(Some(model)) = BuiltIn::at(run)
        {
            tell(model).map_err(DescribeError::from)?;
        }
        let device = match &device {
            Some(device) => device.clone(),
            None => open_device(None).map_err(DescribeError::from)?,
        };
        Ok(Describer::load(&runs, &device)?)
    };
    let mut finder = Queries::new(&library, load);
    let queries = arguments.queries.iter().map(|query| finder.find(query));
    let queries = queries.collect::<Result<Vec<_>, _>>()?;
    for query in &queries {
        if let Some(channel) = query.channel {
            note(cancelled(&query.given, channel));
        }
        let asked = focus.iter().filter(|(_, weight)| *weight != 0.0);
        for (instrument, _) in asked.filter(|(instrument, _)| query.lacks(*instrument)) {
            note(format!(
                "there is hardly any {instrument} in {}: what is found is like it in nothing that can be heard",
                name(&query.given)
            ));
        }
    }
    let wanted = Wanted {
        count: arguments.count.get(),
        fold: arguments.fold,
        per_folder: arguments.per_folder.map(NonZeroUsize::get),
        per_artist: arguments.per_artist.map(NonZeroUsize::get),
    };
    let found = search(&library, &queries, &focus, wanted);
    let gone = found.matches.iter().filter(|near| near.entry.is_gone()).count();
    if gone > 0 {
        let playlist = if arguments.m3u.is_some() {
            ", and not in the playlist"
        } else {
            ""
        };
        note(format!(
            "{gone} of the files found are not there any more{playlist}: 'stemwise embed' of the place that they are in \
             now finds them again"
        ));
    }
    if let Some(path) = &arguments.m3u {
        let text = playlist(found.matches.iter().map(|near| near.entry));
        write_atomically(path, |file| file.write_all(text.as_bytes()))?;
    }
    match arguments.json {
        true => say(as_json(arguments, &library, &focus, &found)),
        false => show(&library, &found),
    }
}

fn opened(arguments: &Arguments) -> anyhow::Result<Library> {
    if let (None, Some(first)) = (&arguments.library, arguments.queries.first())
        && first.is_dir()
    {
        let first = name(first);
        bail!(Misuse(format!(
            "{first} is a folder, no music: if it is a library, search it with --library {first}"
        )));
    }
    Ok(Library::open(&library_or(
        "--library",
        arguments.library.as_deref(),
    )?)?)
}

fn show(library: &Library, found: &Found<'_>) -> anyhow::Result<()> {
    let mut header = vec!["".to_string(), "distance".into()];
    let names = library
        .header()
        .subspaces
        .iter()
        .map(|subspace| subspace.instrument.to_string());
    header.extend(names);
    header.extend(["length".to_string(), "file".into()]);
    let mut rows = vec![header];
    for (rank, near) in (1..).zip(&found.matches) {
        let mut row = vec![rank.to_string(), format!("{:.3}", near.distance)];
        row.extend(near.by_instrument.iter().map(|distance| format!("{distance:.3}")));
        row.push(length(near.entry.seconds));
        let like = match near.like.len() {
            0 => String::new(),
            n => format!(" (+{n} like it)"),
        };
        let gone = if near.entry.is_gone() { " (gone)" } else { "" };
        let lacks = match near.lacks.as_slice() {
            [] => String::new(),
            lacks => format!(" (hardly any {})", listed(lacks)),
        };
        row.push(format!("{}{gone}{lacks}{like}", near.entry.file.path.display()));
        rows.push(row);
    }
    if found.matches.is_empty() {
        note("there is nothing else in the library");
    } else {
        say(table(&rows))?;
    }
    match found.like_queries.as_slice() {
        [] => Ok(()),
        [one] => say(format!(
            "left out, as it is like the query: {}",
            name(&one.file.path)
        )),
        [first, others @ ..] => say(format!(
            "left out, as they are like the query: {} and {} more",
            name(&first.file.path),
            others.len()
        )),
    }
}

fn as_json(
    arguments: &Arguments,
    library: &Library,
    focus: &[(Instrument, f64)],
    found: &Found<'_>,
) -> String {
    let path = |entry: &&Entry| entry.file.path.clone();
    let names = || {
        library
            .header()
            .subspaces
            .iter()
            .map(|subspace| subspace.instrument.name())
    };
    let matches = found.matches.iter().map(|near| {
        let instruments: serde_json::Map<_, _> = names()
            .zip(&near.by_instrument)
            .map(|(name, &distance)| (name.to_string(), json!(distance)))
            .collect();
        json!({
            "path": near.entry.file.path,
            "relative": near.entry.file.relative,
            "seconds": near.entry.seconds,
            "gone": near.entry.is_gone(),
            "distance": near.distance,
            "instruments": instruments,
            "presence": presence(near.entry),
            "lacks": near.lacks.iter().map(|instrument| instrument.name()).collect::<Vec<_>>(),
            "like": near.like.iter().map(path).collect::<Vec<_>>(),
        })
    });
    let focus: serde_json::Map<_, _> = match focus {
        [] => names().map(|name| (name.to_string(), json!(1.0))).collect(),
        focus => focus
            .iter()
            .map(|(i, weight)| (i.to_string(), json!(weight)))
            .collect(),
    };
    let queries = arguments.queries.iter().map(|query| query.to_string_lossy());
    json!({
        "library": library.root().to_string_lossy(),
        "identity": library.header().identity,
        "queries": queries.collect::<Vec<_>>(),
        "focus": focus,
        "fold": arguments.fold,
        "matches": matches.collect::<Vec<_>>(),
        "like_queries": found.like_queries.iter().map(path).collect::<Vec<_>>(),
    })
    .to_string()
}

fn listed(instruments: &[Instrument]) -> String {
    let names = instruments.iter().map(|instrument| instrument.name());
    names.collect::<Vec<_>>().join(", ")
}

/// By instrument; null of a model that does not say so.
fn presence(entry: &Entry) -> Option<serde_json::Map<String, serde_json::Value>> {
    let named = Instrument::ALL
        .iter()
        .map(Instrument::to_string)
        .zip(entry.presence?);
    Some(named.map(|(name, presence)| (name, json!(presence))).collect())
}

fn length(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
