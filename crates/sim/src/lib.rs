// SPDX-License-Identifier: MIT OR Apache-2.0
//! Virtual time for the protocol cores: what drives them in scripts, in property tests and under a fuzzer.
//!
//! - [`registrar_harness`]: a registrar with its transports played by the test
//! - [`registrar_commands`]: any bytes as a list of commands, with time, to a registrar
#![forbid(unsafe_code)]

pub mod registrar_commands;
pub mod registrar_harness;
