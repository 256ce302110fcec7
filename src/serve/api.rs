//! Songs and neighbours in JSON.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query as Parameters, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Shared,
    music::{Opened, Song},
};
use crate::{
    corpus::Instrument,
    library::{Entry, FOLD, Match, Query, Wanted, parse_focus, playlist as playlist_of, search},
};

/// Songs of one answer at most.
const MOST: usize = 500;
/// Seeds of one question at most.
const MOST_SEEDS: usize = 100;

/// What is refused, and why.
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Refusal {
            status,
            message: message.into(),
        }
    }

    pub fn no_song(id: &str) -> Self {
        let shown: String = id.chars().take(80).collect();
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("the library has no song '{shown}'"),
        )
    }

    fn bad(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Refusal::bad(rejection.body_text())
    }
}

/// `GET /openapi.json`
pub(super) async fn description() -> Response {
    let text = include_str!("openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// What is at no address.
pub(super) async fn nothing() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing here: see /openapi.json")
}

/// What an address does not do.
pub(super) async fn no_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address is not asked in this way: see /openapi.json",
    )
}

/// `GET /api/v1/library`
pub(super) async fn library(State(shared): State<Shared>) -> Json<Value> {
    let opened = shared.music.now();
    let header = opened.library.header();
    let instruments = header.subspaces.iter().map(|subspace| subspace.instrument.name());
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "identity": header.identity,
        "songs": opened.songs.len(),
        "instruments": instruments.collect::<Vec<_>>(),
        "presence": opened.library.entries().iter().any(|entry| entry.presence.is_some()),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    text: String,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// `GET /api/v1/songs?text=…&offset=0&limit=50`
pub(super) async fn songs(
    State(shared): State<Shared>,
    listing: Result<Parameters<Listing>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Parameters(listing) = listing?;
    let opened = shared.music.now();
    let matching = opened.matching(&listing.text);
    let limit = listing.limit.unwrap_or(50).min(MOST);
    let shown = matching.iter().skip(listing.offset).take(limit);
    let shown: Vec<Value> = shown.map(|(entry, song)| described(entry, song)).collect();
    Ok(Json(json!({ "total": matching.len(), "songs": shown })))
}

/// `GET /api/v1/songs/{id}`
pub(super) async fn song(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let opened = shared.music.now();
    let (entry, song) = opened.find(&id).ok_or_else(|| Refusal::no_song(&id))?;
    Ok(Json(described(entry, song)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Likeness {
    /// Ids, with commas between.
    song: String,
    #[serde(default)]
    focus: String,
    count: Option<usize>,
    /// Songs of one folder at most.
    per_folder: Option<usize>,
    /// Songs of one artist at most; of those without the tag, any number.
    per_artist: Option<usize>,
    fold: Option<f64>,
}

/// `GET /api/v1/similar?song=ID,ID&focus=drums,bass=0.5&count=20&per_folder=2`
pub(super) async fn similar(
    State(shared): State<Shared>,
    likeness: Result<Parameters<Likeness>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    answered(&shared, likeness, |opened, matches| {
        let names: Vec<&str> = instruments(opened).collect();
        let matches = matches.iter().map(|near| {
            let by_instrument: Map<String, Value> = names
                .iter()
                .zip(&near.by_instrument)
                .map(|(name, &distance)| (name.to_string(), json!(distance)))
                .collect();
            json!({
                "song": opened.song(near.entry).map(|song| described(near.entry, song)),
                "distance": near.distance,
                "instruments": by_instrument,
                "lacks": near.lacks.iter().map(|instrument| instrument.name()).collect::<Vec<_>>(),
                "like": near.like.iter().map(|entry| entry.hash.as_str()).collect::<Vec<_>>(),
            })
        });
        Json(json!({ "matches": matches.collect::<Vec<_>>() }))
    })
    .await
}

/// `GET /api/v1/playlist.m3u8`, of what `similar` finds.
pub(super) async fn playlist(
    State(shared): State<Shared>,
    likeness: Result<Parameters<Likeness>, QueryRejection>,
) -> Result<Response, Refusal> {
    answered(&shared, likeness, |_, matches| {
        let text = playlist_of(matches.iter().map(|near| near.entry));
        let headers = [
            (header::CONTENT_TYPE, "audio/x-mpegurl; charset=utf-8"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"found.m3u8\""),
        ];
        (headers, text).into_response()
    })
    .await
}

/// Searches on a thread that may take its time, when it is its turn.
async fn answered<T: Send + 'static>(
    shared: &Shared,
    likeness: Result<Parameters<Likeness>, QueryRejection>,
    answer: impl FnOnce(&Opened, &[Match<'_>]) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let Parameters(likeness) = likeness?;
    let stopped = || {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the search was stopped: ask again",
        )
    };
    let _turn = shared.searches.acquire().await.map_err(|_| stopped())?;
    let opened = shared.music.now();
    let searched = tokio::task::spawn_blocking(move || {
        let matches = matches(&opened, &likeness)?;
        Ok(answer(&opened, &matches))
    });
    searched.await.map_err(|_| stopped())?
}

fn matches<'a>(opened: &'a Arc<Opened>, likeness: &Likeness) -> Result<Vec<Match<'a>>, Refusal> {
    let library = &opened.library;
    let ids: Vec<&str> = likeness.song.split(',').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > MOST_SEEDS {
        return Err(Refusal::bad(format!(
            "song takes 1 to {MOST_SEEDS} ids, with commas between, not {}",
            ids.len()
        )));
    }
    let queries = ids.into_iter().map(|id| query(opened, id));
    let queries = queries.collect::<Result<Vec<Query>, Refusal>>()?;
    let parts: Vec<String> = likeness.focus.split(',').map(str::to_string).collect();
    let parts = if likeness.focus.is_empty() {
        &[][..]
    } else {
        &parts
    };
    let focus: Vec<(Instrument, f64)> =
        parse_focus(parts, library.header()).map_err(|message| Refusal::bad(format!("focus: {message}")))?;
    let fold = likeness.fold.unwrap_or(FOLD);
    if !(fold >= 0.0 && fold.is_finite()) {
        return Err(Refusal::bad("fold takes a distance: 0 or more"));
    }
    let count = likeness.count.unwrap_or(20).clamp(1, MOST);
    let wanted = Wanted {
        count,
        fold,
        per_folder: likeness.per_folder,
        per_artist: likeness.per_artist,
    };
    Ok(search(library, &queries, &focus, wanted).matches)
}

fn query(opened: &Opened, id: &str) -> Result<Query, Refusal> {
    let (entry, _) = opened.find(id).ok_or_else(|| Refusal::no_song(id))?;
    let Some(row) = opened.library.row(entry) else {
        let mut message = "it is silent, and like nothing".to_string();
        // writing to a string does not fail
        let _ = write!(message, ": {}", entry.file.relative.display());
        return Err(Refusal::bad(message));
    };
    Ok(Query {
        given: entry.file.path.clone(),
        hash: entry.hash.clone(),
        channel: entry.channel,
        vectors: row.to_vec(),
        presence: entry.presence,
    })
}

fn instruments(opened: &Opened) -> impl Iterator<Item = &'static str> {
    let subspaces = opened.library.header().subspaces.iter();
    subspaces.map(|subspace| subspace.instrument.name())
}

fn described(entry: &Entry, song: &Song) -> Value {
    let presence = entry.presence.map(|presence| {
        let named = Instrument::ALL.iter().zip(presence);
        let named = named.map(|(instrument, value)| (instrument.to_string(), json!(value)));
        named.collect::<Map<String, Value>>()
    });
    json!({
        "id": entry.hash,
        "title": song.title,
        "artist": entry.tags.as_ref().and_then(|tags| tags.artist.as_deref()),
        "album": entry.tags.as_ref().and_then(|tags| tags.album.as_deref()),
        "folder": song.folder,
        "seconds": entry.seconds,
        "silent": entry.row.is_none(),
        "presence": presence,
    })
}
