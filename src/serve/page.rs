//! The page: files of its own, which load nothing from elsewhere.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::api::Refusal;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Nothing but what this server gives, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn file(kind: &'static str, text: &'static str) -> Response {
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")],
        text,
    )
        .into_response()
}

/// `GET /`
pub(super) async fn index() -> Response {
    file(HTML, include_str!("page/index.html"))
}

/// `GET /login`
pub(super) async fn login() -> Response {
    file(HTML, include_str!("page/login.html"))
}

/// `GET /assets/{name}`
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "style.css" => file(STYLE, include_str!("page/style.css")),
        "login.css" => file(STYLE, include_str!("page/login.css")),
        "app.js" => file(SCRIPT, include_str!("page/app.js")),
        "stems.js" => file(SCRIPT, include_str!("page/stems.js")),
        _ => Refusal::new(StatusCode::NOT_FOUND, "there is nothing here").into_response(),
    }
}

/// What every answer says to browsers.
pub(super) fn guard(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
