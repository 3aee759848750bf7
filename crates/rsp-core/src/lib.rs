// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reliable Server Pooling as state machines. No I/O, no clock, no thread.
//!
//! - [`association`]: what every machine here says to the transports below, and hears from them
//! - [`config`]: every timer, limit and default, with its value by profile
//! - [`endpoint`]: a process towards its registrars: hunt, registration, resolution, cache, reports
//! - [`handlespace`]: pools and their elements, as a registrar keeps them
//! - [`offer`]: the mappings a pool element offers, and the pools it registers them in
//! - [`session`]: both ends of a conversation that survives its server
//! - [`policy`]: which element of a pool is chosen (RFC 5356), at the registrar and at the pool user
//! - [`registrar`]: a registrar towards pool elements and pool users
#![forbid(unsafe_code)]

pub mod config;
pub mod endpoint;
pub mod handlespace;
pub mod offer;
mod paged;
pub mod policy;
mod rate;
pub mod registrar;
pub mod session;

pub use machine::association;

/// Payload protocol identifier of ASAP, RFC 5352 §8.3.
pub const PPID_ASAP: u32 = 11;
/// Payload protocol identifier of ENRP, RFC 5353 §7.3.
pub const PPID_ENRP: u32 = 12;
