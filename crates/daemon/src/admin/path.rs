// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes in the path of a URL, percent-encoded (RFC 3986 §2.1).

use std::fmt::Write;

/// All but unreserved characters is encoded.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").expect("a string takes all"),
        }
    }
    text
}

/// The bytes again; `None` if a `%` is not followed by two hexadecimal digits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let ([high, low], after) = after.split_first_chunk::<2>()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(*high)? << 4 | digit(*low)?) as u8);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_go_round() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
        assert_eq!(encode(b"echo pool/1?"), "echo%20pool%2F1%3F");
    }

    #[test]
    fn what_is_not_percent_encoded_right_is_refused() {
        for text in ["%", "%4", "%zz", "a%+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("%4a%4B"), Some(b"JK".to_vec()));
    }
}
