// SPDX-License-Identifier: MIT OR Apache-2.0
//! What its owner asks of the association.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use machine::association::{Event, Heartbeat, LostReason, Mapping, PathState};

use super::super::socket::{self, Socket};
use super::{KernelAssociation, Source, State};
use crate::MAX_PAYLOAD;
use crate::transport::{AddressError, Feature, Message, NotAvailable, Path, SendError, Transport};

impl Transport for KernelAssociation {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.poll(cx)
    }

    fn send(&mut self, message: Message) -> Result<(), SendError> {
        use tcp_mapping::SendError::{Empty, FieldNotCarried, NotUp, TooLong};
        let len = message.data.len();
        if self.state == State::Ended || self.closing.is_some() {
            return Err(NotUp.into());
        }
        if message.lifetime.is_some() && !self.has_lifetime {
            return Err(self.lacks(Feature::Lifetime).into());
        }
        match len {
            0 => return Err(Empty.into()),
            _ if len > MAX_PAYLOAD => return Err(TooLong { len, max: MAX_PAYLOAD }.into()),
            _ if self.state == State::Up && message.stream >= self.outbound_streams => {
                return Err(FieldNotCarried.into());
            }
            _ => {}
        }
        let waiting = self.outgoing.waiting_bytes();
        if waiting + len > self.settings.max_send_bytes && waiting > 0 {
            return Err(SendError::Full(waiting));
        }
        self.outgoing.push(message);
        Ok(())
    }

    fn taken(&mut self, sequence: u64) {
        self.incoming.taken(sequence);
    }

    fn flush(&mut self) {
        self.write_out();
    }

    fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        self.options.heartbeat = heartbeat;
        if let Some(silence) = &mut self.silence {
            silence.set(heartbeat, self.clock.now());
        }
    }

    fn probe(&mut self) {
        let (Source::Socket(socket), Some(silence)) = (&self.source, &mut self.silence) else { return };
        let Ok(packets) = socket.get_ref().packets_received(self.id) else { return };
        silence.probe(packets, self.clock.now());
        self.ask();
    }

    fn close(&mut self) {
        if self.state != State::Ended && self.closing.is_none() {
            self.closing = Some(self.clock.now() + self.options.close_timeout);
            self.write_out();
        }
    }

    fn abort(&mut self) {
        self.abort_for(LostReason::Closed);
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn mapping(&self) -> Option<Mapping> {
        (self.state == State::Up).then_some(Mapping::Sctp)
    }

    fn buffered(&self) -> usize {
        self.outgoing.waiting_bytes()
    }

    fn outstanding(&self) -> usize {
        self.outgoing.outstanding()
    }

    fn round_trip_time(&self) -> Option<Duration> {
        let Source::Socket(socket) = &self.source else { return None };
        socket.get_ref().primary_path(self.id).ok().map(|path| path.srtt)
    }

    fn paths(&self) -> Result<Vec<Path>, NotAvailable> {
        let Source::Socket(socket) = &self.source else { return Ok(Vec::new()) };
        let socket = socket.get_ref();
        let primary = self.primary();
        let addresses = socket.peer_addresses(self.id).unwrap_or_default();
        let known = addresses.into_iter().filter_map(|address| socket.path(self.id, address).ok());
        Ok(known
            .map(|path| Path {
                address: path.address,
                state: if path.active { PathState::Available } else { PathState::Unreachable },
                primary: Some(path.address) == primary,
                srtt: Some(path.srtt),
                rto: Some(path.rto),
                pmtu: Some(path.mtu as usize),
                cwnd: Some(path.cwnd as usize),
            })
            .collect())
    }

    fn set_primary(&mut self, address: SocketAddr) -> Result<(), NotAvailable> {
        let missing = self.lacks(Feature::Paths);
        let Source::Socket(socket) = &self.source else { return Err(missing) };
        socket.get_ref().set_primary(self.id, address).map_err(|_| missing)?;
        self.peer = address;
        Ok(())
    }

    fn add_local_address(&mut self, address: IpAddr) -> Result<(), AddressError> {
        let (socket, address) = self.changing(address)?;
        Ok(socket.add_addresses(&[address])?)
    }

    fn remove_local_address(&mut self, address: IpAddr) -> Result<(), AddressError> {
        let (socket, address) = self.changing(address)?;
        Ok(socket.remove_addresses(&[address])?)
    }

    fn set_peer_primary(&mut self, address: IpAddr) -> Result<(), AddressError> {
        let (socket, address) = self.changing(address)?;
        Ok(socket.set_peer_primary(self.id, address)?)
    }
}

impl KernelAssociation {
    fn primary(&self) -> Option<SocketAddr> {
        let Source::Socket(socket) = &self.source else { return None };
        socket.get_ref().primary_path(self.id).ok().map(|path| path.address)
    }

    /// The socket, if this system and the peer can change addresses, and the address with our port.
    fn changing(&self, address: IpAddr) -> Result<(&Socket, SocketAddr), AddressError> {
        match &self.source {
            Source::Socket(socket) if socket.get_ref().supports(self.id, socket::ASCONF_SUPPORTED) => {
                Ok((socket.get_ref(), SocketAddr::new(address, self.local.port())))
            }
            _ => Err(self.lacks(Feature::AddIp).into()),
        }
    }
}
