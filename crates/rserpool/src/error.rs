// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong, and what to do about it.

use rsp_core::endpoint::{RegisterError, ResolveError};
use rsp_core::offer::Offer;
use rsp_core::session::{SelectFailure, SessionError};
use rsp_wire::PoolHandle;
use rsp_wire::parameter::OperationError;

use crate::errno;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No registrar answers.
    #[error("{0}")]
    NoRegistrar(String),
    /// The registrar knows no such pool.
    #[error("unknown pool \"{pool}\": {detail}")]
    UnknownPool {
        /// Its name.
        pool: PoolHandle,
        /// Who said so.
        detail: String,
    },
    /// No PE of the pool could be reached.
    #[error("no server of pool \"{pool}\" answers: {tried} connection attempts failed")]
    NoServer {
        /// The pool.
        pool: PoolHandle,
        /// Attempts.
        tried: u32,
    },
    /// The registrar rejected it and would do so again.
    #[error("the registrar rejected it: {0}")]
    Rejected(OperationError),
    /// The mapping has no such thing.
    #[error("{feature} is not available on the {mapping} mapping{}", advice(mapping))]
    NotAvailable {
        /// What.
        feature: &'static str,
        /// Where.
        mapping: &'static str,
    },
    /// The pool's servers offer no mapping that is allowed and available here.
    #[error("{0}: allow one of theirs (`mappings`, `transport`), or connect to them yourself")]
    NoMapping(String),
    /// A message is larger than the mapping carries; nothing was sent.
    #[error("{len} bytes are more than the {max} this session carries in one message")]
    TooLong {
        /// Its length.
        len: usize,
        /// The largest.
        max: usize,
    },
    /// A message has at least one byte.
    #[error(
        "a message has at least one byte, and a payload protocol identifier other than ASAP's and the session envelope's"
    )]
    BadMessage,
    /// Time ran out.
    #[error("{what} took longer than expected")]
    Timeout {
        /// What was waited for.
        what: &'static str,
    },
    /// The session, or the pool element, has ended.
    #[error("closed")]
    Closed,
    /// The peer is gone.
    #[error("the peer is gone: {0}")]
    Lost(String),
    /// A setting or argument is wrong.
    #[error("{0}")]
    Config(String),
    /// The system said no.
    #[error("{text}")]
    Io {
        /// The system's number for it, if it has one.
        os: Option<i32>,
        /// What and why.
        text: String,
    },
}

impl Error {
    /// The exit code of a program that ends with this error: 1 failed, 2 usage, 3 no registrar, 4 not found, 6 denied, 7 timeout.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Config(_) => 2,
            Error::NoRegistrar(_) => 3,
            Error::UnknownPool { .. } | Error::NoServer { .. } => 4,
            Error::Rejected(_) => 6,
            Error::Timeout { .. } => 7,
            _ => 1,
        }
    }

    pub(crate) fn resolve(error: ResolveError) -> Error {
        match error {
            ResolveError::NoRegistrar { .. } => Error::NoRegistrar(error.to_string()),
            ResolveError::UnknownPool { ref pool, .. } => {
                Error::UnknownPool { pool: pool.clone(), detail: error.to_string() }
            }
            ResolveError::Rejected { error, .. } => Error::Rejected(error),
            ResolveError::Timeout { .. } => Error::NoRegistrar(error.to_string()),
            ResolveError::NoMapping { offered: Offer::None, .. } => NO_MAPPING,
            ResolveError::NoMapping { .. } => Error::NoMapping(error.to_string()),
            other => Error::Config(other.to_string()),
        }
    }

    pub(crate) fn register(error: RegisterError) -> Error {
        match error {
            RegisterError::NoRegistrar { .. } => Error::NoRegistrar(error.to_string()),
            RegisterError::Rejected { error, .. } => Error::Rejected(error),
            other => Error::Config(other.to_string()),
        }
    }

    pub(crate) fn session(error: SessionError, pool: &PoolHandle) -> Error {
        match error {
            SessionError::NoServer { tried } => Error::NoServer { pool: pool.clone(), tried },
            SessionError::Select(SelectFailure::NoRegistrar(text)) => Error::NoRegistrar(text),
            SessionError::Select(SelectFailure::UnknownPool(text)) => {
                Error::UnknownPool { pool: pool.clone(), detail: text }
            }
            SessionError::Select(SelectFailure::NoMapping(Offer::None, _)) | SessionError::NoMapping => NO_MAPPING,
            SessionError::NotSeparate => Error::NotAvailable { feature: "a control channel", mapping: "NO_MAPPING" },
            SessionError::Select(SelectFailure::NoMapping(_, text)) => Error::NoMapping(text),
            SessionError::Select(SelectFailure::Other(text)) => Error::Config(text),
            SessionError::Failed(cause) => Error::Lost(cause.to_string()),
        }
    }
}

/// What to do where there are no sessions.
fn advice(mapping: &str) -> &'static str {
    if mapping == "NO_MAPPING" {
        ": ask for a server (basic mode, `rsp pool show`) and connect to it yourself"
    } else {
        ""
    }
}

const NO_MAPPING: Error = Error::NotAvailable { feature: "a session", mapping: "NO_MAPPING" };

impl From<net::NotAvailable> for Error {
    fn from(error: net::NotAvailable) -> Self {
        use machine::association::Mapping;
        Error::NotAvailable {
            feature: error.feature.name(),
            mapping: match error.mapping {
                Mapping::Sctp => "SCTP",
                Mapping::Tcp => "TCP",
                Mapping::PlainAsap => "plain ASAP",
            },
        }
    }
}

impl From<net::BindError> for Error {
    fn from(error: net::BindError) -> Self {
        use net::BindError;
        let os = match &error {
            BindError::InUse(_) | BindError::SctpInUse { .. } => Some(errno::EADDRINUSE),
            BindError::NotOurs(_) => Some(errno::EADDRNOTAVAIL),
            BindError::NotAllowed(_) => Some(errno::EACCES),
            BindError::OneAddress => Some(errno::EINVAL),
            BindError::NoSctp => Some(errno::EPROTONOSUPPORT),
            BindError::Other { error, .. } => error.raw_os_error(),
        };
        Error::Io { os, text: error.to_string() }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::Io { os: error.raw_os_error(), text: error.to_string() }
    }
}
