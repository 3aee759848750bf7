// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the frames and files the tests of the capture reader need.

/// Host A, 192.0.2.1, sends to host B, 192.0.2.2.
pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_between([192, 0, 2, 1], [192, 0, 2, 2], protocol, payload)
}

/// An IPv4 packet without checksum, which no reader asks for.
pub(crate) fn ipv4_between(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(payload);
    packet
}

pub(crate) fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2; 12], &[0x08, 0x00][..], packet].concat()
}

pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    ipv4(17, &datagram)
}

/// A segment with source port 40000.
pub(crate) fn tcp(destination: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [40000u16.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x60, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend([1, 1, 1, 1]); // options
    segment.extend(payload);
    ipv4(6, &segment)
}

pub(crate) fn sctp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = vec![0x0f, 0x17, 0x0f, 0x18, 0, 0, 0, 7, 0, 0, 0, 0];
    for chunk in chunks {
        packet.extend(chunk);
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    packet
}

/// Flags: 2 begins, 1 ends a message.
pub(crate) fn data(flags: u8, tsn: u32, ppid: u32, payload: &[u8]) -> Vec<u8> {
    let mut chunk = vec![0, flags];
    chunk.extend(((16 + payload.len()) as u16).to_be_bytes());
    chunk.extend(tsn.to_be_bytes());
    chunk.extend([0, 0, 0, 0]);
    chunk.extend(ppid.to_be_bytes());
    chunk.extend(payload);
    chunk
}

/// Big-endian, microseconds, one second between frames.
pub(crate) fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    file.extend(link.to_be_bytes());
    for (at, frame) in frames.iter().enumerate() {
        file.extend((at as u32 + 1).to_be_bytes());
        file.extend([0, 0, 0, 1]);
        file.extend((frame.len() as u32).to_be_bytes());
        file.extend((frame.len() as u32).to_be_bytes());
        file.extend(frame);
    }
    file
}

/// A pcapng block, little-endian.
pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (12 + body.len().next_multiple_of(4)) as u32;
    let mut block = kind.to_le_bytes().to_vec();
    block.extend(length.to_le_bytes());
    block.extend(body);
    block.resize(length as usize - 4, 0);
    block.extend(length.to_le_bytes());
    block
}

pub(crate) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
pub(crate) const SECTION: [u8; 16] =
    [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// An ASAP message of `length` bytes, the length field included and right.
pub(crate) fn message(kind: u8, length: u16) -> Vec<u8> {
    let mut message = vec![kind, 0];
    message.extend(length.to_be_bytes());
    message.extend((4..length).map(|at| at as u8));
    message
}
