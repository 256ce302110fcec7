//! A library in a browser, over HTTP: found, heard and compared by instrument. One process, nothing from the network.
//!
//! | file | what |
//! |---|---|
//! | `music.rs` | the library that is served; opened anew when `embed` has changed it |
//! | `access.rs` | who may ask: hosts, origins, the token |
//! | `api.rs` | songs and neighbours in JSON, below `/api/v1`; `openapi.json` describes it |
//! | `sound.rs` | a song's file, in ranges |
//! | `stems.rs` | its instruments, separated in the background |
//! | `page.rs` | the page, in `page/` |
//!
//! It may know libraries and separation, and nothing of training or the command line. Start reading at `router`.

mod access;
mod api;
mod error;
mod music;
mod page;
mod sound;
mod stems;

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot},
    time::timeout,
};

pub use error::ServeError;
pub use stems::StemOptions;
use {access::Access, music::Music, stems::Stems};

/// Bytes of a request's body: a form with a token.
const MOST_BODY: usize = 16 << 10;
/// Searches at a time: each takes all cores, and a few hundred bytes a song.
const SEARCHES: usize = 2;
/// How long answers that are under way may take once it ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is served, and to whom.
pub struct ServeOptions {
    /// Folder of the library.
    pub library: PathBuf,
    /// Where to listen; port 0 is any free one.
    pub address: SocketAddr,
    /// Names that this machine is asked by, beside its address and `localhost`.
    pub hosts: Vec<String>,
    /// What everybody must show who asks; needed wherever other machines can.
    pub token: Option<String>,
    /// What separates; none, and nobody hears instruments.
    pub stems: Option<StemOptions>,
}

/// What all requests share.
#[derive(Clone)]
struct Shared {
    music: Arc<Music>,
    access: Arc<Access>,
    stems: Option<Arc<Stems>>,
    searches: Arc<Semaphore>,
}

/// Serves until `stop` is done. `ready` is told the address once somebody can ask.
///
/// # Errors
/// [`ServeError`] for a library that does not open, an address that cannot be listened at, or one that other machines
/// reach without a token.
pub fn serve(
    options: ServeOptions,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    if !options.address.ip().is_loopback() && options.token.as_deref().unwrap_or_default().is_empty() {
        return Err(ServeError::NoToken {
            address: options.address,
        });
    }
    let music = Music::open(&options.library)?;
    let stems = options
        .stems
        .map(Stems::new)
        .transpose()
        .map_err(ServeError::Runtime)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let listening = |source| ServeError::Listen {
            address: options.address,
            source,
        };
        let listener = TcpListener::bind(options.address).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let shared = Shared {
            music: Arc::new(music),
            access: Arc::new(Access::new(address, &options.hosts, options.token.as_deref())),
            stems: stems.map(Arc::new),
            searches: Arc::new(Semaphore::new(SEARCHES)),
        };
        ready(address);
        let (ended, end) = oneshot::channel::<()>();
        let ending = async { drop(end.await) };
        let served = axum::serve(listener, router(shared)).with_graceful_shutdown(ending);
        let serving = tokio::spawn(served.into_future());
        stop.await;
        drop(ended);
        // whoever listens to a song, or never ends a question, must not keep it
        let _ = timeout(PATIENCE, serving).await;
        Ok(())
    })
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .route("/login", get(page::login).post(access::login))
        .route("/openapi.json", get(api::description))
        .route("/api/v1/library", get(api::library))
        .route("/api/v1/songs", get(api::songs))
        .route("/api/v1/songs/{id}", get(api::song))
        .route("/api/v1/songs/{id}/audio", get(sound::audio))
        .route("/api/v1/songs/{id}/stems", get(stems::status).post(stems::begin))
        .route("/api/v1/songs/{id}/stems/{instrument}", get(stems::audio))
        .route("/api/v1/similar", get(api::similar))
        .route("/api/v1/playlist.m3u8", get(api::playlist))
        .route("/logout", post(access::logout))
        .fallback(api::nothing)
        .method_not_allowed_fallback(api::no_method)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn_with_state(shared.clone(), access::check))
        .with_state(shared)
}
