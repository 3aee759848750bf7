// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool element or pool user made of nothing but an association and the codec.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use machine::association::{Event, Heartbeat, LostReason, Mapping, Token};
use net::{Association, Options};
use rsp_core::PPID_ASAP;
use rsp_wire::asap::{
    EndpointKeepAliveAck, EndpointUnreachable, HandleResolution, HandleResolutionResponse, Message, Registration,
};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};
use tokio::runtime::{Builder, Runtime};

/// One end of an association with the registrar. Its methods wait as long as a busy machine may need.
pub(crate) struct Peer {
    runtime: Runtime,
    association: Association,
}

impl Peer {
    /// Connects over the TCP mapping.
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let heartbeat = Heartbeat { interval: Duration::from_secs(10), dead_after: PATIENCE };
        let options = Options { connect_timeout: PATIENCE, heartbeat, ..Options::default() };
        let association = runtime.block_on(async { Association::connect(vec![to], options) });
        let mut peer = Peer { runtime, association };
        match peer.next() {
            Event::Up(up) => assert_eq!(up.mapping, Mapping::Tcp),
            other => panic!("{other:?} instead of Up"),
        }
        peer
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Message) {
        self.send_bytes(PPID_ASAP, message.to_bytes(DIALECT).expect("the message fits"));
    }

    /// Sends any bytes as one message.
    pub(crate) fn send_bytes(&mut self, ppid: u32, bytes: Bytes) {
        self.association.send(0, ppid, false, Token(0), bytes).expect("it is up");
        self.association.flush();
    }

    /// The next message; keep-alives are answered, as an endpoint does.
    pub(crate) fn receive(&mut self) -> Message {
        loop {
            match self.receive_anything() {
                Message::EndpointKeepAlive(question) => {
                    let pe_id = question.pe_id.expect("ours names it");
                    let pool_handle = question.pool_handle;
                    self.send(&Message::EndpointKeepAliveAck(EndpointKeepAliveAck {
                        pool_handle,
                        pe_id,
                        unknown: Vec::new(),
                    }));
                }
                other => return other,
            }
        }
    }

    /// The next message, be it a keep-alive.
    pub(crate) fn receive_anything(&mut self) -> Message {
        loop {
            match self.next() {
                Event::Message { sequence, ppid, data, .. } => {
                    assert_eq!(ppid, PPID_ASAP);
                    self.association.taken(sequence);
                    return Message::decode(&data).expect("a registrar sends no nonsense").message;
                }
                Event::Lost(reason) => panic!("lost: {reason}"),
                _ => {}
            }
        }
    }

    /// Waits for the end.
    pub(crate) fn lost(&mut self) -> LostReason {
        loop {
            if let Event::Lost(reason) = self.next() {
                return reason;
            }
        }
    }

    /// Resolves a pool.
    pub(crate) fn resolve(&mut self, pool: &str) -> HandleResolutionResponse {
        self.send(&resolution(pool, false));
        match self.receive() {
            Message::HandleResolutionResponse(response) => response,
            other => panic!("{other:?} instead of a resolution"),
        }
    }

    /// Registers and expects it to be accepted.
    pub(crate) fn register(&mut self, pool: &str, element: PoolElement) {
        self.send(&registration(pool, element));
        match self.receive() {
            Message::RegistrationResponse(response) => assert!(!response.reject, "{response:?}"),
            other => panic!("{other:?} instead of a registration response"),
        }
    }

    /// A pool element that lives where this peer does.
    pub(crate) fn element(&self, id: u32) -> PoolElement {
        pool_element(id, self.association.local_addr())
    }

    fn next(&mut self) -> Event {
        let next = async { tokio::time::timeout(PATIENCE, self.association.next()).await };
        self.runtime.block_on(next).expect("it happens within a minute")
    }
}

pub(crate) fn registration(pool: &str, pool_element: PoolElement) -> Message {
    Message::Registration(Registration { pool_handle: PoolHandle::from(pool), pool_element, unknown: Vec::new() })
}

pub(crate) fn resolution(pool: &str, subscribe: bool) -> Message {
    let pool_handle = PoolHandle::from(pool);
    Message::HandleResolution(HandleResolution { subscribe, pool_handle, items: Some(10), unknown: Vec::new() })
}

pub(crate) fn report(pool: &str, pe: u32) -> Message {
    Message::EndpointUnreachable(EndpointUnreachable {
        pool_handle: PoolHandle::from(pool),
        pe_id: PeId(pe),
        unknown: Vec::new(),
    })
}

/// A pool element with data and control at this address.
pub(crate) fn pool_element(id: u32, at: SocketAddr) -> PoolElement {
    let transport = Transport {
        protocol: Protocol::Tcp,
        port: at.port(),
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec::smallvec![at.ip()],
    };
    PoolElement {
        id: PeId(id),
        home: ServerId::NONE,
        life: RegistrationLife(120),
        user_transport: UserTransport::Ip(transport),
        policy: Policy::WeightedRoundRobin { weight: 3 },
        asap_transport: None,
        unknown: Vec::new(),
    }
}

pub(crate) const DIALECT: Dialect = Dialect { length_includes_padding: true };

/// Nothing here takes so long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);
