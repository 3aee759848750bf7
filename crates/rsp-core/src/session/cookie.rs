// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sealed cookies: a PU carries them from PE to PE and can neither make nor change one, `docs/session-wire.md` §7.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hmac::{Hmac, Mac};
use machine::Time;
use sha2::Sha256;

/// A key that the PEs of a pool share. Written as its number, a colon and 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct CookieKey {
    id: u32,
    secret: [u8; 32],
}

impl CookieKey {
    /// A key with its number, which each cookie names.
    pub const fn new(id: u32, secret: [u8; 32]) -> Self {
        CookieKey { id, secret }
    }

    /// Its number.
    pub const fn id(&self) -> u32 {
        self.id
    }

    fn hmac(&self, sealed: &[u8]) -> Hmac<Sha256> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        hmac.update(sealed);
        hmac
    }
}

impl FromStr for CookieKey {
    type Err = CookieKeyError;

    fn from_str(text: &str) -> Result<Self, CookieKeyError> {
        let (id, digits) = text.trim().split_once(':').ok_or(CookieKeyError)?;
        let id = id.parse().map_err(|_| CookieKeyError)?;
        let digits: Vec<u8> = digits
            .bytes()
            .map(|c| (c as char).to_digit(16).map(|it| it as u8))
            .collect::<Option<_>>()
            .ok_or(CookieKeyError)?;
        let mut secret = [0; 32];
        if digits.len() != 2 * secret.len() {
            return Err(CookieKeyError);
        }
        for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(CookieKey { id, secret })
    }
}

/// Never shows the secret.
impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieKey {}", self.id)
    }
}

/// A text is no cookie key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cookie key is a number, a colon and 64 hexadecimal digits")]
pub struct CookieKeyError;

/// Why a cookie is not shown to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CookieRefused {
    /// It is no sealed cookie, or cut off.
    #[error("it is not sealed")]
    NotSealed,
    /// None of our keys has its number.
    #[error("its key {0} is not known here")]
    UnknownKey(u32),
    /// It was made with another key of this number, or changed.
    #[error("its seal is broken")]
    Broken,
    /// `cookie_lifetime` is over.
    #[error("it is too old")]
    TooOld,
    /// It was made for another session.
    #[error("it was made for another session")]
    OtherSession,
}

/// Seals the cookies of a PE and verifies what PUs bring.
#[derive(Debug, Clone)]
pub struct CookieSeal {
    keys: Arc<[CookieKey]>,
    /// Since 1970 when the cores' clock was at zero.
    epoch: Duration,
    lifetime: Duration,
}

/// A cookie that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    /// The session it was made for; 0 is that of a plain PU.
    pub(super) session_id: u64,
    pub(super) data: Bytes,
}

impl CookieSeal {
    /// The first key seals, all of them verify, so that a pool can change its key. `epoch` is the time since 1970 at [`Time::ZERO`]; a cookie
    /// older than `lifetime` is refused, unless that is zero. `None` without a key.
    pub fn new(keys: &[CookieKey], epoch: Duration, lifetime: Duration) -> Option<Self> {
        (!keys.is_empty()).then(|| CookieSeal { keys: keys.into(), epoch, lifetime })
    }

    pub(super) fn seal(&self, data: &[u8], session_id: u64, now: Time) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER + padded(data.len()) + SEAL);
        out.put_slice(MAGIC);
        out.put_u32(self.keys[0].id);
        out.put_u64(u64::try_from(self.since_1970(now).as_millis()).unwrap_or(u64::MAX));
        out.put_u64(session_id);
        out.put_u16(data.len() as u16);
        out.put_u16(0);
        out.put_slice(data);
        out.put_bytes(0, padded(data.len()) - data.len());
        let seal = self.keys[0].hmac(&out).finalize().into_bytes();
        out.put_slice(&seal);
        out.freeze()
    }

    pub(super) fn open(&self, cookie: &[u8], now: Time) -> Result<Opened, CookieRefused> {
        let (sealed, seal) = cookie.split_last_chunk::<SEAL>().ok_or(CookieRefused::NotSealed)?;
        let mut fields = sealed;
        if sealed.len() < HEADER || !sealed.starts_with(MAGIC) {
            return Err(CookieRefused::NotSealed);
        }
        fields.advance(MAGIC.len());
        let (id, issued, session_id, length) = (fields.get_u32(), fields.get_u64(), fields.get_u64(), fields.get_u16());
        fields.advance(2);
        if fields.len() != padded(length.into()) {
            return Err(CookieRefused::NotSealed);
        }
        let mut known = self.keys.iter().filter(|key| key.id == id).peekable();
        known.peek().ok_or(CookieRefused::UnknownKey(id))?;
        // Compared in constant time.
        if !known.any(|key| key.hmac(sealed).verify_slice(seal).is_ok()) {
            return Err(CookieRefused::Broken);
        }
        // The clocks of two PEs may differ: one from the future is as good as new.
        let age = self.since_1970(now).saturating_sub(Duration::from_millis(issued));
        if !self.lifetime.is_zero() && age > self.lifetime {
            return Err(CookieRefused::TooOld);
        }
        Ok(Opened { session_id, data: Bytes::copy_from_slice(&fields[..length.into()]) })
    }

    fn since_1970(&self, now: Time) -> Duration {
        self.epoch.saturating_add(Duration::from_micros(now.as_micros()))
    }
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

