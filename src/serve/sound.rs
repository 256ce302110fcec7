//! A song's file as it is on the disk.

use std::path::Path as FilePath;

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::{Shared, api::Refusal};

/// `GET /api/v1/songs/{id}/audio`: the file, whole or in ranges. No path is taken from the request: the library says which
/// file a song is.
pub(super) async fn audio(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let opened = shared.music.now();
    let (entry, _) = opened.find(&id).ok_or_else(|| Refusal::no_song(&id))?;
    there(&entry.file.path).await?;
    Ok(file(&entry.file.path, request).await)
}

/// Refuses what is no file any more. What was one when it was described may be a pipe now, which would never end, or a link
/// to what is no music: paths of libraries have no links in them.
pub(super) async fn there(path: &FilePath) -> Result<(), Refusal> {
    let regular = tokio::fs::symlink_metadata(path)
        .await
        .is_ok_and(|file| file.is_file());
    let real = tokio::fs::canonicalize(path).await.is_ok_and(|real| real == path);
    match regular && real {
        true => Ok(()),
        false => {
            let message =
                "the file is not there any more: 'stemwise embed' of where it is now finds it again";
            Err(Refusal::new(StatusCode::GONE, message))
        }
    }
}

/// A file, whole or in the ranges that are asked for.
pub(super) async fn file(path: &FilePath, request: Request) -> Response {
    match ServeFile::new(path).oneshot(request).await {
        Ok(response) => response.map(axum::body::Body::new).into_response(),
        Err(never) => match never {},
    }
}
