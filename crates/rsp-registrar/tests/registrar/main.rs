// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrar as a process, met over real sockets.

mod life;
mod process;
