// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked and answered: an answer is a pure function of its request, so that every one can be checked.

/// Payload protocol identifier of the demo's messages.
pub(crate) const PPID: u32 = 0x6465_6d6f;

/// Request number `n`.
pub(crate) fn request(n: u64) -> Vec<u8> {
    let mut request = Vec::with_capacity(64);
    let mut state = n;
    request.extend(n.to_be_bytes());
    while request.len() < 64 {
        state = mix(state);
        request.extend(state.to_be_bytes());
    }
    request
}

/// The answer to a request: its number, a hash of all of it, and whether it reached the server as a resend.
pub(crate) fn answer(request: &[u8], resent: bool) -> Vec<u8> {
    let mut answer = number(request).unwrap_or(u64::MAX).to_be_bytes().to_vec();
    answer.extend(hash(request).to_be_bytes());
    answer.push(resent.into());
    answer
}

/// Which request this belongs to, the hash, and whether it was resent; `None` if it is no answer at all.
pub(crate) fn read(answer: &[u8]) -> Option<(u64, u64, bool)> {
    let hash = u64::from_be_bytes(answer.get(8..16)?.try_into().ok()?);
    Some((number(answer)?, hash, *answer.get(16)? != 0))
}

/// What the answer's hash must be.
pub(crate) fn expected(n: u64) -> u64 {
    hash(&request(n))
}

/// The running hash over all answers, in the order of their requests.
pub(crate) fn chain(running: u64, hash: u64) -> u64 {
    mix(running ^ hash)
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_proves_which_request_it_answers() {
        let (n, hash, resent) = read(&answer(&request(42), true)).expect("an answer");
        assert_eq!((n, hash, resent), (42, expected(42), true));
        assert_ne!(expected(42), expected(43));
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        assert_eq!(read(&[0; 16]), None);
    }
}
