// SPDX-License-Identifier: MIT OR Apache-2.0
//! HELLO, parameter 0xbf01 of ASAP_SESSION, `docs/session-wire.md` §2.

use std::fmt;

use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter};
use crate::parameter::parameter_type::SESSION_HELLO;

/// HELLO 0xbf01: opens the session layer on an association.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        Type = 0xbf01          |         Length = 0x2c         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Version = 1  |0|0|0|0|0|D|R|A|               0               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           Features                            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Session Id (64)                        |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Failover Count                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Heartbeat Interval in ms                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Largest Message                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Receive Window                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           Next (64)                           |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// 1.
    pub version: u8,
    /// Flag 1 (A): this answers the peer's HELLO.
    pub answer: bool,
    /// Flag 2 (R): the session comes from another association.
    pub resumed: bool,
    /// Flag 4 (D): this association carries the user data of the session that has its control on another.
    pub data: bool,
    /// What the sender can do.
    pub features: Features,
    /// Random, drawn by the PU, the same over all failovers.
    pub session_id: u64,
    /// 0 on the session's first association, one more on each further one.
    pub failover_count: u32,
    /// The sender's heartbeat interval in milliseconds; both ends use the larger one.
    pub heartbeat_ms: u32,
    /// Largest message the sender takes, in bytes of application data.
    pub largest_message: u32,
    /// Application bytes the sender takes before it has acknowledged any.
    pub receive_window: u32,
    /// The id the sender gives the receiver's next message.
    pub next: u64,
}

impl Hello {
    /// What follows the fields this version knows is ignored.
    pub(super) fn decode(parameter: &Parameter<'_>) -> Result<Self, DecodeError> {
        Hello::fields(parameter).ok_or_else(|| parameter.invalid("HELLO too short for its fields"))
    }

    fn fields(parameter: &Parameter<'_>) -> Option<Self> {
        let mut value = parameter.value;
        let version = value.u8()?;
        let flags = value.u8()?;
        value.u16()?;
        Some(Hello {
            version,
            answer: flags & ANSWER != 0,
            resumed: flags & RESUMED != 0,
            data: flags & DATA != 0,
            features: Features(value.u32()?),
            session_id: value.u64()?,
            failover_count: value.u32()?,
            heartbeat_ms: value.u32()?,
            largest_message: value.u32()?,
            receive_window: value.u32()?,
            next: value.u64()?,
        })
    }

    pub(super) fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(SESSION_HELLO, |out| {
            out.u8(self.version);
            let flag = |set: bool, flag: u8| if set { flag } else { 0 };
            out.u8(flag(self.answer, ANSWER) | flag(self.resumed, RESUMED) | flag(self.data, DATA));
            out.u16(0);
            out.u32(self.features.0);
            out.u64(self.session_id);
            out.u32(self.failover_count);
            out.u32(self.heartbeat_ms);
            out.u32(self.largest_message);
            out.u32(self.receive_window);
            out.u64(self.next);
            Ok(())
        })
    }
}

impl fmt::Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.answer { " answer" } else { "" };
        let resumed = if self.resumed { " resumed" } else { "" };
        let data = if self.data { " data" } else { "" };
        write!(
            f,
            "HELLO{answer}{resumed}{data} version {}, {}, session {:#018x}, failover {}, next {}",
            self.version, self.features, self.session_id, self.failover_count, self.next
        )
    }
}

/// Feature bits of HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features(pub u32);

impl Features {
    /// Upper layer acknowledgements.
    pub const ACKS: Features = Features(1);
    /// Answers 0xbf03.
    pub const HEARTBEAT: Features = Features(2);
    /// Understands DRAIN.
    pub const DRAIN: Features = Features(4);
    /// Takes messages in fragments.
    pub const FRAGMENTS: Features = Features(8);
    /// User data on an association of its own.
    pub const SEPARATE_DATA: Features = Features(16);

    /// Whether all of `other` are among these.
    pub const fn contains(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Features {
    type Output = Features;
    fn bitor(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }
}

/// A feature is in force if both ends named it.
impl std::ops::BitAnd for Features {
    type Output = Features;
    fn bitand(self, other: Features) -> Features {
        Features(self.0 & other.0)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("features")?;
        for (feature, name) in [
            (Features::ACKS, " acks"),
            (Features::HEARTBEAT, " heartbeat"),
            (Features::DRAIN, " drain"),
            (Features::FRAGMENTS, " fragments"),
            (Features::SEPARATE_DATA, " separate-data"),
        ] {
            f.write_str(if self.contains(feature) { name } else { "" })?;
        }
        match self.0 & !0x1f {
            0 => Ok(()),
            others => write!(f, " {others:#x}"),
        }
    }
}

const ANSWER: u8 = 0x01;
const RESUMED: u8 = 0x02;
const DATA: u8 = 0x04;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    const FROM_THE_DOCUMENT: &str =
        "bf01 002c 01 03 0000 00000007 1122334455667788 00000002 000003e8 0000ffaf 00040000 0000000000000009";

    fn hello() -> Hello {
        Hello {
            version: 1,
            answer: true,
            resumed: true,
            data: false,
            features: Features::ACKS | Features::HEARTBEAT | Features::DRAIN,
            session_id: 0x1122_3344_5566_7788,
            failover_count: 2,
            heartbeat_ms: 1000,
            largest_message: 65_455,
            receive_window: 262_144,
            next: 9,
        }
    }

    fn decode(bytes: &str) -> Result<Hello, DecodeError> {
        parameter_of(bytes, |p, _| Hello::decode(&p))
    }

    #[test]
    fn it_is_read_from_the_bytes_of_the_document() {
        assert_eq!(decode(FROM_THE_DOCUMENT), Ok(hello()));
        assert_eq!(
            hello().to_string(),
            "HELLO answer resumed version 1, features acks heartbeat drain, session 0x1122334455667788, failover 2, next 9"
        );
    }

    #[test]
    fn it_goes_round() {
        let hello = Hello { answer: false, data: true, next: u64::MAX, ..hello() };
        assert_eq!(decode(&tlv(|out| hello.encode(out))), Ok(hello));
    }

    #[test]
    fn a_longer_hello_of_a_later_version_is_read_and_a_shorter_one_is_not() {
        let longer = FROM_THE_DOCUMENT.replace("002c 01", "0030 02") + "cafecafe";
        assert_eq!(decode(&longer), Ok(Hello { version: 2, ..hello() }));
        let shorter = FROM_THE_DOCUMENT.replace("002c", "0028");
        assert!(decode(&shorter).is_err());
    }
}
