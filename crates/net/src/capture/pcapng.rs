// SPDX-License-Identifier: MIT OR Apache-2.0
//! The block-structured capture format (draft-ietf-opsawg-pcapng).

use std::io::Read;
use std::time::Duration;

use super::frames::Header;
use super::input::{ByteOrder, Input};
use super::link::LinkType;
use super::{CaptureError, Limits};

/// The section being read.
pub(super) struct PcapNg {
    order: ByteOrder,
    interfaces: Vec<Interface>,
}

/// What the frames of one interface have in common.
struct Interface {
    name: Option<String>,
    /// `None`: frames of a link type we can't read.
    link: Option<LinkType>,
    snap_length: u32,
    resolution: Resolution,
    offset_seconds: i64,
}

impl PcapNg {
    /// Reads the first section header if the block type is that.
    pub(super) fn begin<R: Read>(block_type: [u8; 4], input: &mut Input<R>) -> Result<Option<Self>, CaptureError> {
        if block_type != SECTION_HEADER {
            return Ok(None);
        }
        Ok(Some(PcapNg { order: section_header(input)?, interfaces: Vec::new() }))
    }

    /// Reads the next block that holds a frame into `buffer`. Blocks in between are passed over without being kept.
    pub(super) fn next<R: Read>(
        &mut self,
        input: &mut Input<R>,
        buffer: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<Option<Header>, CaptureError> {
        loop {
            let offset = input.offset();
            let Some(block_type) = input.header::<4>(BLOCK)? else { return Ok(None) };
            if block_type == SECTION_HEADER {
                *self = PcapNg { order: section_header(input)?, interfaces: Vec::new() };
                continue;
            }
            let body_length = self.body_length(offset, input)?;
            let block_type = self.order.u32(block_type);
            if !matches!(block_type, INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET | JOURNAL) {
                input.skip(body_length + 4, BLOCK)?;
                continue;
            }
            if body_length > limits.frame as u64 + OPTIONS_LENGTH {
                let limit = limits.frame as u64 + OPTIONS_LENGTH;
                return Err(CaptureError::TooLong { offset, what: BLOCK, length: body_length, limit });
            }
            input.read(buffer, body_length, BLOCK)?;
            input.skip(4, BLOCK)?; // The length once more, for readers that go backwards.
            let broken = |why| CaptureError::Broken { offset, what: BLOCK, why };
            match block_type {
                INTERFACE if self.interfaces.len() == MAX_INTERFACES => return Err(broken("too many interfaces")),
                INTERFACE => self.interfaces.push(self.interface(buffer).ok_or_else(|| broken(TOO_SHORT))?),
                ENHANCED_PACKET => {
                    return self.timed_packet(buffer, |order, id| order.u32(id)).map(Some).map_err(broken);
                }
                // The obsolete packet block differs in the width of the interface number only: a drop count follows.
                PACKET => {
                    let packet = self.timed_packet(buffer, |order, [a, b, ..]| u32::from(order.u16([a, b])));
                    return packet.map(Some).map_err(broken);
                }
                SIMPLE_PACKET => return self.simple_packet(buffer).map(Some).map_err(broken),
                // Wireshark numbers these as frames too.
                _journal => {
                    buffer.clear();
                    return Ok(Some(Header { time: Duration::ZERO, link: None, cut_off: false, interface: u32::MAX }));
                }
            }
        }
    }

    /// The name of the interface with this number, if the file tells it.
    pub(super) fn interface_name(&self, number: u32) -> Option<&str> {
        self.interfaces.get(number as usize)?.name.as_deref()
    }

    fn body_length<R: Read>(&self, offset: u64, input: &mut Input<R>) -> Result<u64, CaptureError> {
        let length = input.header::<4>(BLOCK)?.ok_or(CaptureError::CutOff { offset, what: BLOCK })?;
        body_length(offset, self.order.u32(length))
    }

    fn interface(&self, body: &[u8]) -> Option<Interface> {
        let ([a, b, _, _, c, d, e, f], mut options) = body.split_first_chunk::<8>()?;
        let mut interface = Interface {
            name: None,
            link: LinkType::from_number(self.order.u16([*a, *b])),
            snap_length: self.order.u32([*c, *d, *e, *f]),
            resolution: Resolution::MICROSECONDS,
            offset_seconds: 0,
        };
        while let Some(([a, b, c, d], rest)) = options.split_first_chunk::<4>() {
            let (code, length) = (self.order.u16([*a, *b]), usize::from(self.order.u16([*c, *d])));
            let Some(value) = rest.get(..length) else { break };
            match (code, value) {
                (END_OF_OPTIONS, _) => break,
                (IF_NAME, name) => interface.name = Some(String::from_utf8_lossy(name).into_owned()),
                (IF_TSRESOL, [resolution]) => interface.resolution = Resolution(*resolution),
                (IF_TSOFFSET, value) => {
                    interface.offset_seconds = value.try_into().map_or(0, |v| self.order.u64(v) as i64);
                }
                _ => {}
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }

    /// An (enhanced) packet block: leaves the frame alone in `buffer`.
    fn timed_packet(
        &self,
        buffer: &mut Vec<u8>,
        interface: impl FnOnce(ByteOrder, [u8; 4]) -> u32,
    ) -> Result<Header, &'static str> {
        let header = *buffer.first_chunk::<20>().ok_or(TOO_SHORT)?;
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let number = interface(self.order, word(0));
        let interface = self.interface_by_number(number)?;
        let [high, low, captured, original] = [4, 8, 12, 16].map(|at| self.order.u32(word(at)));
        leave_frame(buffer, 20, captured)?;
        let time = interface.resolution.time(u64::from(high) << 32 | u64::from(low), interface.offset_seconds);
        Ok(Header { time, link: interface.link, cut_off: captured < original, interface: number })
    }

    /// A simple packet block has no time, belongs to the first interface and leaves its captured length to be worked out.
    fn simple_packet(&self, buffer: &mut Vec<u8>) -> Result<Header, &'static str> {
        let original = self.order.u32(*buffer.first_chunk::<4>().ok_or(TOO_SHORT)?);
        let interface = self.interface_by_number(0)?;
        let snap_length = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
        let captured = original.min(snap_length);
        leave_frame(buffer, 4, captured)?;
        Ok(Header { time: Duration::ZERO, link: interface.link, cut_off: captured < original, interface: 0 })
    }

    fn interface_by_number(&self, number: u32) -> Result<&Interface, &'static str> {
        self.interfaces.get(number as usize).ok_or("it names an interface that was not described")
    }
}

