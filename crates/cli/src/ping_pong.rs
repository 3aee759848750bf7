// SPDX-License-Identifier: MIT OR Apache-2.0
//! RSPLIB's ping-pong protocol: a pong is a ping numbered by the server, and a cookie carries the number to the next server.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The payload protocol identifier of both.
pub(crate) const PPID: u32 = 33;

/// ```text
/// +---------------+---------------+-------------------------------+
/// |   Type = 1    |     Flags     |            Length             |
/// +---------------+---------------+-------------------------------+
/// |                       Message Number (64)                     |
/// +---------------------------------------------------------------+
/// :                              Data                             :
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ping {
    message: u64,
    data: Bytes,
}

impl Ping {
    /// `None` if it is none.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Ping> {
        let mut rest = bytes.clone();
        let message_type = rest.try_get_u8().ok()?;
        let _flags = rest.try_get_u8().ok()?;
        let length = usize::from(rest.try_get_u16().ok()?);
        let message = rest.try_get_u64().ok()?;
        (message_type == PING && (PING_HEADER..=bytes.len()).contains(&length))
            .then(|| Ping { message, data: rest.slice(..length - PING_HEADER) })
    }

    /// Ping `message`, with this data of not much.
    pub(crate) fn encode(message: u64, data: &[u8]) -> Bytes {
        let length = PING_HEADER + data.len();
        let mut ping = BytesMut::with_capacity(length);
        ping.put_u8(PING);
        ping.put_u8(0);
        // Who pings sends few bytes.
        ping.put_u16(length as u16);
        ping.put_u64(message);
        ping.put_slice(data);
        ping.freeze()
    }

    /// The Pong: the same with Type = 2 and the Reply Number (64) behind the Message Number.
    pub(crate) fn pong(&self, reply: u64) -> Bytes {
        let length = PING_HEADER + 8 + self.data.len();
        let mut pong = BytesMut::with_capacity(length);
        pong.put_u8(PONG);
        pong.put_u8(0);
        // A message is at least 64 bytes shorter than 2^16, and this at most 8 bytes longer than one.
        pong.put_u16(length as u16);
        pong.put_u64(self.message);
        pong.put_u64(reply);
        pong.put_slice(&self.data);
        pong.freeze()
    }
}

/// The numbers in a Pong: of the ping, and of the reply. `None` if it is none.
pub(crate) fn decode_pong(mut bytes: &[u8]) -> Option<(u64, u64)> {
    let whole = bytes.len();
    let message_type = bytes.try_get_u8().ok()?;
    let _flags = bytes.try_get_u8().ok()?;
    let length = usize::from(bytes.try_get_u16().ok()?);
    let numbers = (bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?);
    (message_type == PONG && (PING_HEADER + 8..=whole).contains(&length)).then_some(numbers)
}

/// The number of the next reply, as RSPLIB's PEs leave it to each other.
pub(crate) fn cookie(next_reply: u64) -> Bytes {
    let mut cookie = BytesMut::with_capacity(16);
    cookie.put_slice(COOKIE_ID);
    cookie.put_u64(next_reply);
    cookie.freeze()
}

/// `None` if another application left it.
pub(crate) fn next_reply(cookie: &[u8]) -> Option<u64> {
    let number = cookie.strip_prefix(COOKIE_ID)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

const PING: u8 = 1;
const PONG: u8 = 2;
const PING_HEADER: usize = 12;
const COOKIE_ID: &[u8] = b"<PP-TD1>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_answered_with_its_number_and_data() {
        let ping_5 = Bytes::from_static(b"\x01\x00\x00\x0e\0\0\0\0\0\0\0\x05hi");
        let pong = Ping::decode(&ping_5).expect("a ping").pong(7);
        assert_eq!(&pong[..], b"\x02\x00\x00\x16\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x07hi");
        assert_eq!(decode_pong(&pong), Some((5, 7)));
        assert_eq!(Ping::encode(5, b"hi"), ping_5);
    }

    #[test]
    fn what_is_no_ping_is_refused() {
        for wrong in [
            &b""[..],
            b"hello world, hello",
            b"\x01\x00\x00\x0b\0\0\0\0\0\0\0\x05",
            b"\x01\x00\x00\x0d\0\0\0\0\0\0\0\x05",
            b"\x02\x00\x00\x0c\0\0\0\0\0\0\0\x05",
        ] {
            assert_eq!(Ping::decode(&Bytes::copy_from_slice(wrong)), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_cookie_carries_the_next_number() {
        assert_eq!(&cookie(3)[..], b"<PP-TD1>\0\0\0\0\0\0\0\x03");
        assert_eq!(next_reply(&cookie(3)), Some(3));
        assert_eq!(next_reply(b"<FG-TD1>\0\0\0\0\0\0\0\x03"), None);
        assert_eq!(next_reply(b"<PP-TD1>\0\0\0"), None);
    }
}
