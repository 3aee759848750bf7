// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recognises the framing of a TCP connection whose beginning is not in the capture: senders write whole chunks, so most segments
//! begin with one.

use super::Protocol;

/// Whether a segment holds chunks of the TCP mapping with all their fields (INIT flags 0), beyond doubt.
pub(super) fn is_mapping(segment: &[u8]) -> bool {
    let mut beyond_doubt = false;
    let mut rest = segment;
    while let Some((&[chunk_type, _, l0, l1], behind)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(value_length) = length.checked_sub(4) else { return false };
        match chunk_type {
            DATA => match value_length.checked_sub(DATA_FIELDS) {
                Some(message) => beyond_doubt |= carries_a_message(behind, message),
                None => return false,
            },
            ACK if value_length == 4 => {}
            HEARTBEAT | HEARTBEAT_ACK => match behind {
                [0, 1, i0, i1, ..] if usize::from(u16::from_be_bytes([*i0, *i1])) == value_length => {
                    beyond_doubt = true
                }
                _ => return false,
            },
            _ => return false,
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    beyond_doubt
}

/// Whether the fields of a DATA chunk say ASAP or ENRP, and the message behind them says the same length as the chunk.
fn carries_a_message(behind_header: &[u8], length: usize) -> bool {
    match behind_header.split_first_chunk::<DATA_FIELDS>() {
        Some(([.., p0, p1, p2, p3], message)) => {
            Protocol::from_ppid(u32::from_be_bytes([*p0, *p1, *p2, *p3])).is_some() && says_its_length(message, length)
        }
        None => false,
    }
}

/// Whether a segment is one bare ASAP message: those between PU and registrar begin with a Pool Handle, which chunks don't.
pub(super) fn is_plain(segment: &[u8]) -> bool {
    matches!(segment, [RESOLUTION | RESOLUTION_RESPONSE | UNREACHABLE, _, _, _, 0, 9, ..])
        && says_its_length(segment, segment.len())
}

fn says_its_length(message: &[u8], length: usize) -> bool {
    match message {
        [_, _, l0, l1, ..] => usize::from(u16::from_be_bytes([*l0, *l1])).next_multiple_of(4) == length,
        _ => false,
    }
}

const DATA: u8 = 0;
const ACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;

const RESOLUTION: u8 = 5;
const RESOLUTION_RESPONSE: u8 = 6;
const UNREACHABLE: u8 = 9;

/// TSN, stream, stream sequence number and payload protocol identifier.
const DATA_FIELDS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    const ACK_OF_1: [u8; 8] = [3, 0, 0, 8, 0, 0, 0, 1];
    const MESSAGE: [u8; 24] = [0, 0, 0, 24, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 11, 9, 0, 0, 8, 0, 0, 0, 1];
    const HEARTBEAT_OF_4: [u8; 12] = [4, 0, 0, 12, 0, 1, 0, 8, 1, 2, 3, 4];

    #[test]
    fn a_message_or_a_heartbeat_among_chunks_leaves_no_doubt() {
        assert!(is_mapping(&MESSAGE));
        assert!(is_mapping(&[&ACK_OF_1[..], &MESSAGE, &[0, 0]].concat()), "the beginning of another chunk behind it");
        assert!(is_mapping(&[&ACK_OF_1[..], &HEARTBEAT_OF_4].concat()));
        assert!(is_mapping(&MESSAGE[..20]), "its rest is in the next segment");
    }

    #[test]
    fn what_could_be_anything_is_not_taken_for_chunks() {
        let mut application_data = MESSAGE;
        application_data[15] = 12;
        assert!(is_mapping(&application_data));
        application_data[15] = 13;
        let mut another_length = MESSAGE;
        another_length[19] = 12;
        for doubtful in [&ACK_OF_1[..], &application_data, &another_length, b"GET / HTTP/1.1", &[0; 64], &[]] {
            assert!(!is_mapping(doubtful), "{doubtful:?}");
        }
        assert!(!is_mapping(&[&MESSAGE[..], b"HTTP/1.1"].concat()), "no chunk may be unsound");
        for end in 0..19 {
            assert!(!is_mapping(&MESSAGE[..end]));
        }
    }

    #[test]
    fn a_bare_message_fills_its_segment() {
        let message = &[5, 0, 0, 16, 0, 9, 0, 5, b'e', 0, 0, 0, 0, 12, 0, 4];
        assert!(is_plain(message));
        assert!(
            !is_plain(&[&message[..], &[0]].concat())
                && !is_plain(&message[..7])
                && !is_plain(&[])
                && !is_plain(&ACK_OF_1)
        );
    }
}