fn section_header<R: Read>(input: &mut Input<R>) -> Result<ByteOrder, CaptureError> {
    let offset = input.offset() - 4;
    let header = input.header::<8>(SECTION)?.ok_or(CaptureError::CutOff { offset, what: SECTION })?;
    let [l0, l1, l2, l3, magic @ ..] = header;
    let order = match magic {
        [0x1a, 0x2b, 0x3c, 0x4d] => ByteOrder::Big,
        [0x4d, 0x3c, 0x2b, 0x1a] => ByteOrder::Little,
        _ => {
            return Err(CaptureError::Broken {
                offset,
                what: SECTION,
                why: "its byte order is neither big nor little",
            });
        }
    };
    let body = body_length(offset, order.u32([l0, l1, l2, l3]))?;
    let rest = body.checked_sub(4).ok_or(CaptureError::Broken { offset, what: SECTION, why: TOO_SHORT })?;
    input.skip(rest + 4, SECTION)?;
    Ok(order)
}

/// A block's length without its type and its two length fields.
fn body_length(offset: u64, total: u32) -> Result<u64, CaptureError> {
    match total.checked_sub(12) {
        // Some writers forget the padding in the length; the blocks are aligned nevertheless.
        Some(body) => Ok(u64::from(body).next_multiple_of(4)),
        None => Err(CaptureError::Broken { offset, what: BLOCK, why: TOO_SHORT }),
    }
}

/// Cuts what is before and behind the frame of a packet block.
fn leave_frame(buffer: &mut Vec<u8>, header: usize, captured: u32) -> Result<(), &'static str> {
    let end = header.saturating_add(captured as usize);
    if end > buffer.len() {
        return Err("its frame is longer than the block");
    }
    buffer.truncate(end);
    buffer.drain(..header);
    Ok(())
}

/// The option if_tsresol: a negative power of ten, or of two if the highest bit is set.
#[derive(Clone, Copy)]
struct Resolution(u8);

impl Resolution {
    const MICROSECONDS: Resolution = Resolution(6);

    fn time(self, units: u64, offset_seconds: i64) -> Duration {
        let exponent = u32::from(self.0 & 0x7f);
        let per_second = if self.0 & 0x80 == 0 { 10u128.checked_pow(exponent) } else { Some(1u128 << exponent) };
        // A unit too small to count in 128 bits: 64 bits of it are no time at all.
        let Some(per_second) = per_second else { return Duration::ZERO };
        let units = u128::from(units);
        let seconds = (units / per_second) as u64;
        let nanoseconds = (units % per_second) * 1_000_000_000 / per_second;
        Duration::new(seconds.saturating_add_signed(offset_seconds), nanoseconds as u32)
    }
}

const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const JOURNAL: u32 = 9;

const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// Room for the options of a block besides its frame.
const OPTIONS_LENGTH: u64 = 64 * 1024;
const MAX_INTERFACES: usize = 4096;

const BLOCK: &str = "block";
const SECTION: &str = "section header";
const TOO_SHORT: &str = "it is too short";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_resolution() {
        let second = Duration::from_secs(1);
        assert_eq!(Resolution(0).time(1, 0), second);
        assert_eq!(Resolution(6).time(1_500_000, 0), second * 3 / 2);
        assert_eq!(Resolution(9).time(1_500_000_000, -1), second / 2);
        assert_eq!(Resolution(0x80 | 1).time(3, 10), second * 23 / 2);
        assert_eq!(Resolution(0xff).time(u64::MAX, 0), Duration::ZERO);
        assert_eq!(Resolution(0x7f).time(u64::MAX, 7), Duration::ZERO);
        assert_eq!(Resolution(0).time(u64::MAX, i64::MAX).as_secs(), u64::MAX);
    }
}
