// SPDX-License-Identifier: MIT OR Apache-2.0
//! Capture files: read, show, write as SCTP, read again, compare.

use net::capture::reframe::{CaptureWriter, ReframeError};
use net::capture::{CaptureReader, CapturedMessage, Limits, Protocol};
use rsp_wire::{describe, describe::Protocol as Described};

/// Any bytes as a capture file, with limits that are met soon.
pub fn capture(data: &[u8]) {
    let limits = Limits { flows: 4, bytes_per_flow: 4096, ..Limits::default() };
    let mut reader = match CaptureReader::with_limits(data, limits) {
        Ok(reader) => reader,
        Err(error) => return drop(error.to_string()),
    };
    let mut messages = Vec::new();
    for message in &mut reader {
        match message {
            Ok(message) => messages.push(message),
            Err(error) => drop(error.to_string()),
        }
    }
    assert!(reader.next().is_none(), "an end that is none");
    let _shown: Vec<String> = reader.skipped().notes().collect();
    let held: usize = messages.iter().map(|message| message.bytes.len()).sum();
    assert!(held <= data.len(), "{held} bytes of messages in a file of {}", data.len());
    for message in &messages {
        let protocol = match message.protocol {
            Protocol::Asap => Described::Asap,
            Protocol::Enrp => Described::Enrp,
        };
        let _shown = describe(&message.bytes, protocol).to_string();
    }
    write_and_read_again(&messages);
}

fn write_and_read_again(messages: &[CapturedMessage]) {
    let mut writer = CaptureWriter::new(Vec::new()).expect("memory takes all bytes");
    let mut written = Vec::new();
    for message in messages {
        let CapturedMessage { time, protocol, source, destination, bytes, .. } = message;
        match writer.write(*time, *protocol, *source, *destination, bytes) {
            Ok(_frame) => written.push((protocol, bytes)),
            Err(ReframeError::Empty) => assert!(bytes.is_empty()),
            Err(error) => panic!("memory takes all bytes: {error}"),
        }
    }
    let file = writer.finish().expect("memory takes all bytes");
    let again: Result<Vec<CapturedMessage>, _> = CaptureReader::new(&file[..]).expect("we wrote it").collect();
    let again = again.expect("we wrote it");
    assert!(again.iter().map(|message| (&message.protocol, &message.bytes)).eq(written));
}
