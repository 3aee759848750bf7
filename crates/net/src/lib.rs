// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that touches the network: sockets, the clock, the loop that drives the cores, and capture files.

pub mod capture;
