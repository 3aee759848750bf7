// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the words of the TCP mapping to those all transports share.

use std::io;
use std::net::SocketAddr;

use machine::association::{Event, LostReason, Mapping, Peer, PeerIdentity};
use smallvec::smallvec;

use crate::MAX_MESSAGE;

/// What the mapping reported on a connection between `local` and `peer`.
pub(crate) fn event(event: tcp_mapping::Event, local: SocketAddr, peer: SocketAddr) -> Event {
    use tcp_mapping::Event::*;
    match event {
        Up(kind) => Event::Up(Peer {
            addresses: smallvec![peer],
            local,
            mapping: mapping(kind),
            max_message: MAX_MESSAGE,
            identity: PeerIdentity::Anonymous,
            local_addresses: Default::default(),
            own_heartbeat: kind == tcp_mapping::Kind::Mapping,
        }),
        Message { sequence, stream, ppid, unordered, data } => {
            Event::Message { sequence, stream, ppid, unordered, data }
        }
        Delivered(token) => Event::Delivered(token),
        Undelivered(token) => Event::Undelivered(token),
        Paused(late) => {
            tracing::info!(%peer, ?late, "this process was paused: nothing is declared dead");
            Event::Paused
        }
        Lost(reason) => {
            tracing::debug!(%local, %peer, %reason, "association lost");
            Event::Lost(lost(reason))
        }
    }
}

/// How the mapping carries messages.
pub(crate) fn mapping(kind: tcp_mapping::Kind) -> Mapping {
    match kind {
        tcp_mapping::Kind::Mapping => Mapping::Tcp,
        tcp_mapping::Kind::Plain => Mapping::PlainAsap,
    }
}

fn lost(reason: tcp_mapping::LostReason) -> LostReason {
    use tcp_mapping::LostReason::*;
    match reason {
        ConnectTimeout => LostReason::ConnectTimeout,
        PeerClosed => LostReason::PeerClosed,
        Socket(io::ErrorKind::ConnectionRefused) => LostReason::Refused,
        Socket(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) => {
            LostReason::Reset
        }
        Socket(kind) => LostReason::Io(kind.to_string()),
        HeartbeatMissed(_) => LostReason::HeartbeatMissed,
        Protocol(error) => LostReason::Protocol(error.to_string()),
        Overrun(what) => LostReason::Overrun(what.to_owned()),
        Closed => LostReason::Closed,
    }
}
