// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state cookie's proof that we made it, a short while ago, for the peer that sends it (RFC 9260 §5.1.3).
//!
//! dcSCTP's cookie is 48 plain bytes: whoever knows the layout opens an association from any source address without ever
//! having seen our answer. So each one gets a timestamp and an HMAC over itself, the timestamp, and both ends' addresses and
//! ports, and is dcSCTP's again when it has been verified.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hmac::{Hmac, Mac};
use machine::Time;
use sha2::Sha256;

use super::packet::{CHUNK_HEADER, HEADER, Packet, kind, padded, parameters, put_chunk, put_header, seal};

/// Whom a cookie was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Binding {
    /// Where the INIT came from.
    pub(super) peer: SocketAddr,
    /// Its SCTP port.
    pub(super) peer_port: u16,
    /// Our SCTP port.
    pub(super) local_port: u16,
}

/// A cookie that we made for this peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verified<'a> {
    /// dcSCTP's cookie.
    pub(super) inner: &'a [u8],
    /// The association that stood between these ports when it was made; 0 is none. Our Tie-Tag.
    pub(super) tie: u64,
    /// How long ago it was made.
    pub(super) age: Duration,
}

/// Makes and verifies cookies, and draws what else nobody may guess.
pub(super) struct Cookies {
    life: Duration,
    current: Key,
    previous: Key,
    since: Time,
    seed: Key,
    drawn: u64,
}

type Key = [u8; 32];

impl Cookies {
    /// `seed` is drawn by the shell from the system's generator.
    pub(super) fn new(seed: [u8; 32], life: Duration, now: Time) -> Self {
        let mut cookies = Cookies { life, current: seed, previous: seed, since: now, seed, drawn: 0 };
        cookies.current = cookies.draw();
        cookies.previous = cookies.draw();
        cookies
    }

    /// 64 bits that nobody can guess from those drawn before.
    pub(super) fn random(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.draw();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The INIT ACK `packet` with its cookie signed. `None` if it holds no cookie, or its chunks are not as we make them.
    pub(super) fn sign(&mut self, packet: &[u8], binding: &Binding, tie: u64, now: Time) -> Option<Vec<u8>> {
        self.rotate(now);
        let packet = Packet::own(packet)?;
        let chunk = packet.first();
        let mut value = chunk.value.get(..INIT_FIXED)?.to_vec();
        let mut is_signed = false;
        for (parameter, content) in parameters(&chunk.value[INIT_FIXED..]) {
            let is_cookie = parameter == STATE_COOKIE;
            let mut content = content.to_vec();
            if is_cookie {
                content.extend(now.as_micros().to_be_bytes());
                content.extend(tie.to_be_bytes());
                content.extend(mac(&self.current, &content, binding).finalize().into_bytes());
            }
            is_signed |= is_cookie;
            value.extend(parameter.to_be_bytes());
            value.extend(u16::try_from(4 + content.len()).ok()?.to_be_bytes());
            value.extend(&content);
            value.resize(value.len() + padded(content.len()) - content.len(), 0);
        }
        let mut signed = Vec::with_capacity(HEADER + CHUNK_HEADER + value.len());
        put_header(&mut signed, packet.header());
        put_chunk(&mut signed, chunk.kind, chunk.flags, &[&value]);
        seal(&mut signed);
        is_signed.then_some(signed)
    }

    /// Whether we made this cookie for this peer. Its age is for the caller to judge.
    pub(super) fn verify<'a>(&mut self, cookie: &'a [u8], binding: &Binding, now: Time) -> Option<Verified<'a>> {
        self.rotate(now);
        let (content, proof) = cookie.split_at_checked(cookie.len().checked_sub(PROOF)?)?;
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.1.5
        //# Compute an authentication MAC using the information contained in the State Cookie and the
        //# receiver's secret key.
        let is_ours = [&self.current, &self.previous]
            .into_iter()
            .fold(false, |found, key| found | mac(key, content, binding).verify_slice(proof).is_ok());
        let (rest, tie) = content.split_last_chunk::<8>()?;
        let (inner, made) = rest.split_last_chunk::<8>()?;
        let age = now.since(Time::from_micros(u64::from_be_bytes(*made)));
        is_ours.then_some(Verified { inner, tie: u64::from_be_bytes(*tie), age })
    }

    /// Since when a cookie is too old, and by how much.
    pub(super) fn staleness(&self, verified: &Verified<'_>) -> Option<Duration> {
        verified.age.checked_sub(self.life).filter(|over| !over.is_zero())
    }

    /// A key signs for one life and verifies for two.
    fn rotate(&mut self, now: Time) {
        let age = now.since(self.since);
        if age < self.life {
            return;
        }
        self.previous = if age < self.life * 2 { self.current } else { self.draw() };
        self.current = self.draw();
        self.since = now;
    }

    fn draw(&mut self) -> Key {
        self.drawn += 1;
        keyed(&self.seed).chain_update(self.drawn.to_be_bytes()).finalize().into_bytes().into()
    }
}

