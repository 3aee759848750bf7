// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where fuzzing starts: the bytes of `vectors/`, and chance for lists of commands.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder of this name.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The messages in `vectors/FOLDER/*.txt`: lines of hex up to a line that begins with "=".
pub fn vectors(name: &str) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for file in fs::read_dir(folder("vectors").join(name)).expect("the folder is part of the repository") {
        let text = fs::read_to_string(file.expect("readable").path()).expect("readable");
        let mut bytes = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with('=') {
                messages.extend((!bytes.is_empty()).then(|| std::mem::take(&mut bytes)));
            } else {
                let hex = line.split(';').next().unwrap_or_default();
                bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")));
            }
        }
    }
    messages
}

/// Bytes that stand for lists of commands.
pub fn command_lists(count: usize) -> Vec<Vec<u8>> {
    let mut rng = machine::Rng::new(1);
    (0..count).map(|_| (0..2_000).map(|_| rng.next_u32() as u8).collect()).collect()
}

/// Streams for the target `tcp_mapping`: its settings, then what a peer sends.
pub fn streams() -> Vec<Vec<u8>> {
    let mut streams: Vec<Vec<u8>> = Vec::new();
    for chunk in vectors("tcp-mapping") {
        if matches!(chunk[..], [1, _, 0, 4]) || streams.is_empty() {
            // A connector with generous limits, whose peer says INIT by itself.
            streams.push(vec![0, 0, 0, 1, 1, 0, streams.len() as u8, 0, 0]);
        }
        streams.last_mut().expect("just pushed").extend(chunk);
    }
    for messages in vectors("asap").chunks(3) {
        streams.push([&[1, 0, 0, 1, 1, 0, 7, 0, 0], &messages.concat()[..]].concat());
    }
    streams
}

/// Capture files of a few frames: cut from the golden ones, the same as pcapng, and TCP connections.
pub fn captures() -> Vec<Vec<u8>> {
    let mut captures = Vec::new();
    for entry in fs::read_dir(folder("vectors/golden")).expect("the folder is part of the repository") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "pcap") {
            let file = fs::read(path).expect("readable");
            let link = u32::from_le_bytes([file[20], file[21], file[22], file[23]]);
            let frames = frames(&file);
            for (number, few) in frames.chunks(6).take(MOST_PIECES).enumerate() {
                captures.push(if number % 3 == 0 { pcapng(link, few) } else { pcap(link, few) });
            }
        }
    }
    captures.extend(streams().iter().map(|stream| pcap(ETHERNET, &tcp_connection(&stream[9..]))));
    captures
}

/// The frames of a little-endian pcap file.
fn frames(mut file: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    file = &file[24..];
    while let Some(header) = file.first_chunk::<16>() {
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        frames.push(&file[16..16 + length]);
        file = &file[16 + length..];
    }
    frames
}

fn pcap(link: u32, frames: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0];
    file.extend(link.to_le_bytes());
    for frame in frames.iter().map(AsRef::as_ref) {
        file.extend([0; 8]);
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend(frame);
    }
    file
}

fn pcapng(link: u32, frames: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len().next_multiple_of(4)) as u32;
        file.extend(kind.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(body);
        file.resize(file.len().next_multiple_of(4), 0);
        file.extend(length.to_le_bytes());
    };
    let end = [0xff; 8];
    block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0], &end[..]].concat());
    let nanoseconds = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    block(1, &[&link.to_le_bytes(), &[0; 4], &nanoseconds[..]].concat());
    for frame in frames.iter().map(AsRef::as_ref) {
        let length = (frame.len() as u32).to_le_bytes();
        block(6, &[&[0; 12], &length[..], &length, frame].concat());
    }
    file
}

/// Frames that carry a stream to the ASAP port: SYN, then segments of which two come in the wrong order.
fn tcp_connection(stream: &[u8]) -> Vec<Vec<u8>> {
    let segment = |sequence: u32, flags: u8, payload: &[u8]| {
        let mut frame = [&[2; 12][..], &[0x08, 0x00, 0x45, 0]].concat();
        frame.extend(((40 + payload.len()) as u16).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend([0x9c, 0x40, 0x0f, 0x17]);
        frame.extend(sequence.to_be_bytes());
        frame.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        frame
    };
    let mut frames = vec![segment(6, 0x02, &[])];
    let mut sequence = 7;
    for payload in stream.chunks(100) {
        frames.push(segment(sequence, 0x18, payload));
        sequence += payload.len() as u32;
    }
    if let [.., earlier, later] = &mut frames[1..] {
        std::mem::swap(earlier, later);
    }
    frames
}

/// Pieces of one golden file.
const MOST_PIECES: usize = 24;
const ETHERNET: u32 = 1;
