use std::{io, net::SocketAddr};

use thiserror::Error;

use crate::library::LibraryError;

/// Why a library is not served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// It does not open.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// Anybody could ask.
    #[error("at {address} other machines can ask: give a token, in STEMWISE_TOKEN or by --token-file FILE")]
    NoToken {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The address is taken, or not this machine's.
    #[error("cannot listen at {address}: {source}; another --port or --bind may be free")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("cannot begin to serve: {0}")]
    Runtime(io::Error),
}
