// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP over UDP with real sockets on loopback. Waits are generous and bounded; no test looks at how long something took.

mod addresses;
mod common;
mod delivery;
mod ending;
mod many;
mod ports;
