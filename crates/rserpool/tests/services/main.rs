// SPDX-License-Identifier: MIT OR Apache-2.0
//! The services of the founding documents (seeds 001 and 004), each over every transport: the TCP mapping, SCTP over UDP, and the kernel's SCTP where
//! there is one; where there is none, `vm.rs` runs this program in a machine that has it.

mod basic_mode;
mod cache;
mod cards;
mod cookies;
mod data_channel;
mod failover;
mod features;
mod large_messages;
mod late_hello;
mod old_registrar;
mod registration;
mod sends;
mod separate_control;
mod stage;
mod vm;
