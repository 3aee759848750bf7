// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings of one connection.

use std::time::Duration;

use machine::association::Heartbeat;

use crate::InitFlags;

/// Which end of the TCP connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Called `connect`: speaks first.
    Connector,
    /// Called `accept`: learns from the first four bytes whether the peer speaks the mapping or plain ASAP.
    Acceptor,
}

/// Settings of one connection. The default is profile `standard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Fields our DATA chunks leave out. Never the PPID where control and data share the connection.
    pub init_flags: InitFlags,
    /// How long the peer's INIT (or first plain message) may take.
    pub connect_timeout: Duration,
    /// How long an orderly end may wait for what was sent to be written and acknowledged.
    pub close_timeout: Duration,
    /// How silence is broken and judged. `dead_after` is the interval times the misses, or `give_up` on the passive side,
    /// which nothing hurries; less than two intervals count as two, so that a HEARTBEAT comes first.
    pub heartbeat: Heartbeat,
    /// Bytes of messages handed up and not yet taken. A peer that sends more is closed. Each message counts
    /// [`Config::MESSAGE_OVERHEAD`] bytes more than its data.
    pub max_untaken_bytes: usize,
    /// Bytes of ACKs and heartbeats queued for a peer that doesn't read them. Above it the peer is closed.
    pub max_control_bytes: usize,
}

impl Config {
    /// What a waiting message counts beside its data.
    pub const MESSAGE_OVERHEAD: usize = 16;
}

impl Default for Config {
    fn default() -> Self {
        Config {
            init_flags: InitFlags::NONE,
            connect_timeout: Duration::from_secs(1),
            close_timeout: Duration::from_secs(5),
            // The draft names no values.
            heartbeat: Heartbeat { interval: Duration::from_secs(1), dead_after: Duration::from_secs(3) },
            max_untaken_bytes: 16 << 20,
            max_control_bytes: 256 << 10,
        }
    }
}
