// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C doors: `librserpool` with `<rsp.h>` (seed 000's API, exported as `rsp_ha_*`) and `<rserpool.h>` (RSPLIB's).
//!
//! Every exported function is three steps: check the arguments, call safe Rust, translate the result; `panic` is around each.
//! A descriptor is one end of a socket pair (`descriptor`); behind it is a `socket::Socket` in the `table`, which keeps what has arrived. One
//! thread, the `runtime`, drives everything no call waits for.
//!
//! The functions, with units, errors and who frees what, are documented in `include/rsp.h`: it is the published interface.

mod baton;
mod descriptor;
mod errno;
mod futex;
pub mod ha;
mod handle;
pub mod layout;
mod library;
mod panic;
pub mod rsplib;
mod runtime;
mod signals;
mod socket;
mod table;
mod under_way;
