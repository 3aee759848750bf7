// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp` as a user runs it: real processes, registrars included.

mod bench;
mod connect;
mod control;
mod legacy;
mod mistakes;
#[path = "../sessions/patient.rs"]
mod patient;
mod pools;
mod registrars;
mod services;
mod soak;
mod support;
mod transports;
