// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests with real sockets on loopback. Waits are generous and bounded; no test looks at how long something took.

mod association;
mod common;
mod multicast;
mod shim;
mod turns;
