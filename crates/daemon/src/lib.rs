// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every daemon of this workspace needs and no protocol does.

pub mod admin;
pub mod config;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod signals;
pub mod systemd;
