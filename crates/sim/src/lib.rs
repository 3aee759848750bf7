// SPDX-License-Identifier: MIT OR Apache-2.0
//! Virtual time for the protocol cores: what drives them in scripts, in property tests and under a fuzzer. And, for what has a clock and sockets,
//! processes.
//!
//! - [`namespace`]: a network of a test's own
//! - [`process`]: a program under test, and a registrar for it
//! - [`registrar_harness`]: a registrar with its transports played by the test
//! - [`registrar_commands`]: any bytes as a list of commands, with time, to a registrar
//! - [`session_commands`]: the same to one end of a session
//! - [`source`]: how a fuzzer's bytes become commands
//! - [`network`]: hosts' kernels and the wires between them, with boxes that delay, lose and cut
//! - [`soak`]: registrars that replace each other under faults, and what must hold
//! - [`world`]: registrars, pool elements and pool users on such a network, with faults; replayable by seed
#![forbid(unsafe_code)]

pub mod namespace;
pub mod network;
pub mod process;
pub mod registrar_commands;
pub mod registrar_harness;
pub mod session_commands;
pub mod soak;
pub mod source;
pub mod virtual_machine;
pub mod world;
