// SPDX-License-Identifier: MIT OR Apache-2.0
//! Capture files, read and written.

mod frames;
mod golden;
mod reader;
mod recorder;
mod reframe;
