// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets do with their bytes. Each is a function that panics on a finding.

pub mod seeds;
mod wire;

pub use sim::registrar_commands::run as registrar;
pub use wire::{asap, enrp};
