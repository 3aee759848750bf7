// SPDX-License-Identifier: MIT OR Apache-2.0
//! Capture files: finds the ASAP and ENRP messages in a pcap or pcapng file ([`CaptureReader`]), and writes our own traffic, from
//! such a file ([`FrameReader`]) or from an interface ([`LiveCapture`]), so that tshark decodes it ([`Recorder`]).
//!
//! ```text
//! pcap | pcapng -> frame -> link -> ip -> sctp          -> messages
//! interface     ->                     -> udp -> (sctp) ->          -> reframe -> pcapng
//!                                      -> tcp -> framing ->
//! ```
//!
//! Every layer is hostile input: nothing here trusts a length, and what is kept between frames is bounded by [`Limits`].

mod carried;
mod dissect;
mod error;
mod flows;
mod frames;
mod framing;
mod input;
mod ip;
mod link;
mod live;
mod message;
mod midway;
mod pcap;
mod pcapng;
mod reader;
mod recorder;
pub mod reframe;
mod sctp;
mod skipped;
mod tcp;
mod udp;
mod writer;

pub use error::CaptureError;
pub use frames::{Frame, FrameReader};
pub use link::LinkType;
pub use live::{LiveCapture, LiveError};
pub use message::{CapturedMessage, Protocol, Transport};
pub use reader::CaptureReader;
pub use recorder::Recorder;
pub use skipped::Skipped;

/// What a [`CaptureReader`] keeps at most, however large the file and whatever it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame; a file with a larger one is refused. libpcap's own maximum is 262,144.
    pub frame: usize,
    /// Directions of SCTP associations, and directions of TCP connections, that are followed at the same time. The ones
    /// heard of longest ago are forgotten first.
    pub flows: usize,
    /// Bytes kept for one direction while parts of a message are missing.
    pub bytes_per_flow: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { frame: 262_144, flows: 1024, bytes_per_flow: 256 * 1024 }
    }
}
