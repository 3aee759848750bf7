// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of kernel SCTP. Where the kernel has none, they all run once more inside `scripts/sctp-vm`, as one test here: that needs root or the
//! packages it names. `RSERPOOL_NO_VM=1` skips it, and then nothing of kernel SCTP is tested.

mod addresses;
mod association;
mod common;
mod hosts;
mod over_udp;
mod paths;
mod vm;
mod wire;
