// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a capture file as a whole.

use std::io;

/// Why a capture file can't be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The first bytes are neither pcap nor pcapng.
    #[error("this is no pcap or pcapng file: it begins with {0:02x?} (a compressed capture must be unpacked first)")]
    NotACapture(Vec<u8>),
    /// The file ends inside something.
    #[error("the file is cut off in the {what} at byte {offset}")]
    CutOff {
        /// Where the unfinished part begins.
        offset: u64,
        /// What it is.
        what: &'static str,
    },
    /// A length is larger than [`Limits::frame`](super::Limits::frame) allows.
    #[error("the {what} at byte {offset} claims {length} bytes, more than the {limit} that are read at most")]
    TooLong {
        /// Where it is.
        offset: u64,
        /// What it is.
        what: &'static str,
        /// The length it claims.
        length: u64,
        /// The largest length that is read.
        limit: u64,
    },
    /// A field has an impossible value, so that nothing after it can be trusted.
    #[error("the {what} at byte {offset} is broken: {why}")]
    Broken {
        /// Where it is.
        offset: u64,
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A pcap file of a link type we have no reader for.
    #[error("link type {0} is not supported; Ethernet, Linux cooked (SLL, SLL2), null/loopback and raw IP are")]
    LinkType(u16),
    /// The file can't be read.
    #[error("reading at byte {offset} failed")]
    Io {
        /// How far reading came.
        offset: u64,
        /// What the operating system says.
        source: io::Error,
    },
}
