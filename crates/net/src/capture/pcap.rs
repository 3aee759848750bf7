// SPDX-License-Identifier: MIT OR Apache-2.0
//! The classic capture format (draft-ietf-opsawg-pcap), in both byte orders, with microseconds or nanoseconds.

use std::io::Read;
use std::time::Duration;

use super::frames::Header;
use super::input::{ByteOrder, Input};
use super::link::LinkType;
use super::{CaptureError, Limits};

/// What the file header says about all frames.
pub(super) struct Pcap {
    order: ByteOrder,
    nanoseconds: bool,
    link: LinkType,
}

impl Pcap {
    /// Reads the rest of the file header if the magic number is pcap's.
    pub(super) fn begin<R: Read>(magic: [u8; 4], input: &mut Input<R>) -> Result<Option<Self>, CaptureError> {
        let (order, nanoseconds) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, false),
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, true),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, true),
            _ => return Ok(None),
        };
        let offset = input.offset();
        // Version, time zone, accuracy and snap length say nothing we need.
        let [.., a, b, c, d] =
            input.header::<20>(FILE_HEADER)?.ok_or(CaptureError::CutOff { offset, what: FILE_HEADER })?;
        // The upper half holds the length of the frame check sequence, if there is one.
        let link = order.u32([a, b, c, d]) as u16;
        let link = LinkType::from_number(link).ok_or(CaptureError::LinkType(link))?;
        Ok(Some(Pcap { order, nanoseconds, link }))
    }

    /// Reads the next frame into `buffer`.
    pub(super) fn next<R: Read>(
        &mut self,
        input: &mut Input<R>,
        buffer: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<Option<Header>, CaptureError> {
        let offset = input.offset();
        let Some(header) = input.header::<16>("frame header")? else { return Ok(None) };
        let [seconds, fraction, captured, original] =
            [0, 4, 8, 12].map(|at| self.order.u32([header[at], header[at + 1], header[at + 2], header[at + 3]]));
        if captured as usize > limits.frame {
            let (length, limit) = (u64::from(captured), limits.frame as u64);
            return Err(CaptureError::TooLong { offset, what: "frame", length, limit });
        }
        input.read(buffer, u64::from(captured), "frame")?;
        let fraction = u64::from(fraction);
        let fraction = if self.nanoseconds { Duration::from_nanos(fraction) } else { Duration::from_micros(fraction) };
        let time = Duration::from_secs(u64::from(seconds)) + fraction;
        Ok(Some(Header { time, link: Some(self.link), cut_off: captured < original, interface: 0 }))
    }
}

const FILE_HEADER: &str = "file header";
