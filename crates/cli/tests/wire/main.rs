// SPDX-License-Identifier: MIT OR Apache-2.0
//! What we read and write of ASAP and ENRP, judged by tshark (`scripts/test-deps` installs it).

mod capture;
mod decode;
mod every_message;
mod tshark;
mod written;
