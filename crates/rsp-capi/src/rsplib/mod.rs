// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<rserpool.h>`, RSPLIB's interface, over the same sockets as `<rsp.h>`. What each call means is said in `man/rserpool.txt`.

pub mod basic;
pub mod element;
pub mod layout;
mod log;
pub mod message;
pub mod miscellaneous;
mod packed;
pub mod setup;
pub mod sockets;
pub mod status;
pub mod user;

pub(crate) use self::setup::Wishes;
