// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrar as a process, met over real sockets.

mod asap;
mod config;
mod hostile;
mod http;
mod life;
mod load;
mod peer;
mod process;
mod scope;
mod start_and_stop;
