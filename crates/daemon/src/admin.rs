// SPDX-License-Identifier: MIT OR Apache-2.0
//! The admin HTTP server: a thread of its own, so that no scraper and no slow reader holds up the protocol.
//!
//! `/livez` and `/readyz` are here, the rest is the daemon's router. Errors are RFC 9457 problems that say what to do.

mod path;
mod problem;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use thiserror::Error;

pub use path::{decode, encode};
pub use problem::Problem;

/// The server, bound and not yet serving.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why the address could not be used, and what to do.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The address.
    #[error("cannot serve admin HTTP on {address}: {error}; {remedy}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// No thread.
    #[error("cannot start the admin HTTP server: {0}")]
    Start(io::Error),
}

/// Whether the daemon is to be sent work: what `/readyz` answers.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl AdminServer {
    /// Listens; port 0 means any free one.
    ///
    /// # Errors
    /// Names the address and what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(AdminServer { listener, address })
        };
        listen().map_err(|error: io::Error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "stop the program that listens there (`ss -ltnp` shows it), or give another address by --admin, or --admin off"
                }
                io::ErrorKind::AddrNotAvailable => "give an address of this host by --admin (`ip address` lists those), or --admin off",
                _ => "give another address by --admin, or --admin off",
            };
            AdminError::Bind { address, error, remedy }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `routes` on a thread of its own, which ends with the process.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn serve(self, routes: Router, readiness: Readiness) -> Result<(), AdminError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AdminError::Start)?;
        let app = routes
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(move || ready(readiness.clone())))
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method);
        let serve = async move {
            match tokio::net::TcpListener::from_std(self.listener) {
                Ok(listener) => {
                    if let Err(error) = axum::serve(listener, app).await {
                        tracing::error!(%error, "the admin HTTP server ended");
                    }
                }
                Err(error) => tracing::error!(%error, "cannot serve admin HTTP"),
            }
        };
        let thread = std::thread::Builder::new().name("admin".to_owned());
        thread.spawn(move || runtime.block_on(serve)).map(drop).map_err(AdminError::Start)
    }
}

async fn ready(readiness: Readiness) -> Result<&'static str, Problem> {
    if readiness.is_ready() {
        return Ok("ok\n");
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready", "The daemon is starting or stopping; ask again."))
}

async fn unknown_path(uri: Uri) -> Problem {
    let detail = format!("There is nothing at {}; docs/admin-http.md lists what there is.", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "No such path", detail)
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Wrong method", "Use GET: nothing can be changed here.")
}

/// How long a request may wait for the daemon's own thread.
pub const PATIENCE: Duration = Duration::from_secs(10);
