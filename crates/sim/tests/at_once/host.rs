// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar behind one connection, driven as its shell drives it, and the peer at the other end.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use machine::association::{self, AssociationId, Mapping, Peer, PeerIdentity, Request, Token};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ASAP;
use rsp_core::config::{Profile, RegistrarSettings};
use rsp_core::registrar::{Effect, Input, Registrar};
use rsp_wire::asap::{Deregistration, Message, Registration};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};
use smallvec::smallvec;
use tcp_mapping::{Config, Connection, Event, Role};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ID: AssociationId = AssociationId(1);
const NOW: Time = Time::from_millis(1000);

pub(crate) struct Host {
    pub(crate) registrar: Registrar,
    pub(crate) answered_at_once: usize,
    at_once: bool,
    connection: Connection,
    input: BytesMut,
    /// What was written and the peer has not read yet.
    written: Vec<u8>,
    peer: Connection,
    room: Vec<u8>,
}

impl Host {
    /// One that answers at once, or not.
    pub(crate) fn new(at_once: bool) -> Self {
        let mut host = Host {
            registrar: Registrar::new(ServerId(1), RegistrarSettings::of(Profile::Standard), vec![], 1),
            answered_at_once: 0,
            at_once,
            connection: Connection::new(Role::Acceptor, Config::default(), NOW),
            input: BytesMut::with_capacity(64 << 10),
            written: Vec::new(),
            peer: Connection::new(Role::Connector, Config::default(), NOW),
            room: Vec::with_capacity(64 << 10),
        };
        host.connection.lend(BytesMut::with_capacity(64 << 10));
        let init = write(&mut host.peer);
        host.receive(&init);
        host.peer_reads();
        host
    }

    /// The bytes in which the peer sends a message.
    pub(crate) fn peer_says(&mut self, message: &Message) -> Vec<u8> {
        let data = message.to_bytes(Dialect::STANDARD).expect("it is short");
        self.peer.send(0, PPID_ASAP, false, Token(0), data).expect("it is up");
        write(&mut self.peer)
    }

    /// The peer reads what was written to it. Answers its ACKs.
    pub(crate) fn peer_reads(&mut self) -> Vec<u8> {
        let mut written = BytesMut::from(&self.written[..]);
        self.written.clear();
        self.peer.received(&mut written, NOW);
        while let Output::Effect(event) = self.peer.poll_output() {
            if let Event::Message { sequence, .. } = event {
                self.peer.taken(sequence);
            }
        }
        write(&mut self.peer)
    }

    /// Bytes come; answers what is written.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let before = self.written.len();
        let mut input = std::mem::take(&mut self.input);
        input.put_slice(bytes);
        self.receive_into(&mut input);
        self.input = input;
        self.written[before..].to_vec()
    }

    /// One wake-up: all of it is read, then written once.
    pub(crate) fn receive_into(&mut self, input: &mut BytesMut) {
        let Host { registrar, connection, answered_at_once, .. } = self;
        if self.at_once {
            let mut responder = |now, ppid, message: &[u8], answer: &mut BytesMut| {
                let is_answered = registrar.answer_at_once(ID, ppid, message, now, answer);
                *answered_at_once += usize::from(is_answered);
                is_answered
            };
            while connection.received_and_answered(input, NOW, &mut responder) {}
        } else {
            connection.received(input, NOW);
        }
        while let Output::Effect(event) = self.connection.poll_output() {
            self.registrar.handle_input(Input::Association(ID, of_transport(event)), NOW);
            while let Output::Effect(effect) = self.registrar.poll_output() {
                match effect {
                    Effect::Association(ID, Request::Taken { sequence }) => self.connection.taken(sequence),
                    Effect::Association(ID, Request::Send { stream, ppid, unordered, token, data, .. }) => {
                        self.connection.send(stream, ppid, unordered, token, data).expect("it is up");
                    }
                    _ => {}
                }
            }
        }
        self.room.clear();
        write_into(&mut self.connection, &mut self.room);
        self.written.extend_from_slice(&self.room);
    }
}

/// PE `n` in one of ten pools.
pub(crate) fn registration(n: u32, policy: Policy) -> Message {
    let transport = Transport {
        protocol: Protocol::Tcp,
        port: 7000,
        transport_use: TransportUse::DATA_ONLY,
        addresses: smallvec![HOST],
    };
    let pool_element = PoolElement {
        id: PeId(n + 1),
        home: ServerId::NONE,
        life: RegistrationLife(120),
        user_transport: UserTransport::Ip(transport),
        policy,
        asap_transport: None,
        unknown: vec![],
    };
    Registration { pool_handle: pool_of(n), pool_element, unknown: vec![] }.into()
}

pub(crate) fn deregistration(n: u32) -> Message {
    Deregistration { pool_handle: pool_of(n), pe_id: PeId(n + 1), unknown: vec![] }.into()
}

pub(crate) fn buffer(bytes: &[u8]) -> BytesMut {
    BytesMut::from(bytes)
}

fn pool_of(n: u32) -> PoolHandle {
    PoolHandle::from(format!("pool-{}", n % 10))
}

fn of_transport(event: Event) -> association::Event {
    match event {
        Event::Up(_) => association::Event::Up(Peer {
            addresses: smallvec![SocketAddr::new(HOST, 5000)],
            local: SocketAddr::new(HOST, 3863),
            mapping: Mapping::Tcp,
            max_message: 65_455,
            identity: PeerIdentity::Anonymous,
            local_addresses: Default::default(),
            own_heartbeat: true,
        }),
        Event::Message { sequence, stream, ppid, unordered, data } => {
            association::Event::Message { sequence, stream, ppid, unordered, data: Bytes::clone(&data) }
        }
        Event::Delivered(token) => association::Event::Delivered(token),
        event => panic!("{event:?}"),
    }
}

fn write(connection: &mut Connection) -> Vec<u8> {
    let mut all = Vec::new();
    write_into(connection, &mut all);
    all
}

fn write_into(connection: &mut Connection, all: &mut Vec<u8>) {
    while connection.buffered() > 0 {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = connection.slices(&mut slices);
        let before = all.len();
        slices[..count].iter().for_each(|slice| all.extend_from_slice(slice));
        let length = all.len() - before;
        connection.written(length);
    }
}
