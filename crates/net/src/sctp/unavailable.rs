// SPDX-License-Identifier: MIT OR Apache-2.0
//! No SCTP at all: whoever asks for an association hears at once that there is none.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use machine::association::{Event, Heartbeat, LostReason, Mapping};

use crate::tcp::UNSPECIFIED;
use crate::transport::{Message, Port, Sctp, SendError, Transport};
use crate::{BindError, Options};

/// The back end of a process that has none.
#[derive(Debug)]
pub(crate) struct Unavailable;

impl Sctp for Unavailable {
    fn connect(&self, addresses: Vec<SocketAddr>, _options: Options) -> Box<dyn Transport> {
        let peer = addresses.first().copied().unwrap_or(UNSPECIFIED);
        Box::new(Never { peer, ended: Some(LostReason::Io(MISSING.to_owned())) })
    }

    fn reserve(&self, _addresses: &[SocketAddr], _options: Options) -> Result<Box<dyn Port>, BindError> {
        Err(BindError::NoSctp)
    }
}

/// An association that never comes up.
#[derive(Debug)]
struct Never {
    peer: SocketAddr,
    ended: Option<LostReason>,
}

impl Transport for Never {
    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<Event> {
        self.ended.take().map_or(Poll::Pending, |reason| Poll::Ready(Event::Lost(reason)))
    }

    fn send(&mut self, _message: Message) -> Result<(), SendError> {
        Err(tcp_mapping::SendError::NotUp.into())
    }

    fn close(&mut self) {
        self.ended = self.ended.take().map(|_| LostReason::Closed);
    }

    fn abort(&mut self) {
        self.close();
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn local_addr(&self) -> SocketAddr {
        UNSPECIFIED
    }

    fn mapping(&self) -> Option<Mapping> {
        None
    }

    fn taken(&mut self, _sequence: u64) {}

    fn flush(&mut self) {}

    fn set_heartbeat(&mut self, _heartbeat: Heartbeat) {}

    fn probe(&mut self) {}

    fn buffered(&self) -> usize {
        0
    }

    fn outstanding(&self) -> usize {
        0
    }

    fn round_trip_time(&self) -> Option<Duration> {
        None
    }
}

const MISSING: &str = "SCTP is switched off here, or the kernel has none: `modprobe sctp`, or choose SCTP over UDP";
