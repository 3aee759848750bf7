// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and numbers that must not mix.

use std::fmt;

use bytes::Bytes;

/// PE Identifier, RFC 5354 §3.14: unique in its pool, drawn by the PE when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeId(pub u32);

/// Server Identifier of a registrar (ENRP server), RFC 5353 §3.2.1: random and not 0. In a message 0 means "not known" or "all".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServerId(pub u32);

impl ServerId {
    /// Not known, or not meant for a single server.
    pub const NONE: ServerId = ServerId(0);
}

/// PE Checksum, RFC 5353 §3.6.1: over the PEs a registrar owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(pub u16);

/// Pool Handle, RFC 5354 §3.9: any bytes; users mostly choose text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolHandle(Bytes);

impl PoolHandle {
    /// A handle of these bytes. Cheap to clone; a slice of a receive buffer keeps that buffer alive, see [`PoolHandle::detach`].
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        PoolHandle(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A copy with its own memory, to keep beyond the message it came in.
    pub fn detach(&self) -> Self {
        PoolHandle(Bytes::copy_from_slice(&self.0))
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes, which no registrar accepts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for PoolHandle {
    fn from(text: &str) -> Self {
        PoolHandle(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for PoolHandle {
    fn from(text: String) -> Self {
        PoolHandle(text.into())
    }
}

impl std::borrow::Borrow<[u8]> for PoolHandle {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for PeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Text where it is printable, everything else percent-encoded as in a `pool://` URL.
impl fmt::Display for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    c if c.is_control() || c == '%' || c == ' ' => {
                        for b in c.encode_utf8(&mut [0; 4]).bytes() {
                            write!(f, "%{b:02X}")?;
                        }
                    }
                    c => write!(f, "{c}")?,
                }
            }
            for b in chunk.invalid() {
                write!(f, "%{b:02X}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_shows_text_as_text_and_bytes_as_percent() {
        assert_eq!(PoolHandle::from("EchoPool").to_string(), "EchoPool");
        assert_eq!(PoolHandle::new(&b"a b\xff%\xc3\xbc\n"[..]).to_string(), "a%20b%FF%25ü%0A");
    }
}
