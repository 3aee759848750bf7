// SPDX-License-Identifier: MIT OR Apache-2.0
//! Client sessions that survive the death of any server.
//!
//! Servers (**pool elements**) register in a named **pool**; clients (**pool users**) open a session to the pool by name. The pool's policy picks the
//! server; when it dies, hangs or drains, the session moves to another, with the state cookie its server left and every message that has no outcome yet.
//!
//! ```no_run
//! use rserpool::{Policy, PoolElement};                       // echo server, complete
//! use tokio::signal::unix::{SignalKind, signal};
//!
//! # async fn server() -> rserpool::Result<()> {
//! let mut terminate = signal(SignalKind::terminate())?;
//! let stop = async move {
//!     tokio::select! {
//!         _ = terminate.recv() => {}
//!         _ = tokio::signal::ctrl_c() => {}
//!     }
//! };
//! let pe = PoolElement::builder("echo").policy(Policy::RoundRobin).listen("0.0.0.0:7000").register().await?;
//! pe.serve_until(stop, |session| async move {                // then its sessions move to others, and it leaves the pool
//!     while let Some(message) = session.recv_data().await? {
//!         session.send(message).await?;
//!     }
//!     Ok(())
//! })
//! .await
//! # }
//! ```
//!
//! ```no_run
//! # async fn client() -> rserpool::Result<()> {
//! let session = rserpool::connect("pool://echo").await?;     // echo client; it outlives every server but the last
//! session.send("hello").await?;
//! let answer = session.recv_data().await?;
//! # drop(answer); session.close().await
//! # }
//! ```
#![forbid(unsafe_code)]

mod basic_mode;
mod business_card;
mod cache;
mod config;
mod control;
mod cookie;
mod discovery;
mod endpoint_task;
mod errno;
mod error;
mod greeter;
mod handle;
mod listeners;
mod mailbox;
mod message;
mod pe_session;
mod policy;
mod pool_element;
mod pool_user;
mod sends;
mod session;
mod task;
mod url;

pub use business_card::BusinessCard;
pub use config::Config;
pub use cookie::read_cookie_keys;
pub use error::{Error, Result};
pub use message::{Answer, Item, Message, Notice, Outgoing, PeItem, Sent};
pub use pe_session::PeSession;
pub use policy::Policy;
pub use pool_element::{PoolElement, PoolElementBuilder};
pub use pool_user::{Items, PeHandle, Pool, PoolUser, PoolUserBuilder, PoolWatch};
pub use rsp_core::config::Profile;
pub use rsp_core::session::{Cause, CookieKey, CookieRefused, ReturnReason};
pub use rsp_wire::parameter::Protocol;
pub use rsp_wire::session::Features;
pub use rsp_wire::{PeId, PoolHandle};
pub use sends::{Destination, Received, Source};
pub use session::{Failover, Report, Session, SessionBuilder};

/// Which transports a process uses.
pub use net::TransportChoice as Transport;
pub use url::PoolUrl;

pub use machine::association::PathState;
pub use message::Outcome;
pub use net::Path;
pub use pool_user::Mapping;

/// Opens a session with the default [`PoolUser`]: `"pool://echo"`, `"pool://registrar:3863/echo"` or just `"echo"`, with `?transport=tcp` if it matters.
///
/// # Errors
/// What [`SessionBuilder::connect`] answers.
pub async fn connect(pool: &str) -> Result<Session> {
    let url: PoolUrl = pool.parse()?;
    let mut builder = PoolUser::builder();
    if let Some(transport) = url.transport {
        builder = builder.transport(transport);
    }
    for registrar in &url.registrars {
        builder = builder.registrar(registrar);
    }
    builder.build().await?.session(url.pool).connect().await
}
