// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings of an association, whatever its transport.

use std::time::Duration;

use machine::association::Heartbeat;
use tcp_mapping::Config;

/// Settings of an association. The default is profile `standard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long it may take until the association is up, all addresses together.
    pub connect_timeout: Duration,
    /// How long an orderly end may wait for what was sent to be written and acknowledged.
    pub close_timeout: Duration,
    /// How silence is broken and judged, until [`set_heartbeat`](crate::Association::set_heartbeat).
    pub heartbeat: Heartbeat,
    /// Bytes of messages handed up and not yet taken; a peer that sends more is closed. Above any window the layer
    /// above grants, with room for its own messages: 16 bytes are counted for each message beside its data.
    pub max_untaken_bytes: usize,
}

impl Options {
    pub(crate) fn mapping(&self) -> Config {
        Config {
            connect_timeout: self.connect_timeout,
            close_timeout: self.close_timeout,
            heartbeat: self.heartbeat,
            max_untaken_bytes: self.max_untaken_bytes,
            ..Config::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let Config { connect_timeout, close_timeout, heartbeat, max_untaken_bytes, .. } = Config::default();
        Options { connect_timeout, close_timeout, heartbeat, max_untaken_bytes }
    }
}
