// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reliable Server Pooling as state machines. No I/O, no clock, no thread.
//!
//! - [`association`]: what every machine here says to the shell about connections, and hears from it
//! - [`config`]: every timer, limit and default, with its value by profile
//! - [`endpoint`]: a process towards its registrars: hunt, registration, resolution, cache, reports
#![forbid(unsafe_code)]

pub mod association;
pub mod config;
pub mod endpoint;
