// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets do with their bytes. Each is a function that panics on a finding.

mod capture;
mod sctp_udp;
pub mod seeds;
mod tcp_mapping;
mod wire;

pub use capture::capture;
pub use sctp_udp::sctp_udp;
pub use sim::registrar_commands::run as registrar;
pub use sim::session_commands::run as session;
pub use tcp_mapping::tcp_mapping;
pub use wire::{asap, enrp};
