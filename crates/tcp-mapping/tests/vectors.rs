// SPDX-License-Identifier: MIT OR Apache-2.0
//! `vectors/tcp-mapping/*.txt`: bytes with their meaning, decoded, shown and encoded again.

use std::fs;
use std::path::Path;

use bytes::BytesMut;
use tcp_mapping::{Chunk, InitFlags};

#[test]
fn every_vector_decodes_shows_what_it_says_and_encodes_to_the_same_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tcp-mapping");
    let mut files = 0;
    for entry in fs::read_dir(&folder).expect("the folder is part of the repository") {
        let path = entry.expect("readable").path();
        let text = fs::read_to_string(&path).expect("readable");
        check(&text, &path.display().to_string());
        files += 1;
    }
    assert!(files >= 4, "{files} vectors in {}", folder.display());
}

fn check(text: &str, name: &str) {
    let (mut bytes, mut flags) = (BytesMut::new(), InitFlags::NONE);
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        if let Some(expected) = line.strip_prefix("= ") {
            let original = bytes.clone();
            let chunk = Chunk::decode(&mut bytes, flags).expect(&place).expect(&place);
            assert_eq!(chunk.to_string(), expected, "{place}");
            assert!(bytes.is_empty(), "{place}: {} bytes too many", bytes.len());
            let mut again = BytesMut::new();
            chunk.encode(&mut again);
            assert_eq!(again, original, "{place}");
            if let Chunk::Init(init) = chunk {
                flags = init.flags;
            }
        } else if !line.starts_with('#') {
            let hex = line.split(';').next().unwrap_or_default();
            for byte in hex.split_whitespace() {
                bytes.extend([u8::from_str_radix(byte, 16).expect(&place)]);
            }
        }
    }
    assert!(bytes.is_empty(), "{name}: the last chunk has no \"=\" line");
}
