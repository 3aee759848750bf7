// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ASAP endpoint of a process towards registrars, RFC 5352 §3: server hunt, registrations, resolutions with a cache, reports, keep-alives.

mod command;
mod event;
mod reply;

pub use command::{Command, Freshness, Input, Life, Register, RegistrarAddress, RegistrationId, RequestId};
pub use event::{AdoptCause, Event, HuntCause};
pub use reply::{Attempt, Effect, Home, Pool, RegisterError, Reply, Resolution, ResolveError};
