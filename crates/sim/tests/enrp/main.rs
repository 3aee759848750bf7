// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars that replace each other, in virtual time.

mod broken;
mod soak;
