// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions between real processes: servers that are killed under load, and faults that are none.

mod demo;
mod false_alarms;
mod kills;
mod patient;
mod stage;