const MAGIC: &[u8; 4] = b"RSC1";
/// Before the application's part.
const HEADER: usize = 28;
const SEAL: usize = 32;

/// The longest cookie that fits into a message, `docs/session-wire.md` §9.
pub const MAX_COOKIE: usize = 65_508;
/// The longest that fits when it is sealed.
pub const MAX_SEALED_COOKIE: usize = MAX_COOKIE - HEADER - SEAL;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(5_000_000);

    fn seal(keys: &[CookieKey]) -> CookieSeal {
        CookieSeal::new(keys, Duration::from_secs(1_700_000_000), Duration::from_secs(60)).expect("a key")
    }

    fn key(id: u32) -> CookieKey {
        CookieKey::new(id, [id as u8; 32])
    }

    #[test]
    fn what_was_sealed_is_opened_by_whoever_has_the_key_also_among_others() {
        for data in [&b""[..], b"x", b"four", &[7; MAX_SEALED_COOKIE]] {
            let cookie = seal(&[key(1)]).seal(data, 0xabc, NOW);
            assert!(cookie.len() <= MAX_COOKIE && cookie.starts_with(b"RSC1"));
            let opened = seal(&[key(2), key(1)]).open(&cookie, NOW).expect("the same key");
            assert_eq!((opened.session_id, &opened.data[..]), (0xabc, data));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let cookie = seal(&[key(7)]).seal(b"state", 0x1122_3344_5566_7788, NOW);
        assert_eq!(cookie[..4], *b"RSC1");
        assert_eq!(cookie[4..8], [0, 0, 0, 7]);
        assert_eq!(cookie[8..16], 1_700_000_005_000_u64.to_be_bytes());
        assert_eq!(cookie[16..24], 0x1122_3344_5566_7788_u64.to_be_bytes());
        assert_eq!(cookie[24..36], *b"\0\x05\0\0state\0\0\0");
        assert_eq!(cookie.len(), 36 + 32);
    }

    #[test]
    fn a_single_changed_bit_breaks_it() {
        let seal = seal(&[key(1)]);
        let cookie = seal.seal(b"state", 1, NOW);
        for bit in 0..cookie.len() * 8 {
            let mut changed = cookie.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(&changed, NOW).is_err(), "bit {bit}");
        }
        for length in 0..cookie.len() {
            assert!(seal.open(&cookie[..length], NOW).is_err());
        }
    }

    #[test]
    fn another_key_and_old_age_are_refused_and_a_clock_that_is_ahead_is_not() {
        let cookie = seal(&[key(1)]).seal(b"state", 1, NOW);
        assert_eq!(seal(&[key(2)]).open(&cookie, NOW), Err(CookieRefused::UnknownKey(1)));
        let other = CookieKey::new(1, [9; 32]);
        assert_eq!(seal(std::slice::from_ref(&other)).open(&cookie, NOW), Err(CookieRefused::Broken));
        assert!(seal(&[other, key(1)]).open(&cookie, NOW).is_ok(), "two keys of one number");
        assert!(seal(&[key(1)]).open(&cookie, NOW + Duration::from_secs(60)).is_ok());
        assert_eq!(seal(&[key(1)]).open(&cookie, NOW + Duration::from_secs(61)), Err(CookieRefused::TooOld));
        assert!(seal(&[key(1)]).open(&cookie, Time::ZERO).is_ok());
        let forever = CookieSeal::new(&[key(1)], Duration::from_secs(9_000_000_000), Duration::ZERO).expect("a key");
        assert!(forever.open(&cookie, NOW).is_ok());
    }

    #[test]
    fn a_key_is_read_from_text_and_never_shown() {
        let key: CookieKey = format!(" 7:{}\n", "aB".repeat(32)).parse().expect("a key");
        assert_eq!(key, CookieKey::new(7, [0xab; 32]));
        assert_eq!(format!("{key:?}"), "CookieKey 7");
        for wrong in
            ["", "7", "7:", "x:00", "7:ab", &format!("7:{}", "g".repeat(64)), &format!("7:{}é", "a".repeat(62))]
        {
            assert_eq!(wrong.parse::<CookieKey>(), Err(CookieKeyError), "{wrong}");
        }
    }
}
