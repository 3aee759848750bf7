// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parameters 0xbf01 to 0xbf07 of ASAP_SESSION, `docs/session-wire.md` §2.

use std::fmt;

use smallvec::SmallVec;

use super::Hello;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter};
use crate::parameter::parameter_type::{
    SESSION_ACK, SESSION_BYE, SESSION_DRAIN, SESSION_HEARTBEAT, SESSION_HEARTBEAT_ACK, SESSION_HELLO, SESSION_TAKEN,
};

/// A parameter of ASAP_SESSION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionParameter {
    /// 0xbf01
    Hello(Hello),
    /// 0xbf02: message ids the application has acknowledged.
    Ack(SmallVec<[u64; 2]>),
    /// 0xbf03, answered with the same number.
    Heartbeat(u64),
    /// 0xbf04
    HeartbeatAck(u64),
    /// 0xbf05: the sender is leaving; milliseconds until it closes.
    Drain {
        /// Milliseconds.
        milliseconds: u32,
    },
    /// 0xbf06: orderly end.
    Bye(ByeReason),
    /// 0xbf07: application bytes taken since the association began, where the mapping cannot tell.
    Taken {
        /// Bytes, cumulative.
        bytes: u64,
    },
}

impl SessionParameter {
    /// `None` if it is not one of these.
    pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<Option<Self>, DecodeError> {
        let mut value = parameter.value;
        let field = match parameter.parameter_type {
            SESSION_HELLO => return Hello::decode(parameter).map(|hello| Some(SessionParameter::Hello(hello))),
            SESSION_ACK => ack(parameter),
            SESSION_HEARTBEAT => value.u64().map(SessionParameter::Heartbeat),
            SESSION_HEARTBEAT_ACK => value.u64().map(SessionParameter::HeartbeatAck),
            SESSION_DRAIN => value.u32().map(|milliseconds| SessionParameter::Drain { milliseconds }),
            SESSION_BYE => value.u32().map(|word| SessionParameter::Bye(ByeReason::from((word >> 16) as u16))),
            SESSION_TAKEN => value.u64().map(|bytes| SessionParameter::Taken { bytes }),
            _ => return Ok(None),
        };
        let whole = parameter.parameter_type == SESSION_ACK || value.is_empty();
        field.filter(|_| whole).map(Some).ok_or_else(|| parameter.invalid("wrong length of a session parameter"))
    }

    pub(crate) fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        if let SessionParameter::Hello(hello) = self {
            return hello.encode(out);
        }
        out.parameter(self.parameter_type(), |out| {
            match self {
                SessionParameter::Hello(_) => {}
                SessionParameter::Ack(ids) => ids.iter().for_each(|&id| out.u64(id)),
                SessionParameter::Heartbeat(value) | SessionParameter::HeartbeatAck(value) => out.u64(*value),
                SessionParameter::Drain { milliseconds } => out.u32(*milliseconds),
                SessionParameter::Bye(reason) => {
                    out.u16(reason.number());
                    out.u16(0);
                }
                SessionParameter::Taken { bytes } => out.u64(*bytes),
            }
            Ok(())
        })
    }

    /// Its Parameter Type.
    pub fn parameter_type(&self) -> u16 {
        match self {
            SessionParameter::Hello(_) => SESSION_HELLO,
            SessionParameter::Ack(_) => SESSION_ACK,
            SessionParameter::Heartbeat(_) => SESSION_HEARTBEAT,
            SessionParameter::HeartbeatAck(_) => SESSION_HEARTBEAT_ACK,
            SessionParameter::Drain { .. } => SESSION_DRAIN,
            SessionParameter::Bye(_) => SESSION_BYE,
            SessionParameter::Taken { .. } => SESSION_TAKEN,
        }
    }
}

/// One id at least, and nothing but ids.
fn ack(parameter: &Parameter<'_>) -> Option<SessionParameter> {
    let mut value = parameter.value;
    let mut ids = SmallVec::new();
    while !value.is_empty() {
        ids.push(value.u64()?);
    }
    (!ids.is_empty()).then_some(SessionParameter::Ack(ids))
}