/// The packet of a COOKIE ECHO with dcSCTP's own cookie in it. Its checksum is not that of the new bytes.
pub(super) fn with_inner_cookie(packet: &Packet<'_>, inner: &[u8]) -> Vec<u8> {
    let mut bytes = packet.bytes()[..HEADER].to_vec();
    put_chunk(&mut bytes, kind::COOKIE_ECHO, 0, &[inner]);
    let rest = HEADER + padded(CHUNK_HEADER + packet.first().value.len());
    bytes.extend(packet.bytes().get(rest..).unwrap_or_default());
    bytes
}

fn mac(key: &Key, content: &[u8], binding: &Binding) -> Hmac<Sha256> {
    let ip = match binding.peer.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let ports = [binding.peer.port(), binding.peer_port, binding.local_port].map(u16::to_be_bytes);
    keyed(key).chain_update(ip).chain_update(ports.as_flattened()).chain_update(content)
}

fn keyed(key: &Key) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Fixed fields of INIT and INIT ACK.
pub(super) const INIT_FIXED: usize = 16;

/// The State Cookie parameter of INIT ACK.
pub(super) const STATE_COOKIE: u16 = 7;

/// Bytes of the HMAC.
const PROOF: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    fn binding(peer: &str) -> Binding {
        Binding { peer: peer.parse().unwrap(), peer_port: 5, local_port: 6 }
    }

    /// What a peer would echo.
    fn signed(cookies: &mut Cookies, binding: &Binding, now: Time) -> Vec<u8> {
        let mut value = vec![0; INIT_FIXED];
        value.extend([0, 7, 0, 9]);
        value.extend(b"INNER\0\0\0");
        let header = super::super::packet::Header { source_port: 6, destination_port: 5, tag: 1 };
        let packet = super::super::packet::single(header, kind::INIT_ACK, 0, &[&value]);
        let packet = cookies.sign(&packet, binding, 77, now).unwrap();
        let chunk = Packet::parse(&packet).unwrap().first();
        parameters(&chunk.value[INIT_FIXED..]).find(|(parameter, _)| *parameter == STATE_COOKIE).unwrap().1.to_vec()
    }

    #[test]
    fn a_cookie_is_verified_for_its_peer_alone() {
        let now = Time::from_millis(5);
        let mut cookies = Cookies::new([1; 32], LIFE, now);
        let cookie = signed(&mut cookies, &binding("192.0.2.1:9"), now);
        let verified = cookies.verify(&cookie, &binding("192.0.2.1:9"), now + LIFE / 2).unwrap();
        assert_eq!((verified.inner, verified.tie, verified.age), (&b"INNER"[..], 77, LIFE / 2));
        for other in ["192.0.2.2:9", "192.0.2.1:8", "[2001:db8::1]:9"] {
            assert_eq!(cookies.verify(&cookie, &binding(other), now), None, "{other}");
        }
        let other_port = Binding { local_port: 7, ..binding("192.0.2.1:9") };
        assert_eq!(cookies.verify(&cookie, &other_port, now), None);
    }

    #[test]
    fn no_bit_of_a_cookie_can_be_changed() {
        let mut cookies = Cookies::new([1; 32], LIFE, Time::ZERO);
        let to = binding("192.0.2.1:9");
        let cookie = signed(&mut cookies, &to, Time::ZERO);
        for bit in 0..cookie.len() * 8 {
            let mut forged = cookie.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(cookies.verify(&forged, &to, Time::ZERO), None, "bit {bit}");
        }
        for length in 0..cookie.len() {
            assert_eq!(cookies.verify(&cookie[..length], &to, Time::ZERO), None, "{length} bytes");
        }
        assert_eq!(Cookies::new([2; 32], LIFE, Time::ZERO).verify(&cookie, &to, Time::ZERO), None, "another's key");
    }

    #[test]
    fn a_cookie_outlives_one_change_of_keys_and_no_more() {
        let mut cookies = Cookies::new([1; 32], LIFE, Time::ZERO);
        let to = binding("192.0.2.1:9");
        let late = Time::ZERO + LIFE - Duration::from_micros(1);
        let cookie = signed(&mut cookies, &to, late);
        let verified = cookies.verify(&cookie, &to, late + LIFE).expect("the key before this one");
        assert_eq!(cookies.staleness(&verified), None);
        let verified = cookies.verify(&cookie, &to, late + LIFE + Duration::from_micros(7)).unwrap();
        assert_eq!(cookies.staleness(&verified), Some(Duration::from_micros(7)));
        assert_eq!(cookies.verify(&cookie, &to, late + LIFE * 3), None);
    }

    #[test]
    fn what_is_drawn_differs() {
        let mut cookies = Cookies::new([1; 32], LIFE, Time::ZERO);
        assert_ne!(cookies.random(), cookies.random());
    }
}
