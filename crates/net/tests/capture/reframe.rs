// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the capture writer writes, the capture reader reads.

use std::net::SocketAddr;
use std::time::Duration;

use crate::frames::message;
use net::capture::reframe::{CaptureWriter, ReframeError};
use net::capture::{CaptureReader, Protocol, Transport};

#[test]
fn messages_of_every_size_come_back_as_they_were_written() {
    let v4: [SocketAddr; 2] = ["192.0.2.1:3863".parse().unwrap(), "192.0.2.2:40000".parse().unwrap()];
    let v6: [SocketAddr; 2] = ["[2001:db8::1]:9901".parse().unwrap(), "[2001:db8::2]:9901".parse().unwrap()];
    let mixed = [v4[0], v6[0]];
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    let mut written = Vec::new();
    for (at, length) in [4, 5, 7, 1431, 1432, 1433, 2864, 20_000, 65_535].into_iter().enumerate() {
        for [source, destination] in [v4, v6, mixed, [v4[1], v4[0]]] {
            for protocol in [Protocol::Asap, Protocol::Enrp] {
                let time = Duration::new(1_795_000_000 + at as u64, 123_456_789);
                let bytes = message(1, length);
                let frame = writer.write(time, protocol, source, destination, &bytes).unwrap();
                written.push((frame, time, protocol, source.port(), destination.port(), bytes));
            }
        }
    }
    let file = writer.finish().unwrap();
    let mut reader = CaptureReader::new(&file[..]).unwrap();
    for (frame, time, protocol, source, destination, bytes) in written {
        let read = reader.next().expect("as many messages as were written").unwrap();
        assert_eq!((read.frame, read.time, read.protocol), (frame, time, protocol));
        assert_eq!((read.source.port(), read.destination.port()), (source, destination));
        assert_eq!(read.transport, Transport::Sctp);
        assert_eq!(read.bytes, bytes);
    }
    assert!(reader.next().is_none());
}

#[test]
fn an_empty_message_is_refused() {
    let mut writer = CaptureWriter::new(Vec::new()).unwrap();
    let address = "192.0.2.1:3863".parse().unwrap();
    let refused = writer.write(Duration::ZERO, Protocol::Asap, address, address, &[]);
    assert!(matches!(refused, Err(ReframeError::Empty)));
    assert_eq!(writer.write(Duration::ZERO, Protocol::Asap, address, address, &[1]).unwrap(), 1);
}
