// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parameters 0xbf01 to 0xbf07 of ASAP_SESSION.

use smallvec::SmallVec;

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

/// HELLO 0xbf01: opens the session layer on an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// 1.
    pub version: u8,
    /// Flag 1: this answers the peer's HELLO.
    pub answer: bool,
    /// Flag 2: the session comes from another association.
    pub resumed: bool,
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
    /// Takes messages in fragments (part 4; reserved).
    pub const FRAGMENTS: Features = Features(8);

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