impl fmt::Display for SessionParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionParameter::Hello(hello) => hello.fmt(f),
            SessionParameter::Ack(ids) => {
                f.write_str("ACK")?;
                ids.iter().try_for_each(|id| write!(f, " {id}"))
            }
            SessionParameter::Heartbeat(value) => write!(f, "HEARTBEAT {value}"),
            SessionParameter::HeartbeatAck(value) => write!(f, "HEARTBEAT_ACK {value}"),
            SessionParameter::Drain { milliseconds } => write!(f, "DRAIN {milliseconds} ms"),
            SessionParameter::Bye(reason) => write!(f, "BYE {reason}"),
            SessionParameter::Taken { bytes } => write!(f, "TAKEN {bytes} bytes"),
        }
    }
}

/// Why a session ends, in BYE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByeReason {
    /// 0: the application closed it.
    Closed,
    /// 1: the PE has left its pool and drained.
    Drained,
    /// 2: the session goes on over another association.
    Moved,
    /// 3: a newer association carries this session.
    Superseded,
    /// 4: the sender's program ends or the application refused the session.
    Refused,
    /// Any other.
    Other(u16),
}

impl ByeReason {
    /// Its number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            ByeReason::Closed => 0,
            ByeReason::Drained => 1,
            ByeReason::Moved => 2,
            ByeReason::Superseded => 3,
            ByeReason::Refused => 4,
            ByeReason::Other(number) => number,
        }
    }
}

impl From<u16> for ByeReason {
    fn from(number: u16) -> Self {
        match number {
            0 => ByeReason::Closed,
            1 => ByeReason::Drained,
            2 => ByeReason::Moved,
            3 => ByeReason::Superseded,
            4 => ByeReason::Refused,
            other => ByeReason::Other(other),
        }
    }
}

impl fmt::Display for ByeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ByeReason::Closed => f.write_str("closed"),
            ByeReason::Drained => f.write_str("drained"),
            ByeReason::Moved => f.write_str("moved"),
            ByeReason::Superseded => f.write_str("superseded"),
            ByeReason::Refused => f.write_str("refused"),
            ByeReason::Other(number) => write!(f, "reason {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::testing::{parameter_of, tlv};

    fn decode(bytes: &str) -> Result<Option<SessionParameter>, DecodeError> {
        parameter_of(bytes, |p, _| SessionParameter::decode(&p))
    }

    #[test]
    fn each_is_read_from_the_bytes_of_the_document_and_written_the_same() {
        for (bytes, parameter) in [
            ("bf02000c0000000000000001", SessionParameter::Ack(smallvec![1])),
            ("bf0200140000000000000001ffffffffffffffff", SessionParameter::Ack(smallvec![1, u64::MAX])),
            ("bf03000c0102030405060708", SessionParameter::Heartbeat(0x0102_0304_0506_0708)),
            ("bf04000c0102030405060708", SessionParameter::HeartbeatAck(0x0102_0304_0506_0708)),
            ("bf05000800002710", SessionParameter::Drain { milliseconds: 10_000 }),
            ("bf06000800030000", SessionParameter::Bye(ByeReason::Superseded)),
            ("bf06000801000000", SessionParameter::Bye(ByeReason::Other(256))),
            ("bf07000c0000000100000000", SessionParameter::Taken { bytes: 1 << 32 }),
        ] {
            assert_eq!(tlv(|out| parameter.encode(out)), bytes);
            assert_eq!(decode(bytes), Ok(Some(parameter)));
        }
    }

    #[test]
    fn each_reason_keeps_its_number() {
        assert!((0..=u16::MAX).all(|number| ByeReason::from(number).number() == number));
    }

    #[test]
    fn a_wrong_length_is_refused() {
        for bytes in [
            "bf02 0004",
            "bf02 000b 00000000000000 00",
            "bf03 0008 00000000",
            "bf05 000c 00000000 00000000",
            "bf06 0006 0000",
            "bf07 0004",
        ] {
            assert!(decode(bytes).is_err(), "{bytes}");
        }
        assert_eq!(decode("bf08 0004"), Ok(None));
    }
}
