// SPDX-License-Identifier: MIT OR Apache-2.0
//! `vectors/{asap,enrp,session}/*.txt`: bytes with their meaning, decoded, shown and encoded again.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use rsp_wire::describe::Protocol;
use rsp_wire::session::Envelope;
use rsp_wire::{Dialect, asap, describe, enrp};

#[test]
fn every_asap_message_decodes_shows_what_its_vector_says_and_encodes_to_the_same_bytes() {
    assert!(check_folder("asap") >= 50);
}

#[test]
fn every_enrp_message_decodes_shows_what_its_vector_says_and_encodes_to_the_same_bytes() {
    assert!(check_folder("enrp") >= 20);
}

#[test]
fn every_session_message_and_envelope_decodes_shows_what_its_vector_says_and_encodes_to_the_same_bytes() {
    assert!(check_folder("session") >= 16);
}

fn check_folder(folder: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(folder);
    let mut vectors = 0;
    for entry in fs::read_dir(&path).expect("the folder is part of the repository") {
        let file = entry.expect("readable").path();
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let place = format!("{folder}/{name}.txt");
        for vector in Vector::all(&fs::read_to_string(&file).expect("readable"), &place) {
            match (folder, name.as_str()) {
                ("session", "envelope") => check_envelope(&vector),
                ("enrp", _) => check(&vector, Protocol::Enrp),
                _ => check(&vector, Protocol::Asap),
            }
            vectors += 1;
        }
    }
    vectors
}

fn check(vector: &Vector, protocol: Protocol) {
    let Vector { bytes, place, dialect, .. } = vector;
    let described = describe(bytes, protocol);
    assert_eq!(described.to_string(), vector.shown, "{place}");
    let again = match protocol {
        Protocol::Asap => asap::Message::decode(bytes).map(|decoded| decoded.message.to_bytes(*dialect)),
        Protocol::Enrp => enrp::Message::decode(bytes).map(|decoded| decoded.message.to_bytes(*dialect)),
    };
    match again {
        Ok(again) => {
            assert_eq!(described.error, None, "{place}");
            assert_eq!(again.expect("it came in one message").as_ref(), bytes.as_ref(), "{place}");
        }
        Err(error) => assert_eq!(described.error, Some(error.to_string()), "{place}"),
    }
}

fn check_envelope(vector: &Vector) {
    let (envelope, data) = Envelope::decode(&vector.bytes).expect(&vector.place);
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(format!("{envelope}\n  user data {hex}").trim_end(), vector.shown, "{}", vector.place);
    assert_eq!(envelope.encode(&data), vector.bytes, "{}", vector.place);
}

/// The bytes of one message and what is shown of it.
struct Vector {
    place: String,
    bytes: Bytes,
    dialect: Dialect,
    shown: String,
}

impl Vector {
    /// A vector ends where the lines with "=" end.
    fn all(text: &str, file: &str) -> Vec<Vector> {
        let mut vectors = Vec::new();
        let (mut bytes, mut shown, mut dialect) = (Vec::new(), Vec::new(), Dialect::STANDARD);
        for (number, line) in text.lines().chain([""]).enumerate() {
            let place = format!("{file}:{}", number + 1);
            if let Some(line) = line.strip_prefix('=') {
                shown.push(line.strip_prefix(' ').unwrap_or(line));
                continue;
            }
            if !shown.is_empty() {
                let (bytes, shown) = (std::mem::take(&mut bytes).into(), std::mem::take(&mut shown).join("\n"));
                vectors.push(Vector { place: place.clone(), bytes, dialect, shown });
                dialect = Dialect::STANDARD;
            }
            match line.strip_prefix("# ") {
                Some(comment) if comment.starts_with("dialect rfc") => dialect = Dialect::RFC,
                Some(_) => {}
                None => {
                    let hex = line.split(';').next().unwrap_or_default();
                    bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect(&place)));
                }
            }
        }
        assert!(bytes.is_empty(), "{file}: the last message has no \"=\" line");
        vectors
    }
}
